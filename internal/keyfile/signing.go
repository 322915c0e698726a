package keyfile

import (
	"crypto/ed25519"
	"fmt"
	"slices"
)

// SigningKey is an Ed25519 key pair that signs manifests. It prints as its id.
type SigningKey struct{ private *ed25519.PrivateKey }

// GenerateSigning makes a key pair.
func GenerateSigning() SigningKey {
	seed := random()
	return newSigningKey(seed[:])
}

func newSigningKey(seed []byte) SigningKey {
	private := ed25519.NewKeyFromSeed(seed)
	return SigningKey{&private}
}

// ParseSigning reads a signing key.
func ParseSigning(text []byte) (SigningKey, error) {
	seed, err := decode(text, SigningPrivate)
	if err != nil {
		return SigningKey{}, err
	}
	return newSigningKey(seed), nil
}

// Private returns the key that signs.
func (k SigningKey) Private() ed25519.PrivateKey { return slices.Clone(*k.private) }

// Public returns the public half.
func (k SigningKey) Public() SigningPublicKey {
	return SigningPublicKey{k.private.Public().(ed25519.PublicKey)}
}

// ID returns the id of the pair.
func (k SigningKey) ID() string { return k.Public().ID() }

// Kind returns SigningPrivate.
func (SigningKey) Kind() Kind { return SigningPrivate }

func (k SigningKey) secret() (string, error) { return encode(SigningPrivate, k.private.Seed()), nil }

func (k SigningKey) note() string { return "public key: " + k.Public().String() }

// Format prints the id, whatever the verb.
func (k SigningKey) Format(s fmt.State, _ rune) { printID(s, k) }

// SigningPublicKey is the public half of a signing key.
type SigningPublicKey struct{ public ed25519.PublicKey }

// ParseSigningPublic reads a public key (tssig1…).
func ParseSigningPublic(text string) (SigningPublicKey, error) {
	public, err := decode([]byte(text), SigningPublic)
	if err != nil {
		return SigningPublicKey{}, err
	}
	return SigningPublicKey{ed25519.PublicKey(public)}, nil
}

// Key returns the key that verifies.
func (k SigningPublicKey) Key() ed25519.PublicKey { return slices.Clone(k.public) }

// ID returns the id of the pair.
func (k SigningPublicKey) ID() string { return idOfPublic("tssig1", k.public) }

// String returns the text of the key.
func (k SigningPublicKey) String() string { return encode(SigningPublic, k.public) }
