package artifact

import (
	"crypto/ed25519"
	"fmt"

	"github.com/tranship/tranship/internal/fault"
)

// Role is the service that a signing key belongs to.
type Role string

// The roles that sign.
const (
	Capturer   Role = "capturer"
	Masker     Role = "masker"
	Verifier   Role = "verifier"
	Transferer Role = "transferer"
	Restorer   Role = "restorer" // signs that a restore was found equal
)

// Validate returns a permanent error for an unknown role.
func (r Role) Validate() error {
	switch r {
	case Capturer, Masker, Verifier, Transferer, Restorer:
		return nil
	}
	return fault.New(fault.Permanent, "signer.role", "role %.20q: must be capturer, masker, verifier, transferer or restorer", string(r))
}

// Signer is a secret Ed25519 key of a role. No format verb prints it and no encoder takes it.
type Signer struct {
	role Role
	key  ed25519.PrivateKey
}

// GenerateSigner returns a new random key.
func GenerateSigner(role Role) (*Signer, error) {
	if err := role.Validate(); err != nil {
		return nil, err
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("generate a signer: %w", err)
	}
	return &Signer{role: role, key: key}, nil
}

// NewSigner reads what Bytes returned: a seed of 32 bytes.
func NewSigner(role Role, seed []byte) (*Signer, error) {
	if err := role.Validate(); err != nil {
		return nil, err
	}
	if len(seed) != ed25519.SeedSize {
		return nil, fault.New(fault.Permanent, "key.invalid", "signer: it has %d bytes, want %d", len(seed), ed25519.SeedSize)
	}
	return &Signer{role: role, key: ed25519.NewKeyFromSeed(seed)}, nil
}

// Role returns the role that the key signs for.
func (s *Signer) Role() Role { return s.role }

// Public returns the key that verifies the signatures.
func (s *Signer) Public() VerifyKey {
	return VerifyKey{key: [ed25519.PublicKeySize]byte(s.key.Public().(ed25519.PublicKey))}
}

// Bytes returns the secret seed itself, for a key file.
func (s *Signer) Bytes() []byte { return s.key.Seed() }

// String names the key without showing it.
func (s *Signer) String() string {
	return "[" + string(s.role) + " signer " + s.Public().Fingerprint() + "]"
}

// Format names the key for every verb of package fmt.
func (s *Signer) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalJSON always fails.
func (s *Signer) MarshalJSON() ([]byte, error) { return nil, errSecretKey }

// MarshalText always fails.
func (s *Signer) MarshalText() ([]byte, error) { return nil, errSecretKey }

// VerifyKey is the public half of a Signer.
type VerifyKey struct{ key [ed25519.PublicKeySize]byte }

// NewVerifyKey reads what Bytes returned: 32 bytes.
func NewVerifyKey(raw []byte) (VerifyKey, error) {
	if len(raw) != ed25519.PublicKeySize {
		return VerifyKey{}, fault.New(fault.Permanent, "key.invalid", "signing key: it has %d bytes, want %d", len(raw), ed25519.PublicKeySize)
	}
	return VerifyKey{key: [ed25519.PublicKeySize]byte(raw)}, nil
}

// Bytes returns the 32 bytes of the key.
func (v VerifyKey) Bytes() []byte { return append([]byte{}, v.key[:]...) }

// String names the key.
func (v VerifyKey) String() string { return "signing key " + v.Fingerprint() }

// Fingerprint returns 16 hex digits that name the key: the keyid of its signatures, and what `tranship keys show` prints.
func (v VerifyKey) Fingerprint() string { return publicFingerprint("tssig1", v.key[:]) }

// Trusted lists the keys whose signatures count, by role.
type Trusted map[Role][]VerifyKey

// find returns the key of that fingerprint in a role.
func (t Trusted) find(role Role, keyID string) (VerifyKey, bool) {
	for _, k := range t[role] {
		if k.Fingerprint() == keyID {
			return k, true
		}
	}
	return VerifyKey{}, false
}
