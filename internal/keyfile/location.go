package keyfile

import (
	"crypto/ecdh"
	"crypto/hpke"
	"fmt"

	"github.com/tranship/tranship/internal/fault"
)

// locationKEM is the key encapsulation of version 1 location keys.
func locationKEM() hpke.KEM { return hpke.DHKEM(ecdh.X25519()) }

// LocationKey is the key pair of a location. It prints as its id.
type LocationKey struct{ private hpke.PrivateKey }

// GenerateLocation makes a key pair.
func GenerateLocation() (LocationKey, error) {
	private, err := locationKEM().GenerateKey()
	if err != nil {
		return LocationKey{}, fmt.Errorf("generating a location key: %w", err)
	}
	return LocationKey{private}, nil
}

// ParseLocation reads a location private key.
func ParseLocation(text []byte) (LocationKey, error) {
	key, err := decode(text, LocationPrivate)
	if err != nil {
		return LocationKey{}, err
	}
	private, err := locationKEM().NewPrivateKey(key)
	if err != nil {
		return LocationKey{}, fault.New(fault.Permanent, CodeMalformed, "a %s that is no X25519 key", LocationPrivate)
	}
	return LocationKey{private}, nil
}

// Private returns the key that opens what was sealed to the location.
func (k LocationKey) Private() hpke.PrivateKey { return k.private }

// Public returns the public half.
func (k LocationKey) Public() LocationPublicKey { return LocationPublicKey{k.private.PublicKey()} }

// ID returns the id of the pair.
func (k LocationKey) ID() string { return k.Public().ID() }

// Kind returns LocationPrivate.
func (LocationKey) Kind() Kind { return LocationPrivate }

func (k LocationKey) secret() (string, error) {
	private, err := k.private.Bytes()
	if err != nil {
		return "", fmt.Errorf("encoding a %s: %w", LocationPrivate, err)
	}
	return encode(LocationPrivate, private), nil
}

func (k LocationKey) note() string { return "public key: " + k.Public().String() }

// Format prints the id, whatever the verb.
func (k LocationKey) Format(s fmt.State, _ rune) { printID(s, k) }

// LocationPublicKey is the public half of a location's key pair.
type LocationPublicKey struct{ public hpke.PublicKey }

// ParseLocationPublic reads a public key (tspub1…).
func ParseLocationPublic(text string) (LocationPublicKey, error) {
	key, err := decode([]byte(text), LocationPublic)
	if err != nil {
		return LocationPublicKey{}, err
	}
	public, err := locationKEM().NewPublicKey(key)
	if err != nil {
		return LocationPublicKey{}, fault.New(fault.Permanent, CodeMalformed, "a %s that is no X25519 key", LocationPublic)
	}
	return LocationPublicKey{public}, nil
}

// Key returns the key to seal to.
func (k LocationPublicKey) Key() hpke.PublicKey { return k.public }

// ID returns the id of the pair.
func (k LocationPublicKey) ID() string { return idOfPublic("tspub1", k.public.Bytes()) }

// String returns the text of the key.
func (k LocationPublicKey) String() string { return encode(LocationPublic, k.public.Bytes()) }
