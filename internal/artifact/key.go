package artifact

import (
	"bytes"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/tranship/tranship/internal/fault"
)

// Key encapsulations that a location may use, by their HPKE numbers.
const (
	kemX25519 = 0x0020
	kemHybrid = 0x647a // ML-KEM-768 with X25519
)

// fingerprintSize is the length in bytes of what people compare.
const fingerprintSize = 8

var errSecretKey = errors.New("a secret key cannot be encoded; use Bytes where it is meant to go")

// PublicKey is the public half of a location's key pair: what is sealed to it opens only with the PrivateKey. Its bytes
// are the HPKE number of its key encapsulation, big-endian in two bytes, and the serialized key.
type PublicKey struct {
	key hpke.PublicKey
	raw []byte
}

// NewPublicKey reads what Bytes returned.
func NewPublicKey(raw []byte) (PublicKey, error) {
	kem, rest, err := splitKEM(raw)
	if err != nil {
		return PublicKey{}, err
	}
	key, err := kem.NewPublicKey(rest)
	if err != nil {
		return PublicKey{}, fault.New(fault.Permanent, "key.invalid", "public key: %w", err)
	}
	return PublicKey{key: key, raw: append([]byte{}, raw...)}, nil
}

// IsZero reports whether there is no key.
func (p PublicKey) IsZero() bool { return p.key == nil }

// Bytes returns a copy of the key.
func (p PublicKey) Bytes() []byte { return append([]byte{}, p.raw...) }

// Fingerprint returns 16 hex digits that name the key pair. They are what `tranship keys show` prints.
func (p PublicKey) Fingerprint() string {
	// An X25519 key is named without its number, which its text form does not have.
	return publicFingerprint("tspub1", bytes.TrimPrefix(p.raw, []byte{kemX25519 >> 8, kemX25519 & 0xff}))
}

// String names the key.
func (p PublicKey) String() string { return "public key " + p.Fingerprint() }

// MarshalText writes the bytes as base64.
func (p PublicKey) MarshalText() ([]byte, error) {
	return []byte(base64.StdEncoding.EncodeToString(p.raw)), nil
}

// UnmarshalText reads what MarshalText wrote.
func (p *PublicKey) UnmarshalText(b []byte) error {
	raw, err := base64.StdEncoding.Strict().DecodeString(string(b))
	if err != nil {
		return fault.New(fault.Permanent, "key.invalid", "public key: %w", err)
	}
	*p, err = NewPublicKey(raw)
	return err
}

// PrivateKey is the secret half of a location's key pair. Who holds it can read. No format verb prints it and no encoder
// takes it.
type PrivateKey struct {
	key    hpke.PrivateKey
	public PublicKey
}

// GenerateLocationKey returns a new X25519 key pair.
func GenerateLocationKey() (*PrivateKey, error) { return generateLocationKey(kemX25519) }

// GenerateHybridLocationKey returns a new ML-KEM-768 and X25519 key pair, for vaults that must outlive X25519.
func GenerateHybridLocationKey() (*PrivateKey, error) { return generateLocationKey(kemHybrid) }

func generateLocationKey(id uint16) (*PrivateKey, error) {
	kem, err := hpke.NewKEM(id)
	if err != nil {
		return nil, fmt.Errorf("generate a location key: %w", err)
	}
	key, err := kem.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("generate a location key: %w", err)
	}
	return wrapPrivateKey(id, key)
}

// NewPrivateKey reads what Bytes returned.
func NewPrivateKey(raw []byte) (*PrivateKey, error) {
	kem, rest, err := splitKEM(raw)
	if err != nil {
		return nil, err
	}
	key, err := kem.NewPrivateKey(rest)
	if err != nil {
		return nil, fault.New(fault.Permanent, "key.invalid", "private key: it is not one of its kind")
	}
	return wrapPrivateKey(kem.ID(), key)
}

func wrapPrivateKey(id uint16, key hpke.PrivateKey) (*PrivateKey, error) {
	public, err := NewPublicKey(append(binary.BigEndian.AppendUint16(nil, id), key.PublicKey().Bytes()...))
	if err != nil {
		return nil, err
	}
	return &PrivateKey{key: key, public: public}, nil
}

// Public returns the public half.
func (p *PrivateKey) Public() PublicKey { return p.public }

