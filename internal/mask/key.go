package mask

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/tranship/tranship/internal/fault"
)

// KeySize is the length of every key in bytes.
const KeySize = 32

// minDistinct is the fewest different bytes that a 32 byte key may have. A random key has about 30; one with 16 or fewer
// (probability below 10⁻¹⁷) is a constant, a short text padded out, or hexadecimal digits taken for bytes.
const minDistinct = 17

// errSecret is what every attempt to encode a key gets.
var errSecret = errors.New("a masking key cannot be encoded")

// Key is derived key material. It stays in memory: no format verb prints it and no encoder takes it.
type Key struct {
	// Package fmt asks no methods of unexported fields and follows pointers for some verbs; of a function it can only
	// print the address.
	material func() []byte
}

// Bytes returns the key itself, for a cipher. The caller must not change it.
func (k Key) Bytes() []byte { return k.material() }

// Sub derives an independent key for another purpose of the same owner.
func (k Key) Sub(label string) Key { return expand(k.Bytes(), "sub", label) }

// String hides the key.
func (Key) String() string { return "[masking key]" }

// GoString hides the key.
func (Key) GoString() string { return "[masking key]" }

// Format hides the key from every verb of package fmt.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// MarshalJSON always fails.
func (Key) MarshalJSON() ([]byte, error) { return nil, errSecret }

// MarshalText always fails.
func (Key) MarshalText() ([]byte, error) { return nil, errSecret }

// MarshalBinary always fails.
func (Key) MarshalBinary() ([]byte, error) { return nil, errSecret }

// Epoch is one tenant's independent random masking key with its number. All masks of a run derive their keys from one
// epoch. Nothing that remains after its secret is destroyed can recompute it. An Epoch is safe for concurrent use.
type Epoch struct {
	tenant string
	number int
	secret Key
}

// NewEpoch takes the secret of an epoch: 32 random bytes. It refuses, with a permanent fault that does not show the
// secret, one that is missing, of another length, constant, or too regular to be random.
func NewEpoch(tenant string, number int, secret []byte) (*Epoch, error) {
	refuse := func(format string, args ...any) error {
		return fault.New(fault.Permanent, "mask.key", "key of epoch %d: %w", number, fmt.Errorf(format, args...)).
			WithHint("make one with: openssl rand -out epoch.key %d", KeySize)
	}
	switch {
	case tenant == "":
		return nil, refuse("no tenant is named")
	case number < 1:
		return nil, refuse("an epoch's number is at least 1")
	case len(secret) == 0:
		return nil, refuse("it is empty")
	case len(secret) != KeySize:
		return nil, refuse("it has %d bytes, want %d random ones", len(secret), KeySize)
	}
	var seen [256]bool
	distinct := 0
	for _, c := range secret {
		if !seen[c] {
			seen[c] = true
			distinct++
		}
	}
	if distinct == 1 {
		return nil, refuse("all its bytes are equal")
	}
	if distinct < minDistinct {
		return nil, refuse("it has only %d different bytes, so it is not random", distinct)
	}
	return &Epoch{tenant: tenant, number: number, secret: newKey(secret)}, nil
}

// Number returns the number of the epoch.
func (e *Epoch) Number() int { return e.number }

// Tenant returns the tenant whose epoch it is.
func (e *Epoch) Tenant() string { return e.tenant }

// String names the epoch without its secret.
func (e *Epoch) String() string { return fmt.Sprintf("epoch %d of %s", e.number, e.tenant) }

// GoString names the epoch without its secret.
func (e *Epoch) GoString() string { return e.String() }

// Format names the epoch without its secret, whatever the verb.
func (e *Epoch) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(e.String())) }

// MarshalJSON always fails.
func (e *Epoch) MarshalJSON() ([]byte, error) { return nil, errSecret }

// Key derives the key of an identity and a mask.
func (e *Epoch) Key(identity, mask string) Key {
	return expand(e.secret.Bytes(), "mask", e.tenant, identity, mask)
}

// KeyCheckValue returns 16 hexadecimal digits that tell whether two processes hold the same key of an identity. They are
// public: nothing about the key or about masked values follows from them.
func (e *Epoch) KeyCheckValue(identity, mask string) string {
	k := e.Key(identity, mask)
	mac := hmac.New(sha256.New, k.Bytes())
	mac.Write([]byte("tranship key check value 1"))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// expand is HKDF-SHA-256 with the parts, each with its length before it, as info.
func expand(secret []byte, parts ...string) Key {
	info := []byte("tranship 1")
	for _, p := range parts {
		info = binary.BigEndian.AppendUint32(info, uint32(len(p)))
		info = append(info, p...)
	}
	out, err := hkdf.Key(sha256.New, secret, nil, string(info), KeySize)
	if err != nil {
		panic("mask: HKDF of 32 bytes failed: " + err.Error()) // only for lengths above 255 hashes
	}
	return newKey(out)
}

func newKey(material []byte) Key {
	own := bytes.Clone(material)
	return Key{material: func() []byte { return own }}
}
