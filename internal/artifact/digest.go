package artifact

import (
	"encoding/hex"
	"errors"
	"strings"
)

// Digest is a BLAKE3 digest of 32 bytes. Its text form is "blake3:" and 64 hex digits.
type Digest [32]byte

// String returns the text form.
func (d Digest) String() string { return "blake3:" + hex.EncodeToString(d[:]) }

// MarshalText writes the text form.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the text form.
func (d *Digest) UnmarshalText(b []byte) error {
	digits, ok := strings.CutPrefix(string(b), "blake3:")
	if !ok || len(digits) != 2*len(d) {
		return errors.New(`a digest is "blake3:" and 64 hex digits`)
	}
	_, err := hex.Decode(d[:], []byte(digits))
	return err
}