// Bytes returns the secret key itself, in the form of PublicKey.Bytes, for a key file.
func (p *PrivateKey) Bytes() ([]byte, error) {
	b, err := p.key.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode a private key: %w", err)
	}
	return append(binary.BigEndian.AppendUint16(nil, p.key.KEM().ID()), b...), nil
}

// String names the key without showing it.
func (p *PrivateKey) String() string { return "[private key " + p.public.Fingerprint() + "]" }

// Format names the key for every verb of package fmt.
func (p *PrivateKey) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(p.String())) }

// MarshalJSON always fails.
func (p *PrivateKey) MarshalJSON() ([]byte, error) { return nil, errSecretKey }

// MarshalText always fails.
func (p *PrivateKey) MarshalText() ([]byte, error) { return nil, errSecretKey }

func splitKEM(raw []byte) (hpke.KEM, []byte, error) {
	if len(raw) < 2 {
		return nil, nil, fault.New(fault.Permanent, "key.invalid", "location key: it is too short")
	}
	id := binary.BigEndian.Uint16(raw)
	if id != kemX25519 && id != kemHybrid {
		return nil, nil, fault.New(fault.Permanent, "key.invalid", "location key: this version does not know its kind %#04x", id)
	}
	kem, err := hpke.NewKEM(id)
	if err != nil {
		return nil, nil, fault.New(fault.Permanent, "key.invalid", "location key: %w", err)
	}
	return kem, raw[2:], nil
}

// keySize is the length of every symmetric key in bytes.
const keySize = 32

// WriterKey is the symmetric key of those who write to a location. Who holds it, and not the PrivateKey, can resume,
// deduplicate, see names and sizes and confirm a guessed chunk, and cannot read contents. No format verb prints it and no
// encoder takes it.
type WriterKey struct{ b [keySize]byte }

// GenerateWriterKey returns a new random key.
func GenerateWriterKey() *WriterKey {
	w := &WriterKey{}
	_, _ = rand.Read(w.b[:]) // never fails
	return w
}

// NewWriterKey reads what Bytes returned: 32 bytes.
func NewWriterKey(raw []byte) (*WriterKey, error) {
	if len(raw) != keySize {
		return nil, fault.New(fault.Permanent, "key.invalid", "writer key: it has %d bytes, want %d", len(raw), keySize)
	}
	return &WriterKey{b: [keySize]byte(raw)}, nil
}

// Bytes returns the secret key itself, for a key file.
func (w *WriterKey) Bytes() []byte { return append([]byte{}, w.b[:]...) }

// Fingerprint returns 16 hex digits that name the key and tell nothing else of it. They are what `tranship keys show` prints.
func (w *WriterKey) Fingerprint() string {
	mac := hmac.New(sha256.New, w.b[:])
	mac.Write([]byte("TRANSHIP-WRITER-KEY-1 id"))
	return hex.EncodeToString(mac.Sum(nil)[:fingerprintSize])
}

// String names the key without showing it.
func (w *WriterKey) String() string { return "[writer key " + w.Fingerprint() + "]" }

// Format names the key for every verb of package fmt.
func (w *WriterKey) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(w.String())) }

// MarshalJSON always fails.
func (w *WriterKey) MarshalJSON() ([]byte, error) { return nil, errSecretKey }

// MarshalText always fails.
func (w *WriterKey) MarshalText() ([]byte, error) { return nil, errSecretKey }

// Keys are what one worker holds of a location. All are optional; what is missing takes abilities away:
//
//	nothing            list captures and verify their signatures
//	Public + Writer    write, resume, deduplicate; not read contents
//	Private            everything: the public key follows from it, and the writer key lies sealed to it in the repository
type Keys struct {
	Public  PublicKey
	Private *PrivateKey
	Writer  *WriterKey
}

// public returns the public key, given or derived; its zero value when neither key is there.
func (k Keys) public() (PublicKey, error) {
	if k.Private == nil {
		return k.Public, nil
	}
	derived := k.Private.Public()
	if !k.Public.IsZero() && k.Public.Fingerprint() != derived.Fingerprint() {
		return PublicKey{}, keyMismatch("private key", derived.Fingerprint(), k.Public.Fingerprint(), "the location's key pair")
	}
	return derived, nil
}

func publicFingerprint(kind string, raw []byte) string {
	sum := sha256.Sum256(append([]byte(kind+" id "), raw...))
	return hex.EncodeToString(sum[:fingerprintSize])
}
