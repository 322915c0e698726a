package artifact

import (
	"fmt"

	"github.com/tranship/tranship/internal/fault"
)

// Trust says whether data still holds the values of production.
type Trust string

// The two trusts. A repository holds captures of one of them, and what is sealed for one does not open for the other.
const (
	Raw    Trust = "raw"
	Masked Trust = "masked"
)

// Validate returns a permanent error for anything but Raw and Masked.
func (t Trust) Validate() error {
	if t != Raw && t != Masked {
		return fault.New(fault.Permanent, "trust.unknown", "trust %.20q: must be raw or masked", string(t))
	}
	return nil
}

// ID names a capture. It is a RawID or a MaskedID, and nothing else can be one.
type ID interface {
	fmt.Stringer
	// Trust is Raw for a RawID and Masked for a MaskedID.
	Trust() Trust
	sealed()
}

// RawID names a raw capture. There is no way to turn it into a MaskedID.
type RawID struct{ name string }

// MaskedID names a masked capture.
type MaskedID struct{ name string }

// ParseRawID reads the id of a raw capture: 1 to 100 lower-case letters, digits and hyphens.
func ParseRawID(s string) (RawID, error) { return RawID{s}, validateName("capture id", s) }

// ParseMaskedID reads the id of a masked capture, in the form of ParseRawID.
func ParseMaskedID(s string) (MaskedID, error) { return MaskedID{s}, validateName("capture id", s) }

// ParseID reads the id of a capture of trust t.
func ParseID(t Trust, s string) (ID, error) {
	switch t {
	case Raw:
		return ParseRawID(s)
	case Masked:
		return ParseMaskedID(s)
	}
	return nil, t.Validate()
}

// String returns the id.
func (r RawID) String() string { return r.name }

// String returns the id.
func (m MaskedID) String() string { return m.name }

// Trust returns Raw.
func (RawID) Trust() Trust { return Raw }

// Trust returns Masked.
func (MaskedID) Trust() Trust { return Masked }

func (RawID) sealed()    {}
func (MaskedID) sealed() {}

// maxName is the longest name in bytes. Three of them and two numbers make a session's name, which is one segment of a key.
const maxName = 100

// validateName admits what may be a segment of a key on every store.
func validateName(what, s string) error {
	if s == "" || len(s) > maxName {
		return fault.New(fault.Permanent, "name.invalid", "%s %.20q: must have 1 to %d characters", what, s, maxName)
	}
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
			return fault.New(fault.Permanent, "name.invalid", "%s %q: must have only lower-case letters, digits and hyphens", what, s)
		}
	}
	return nil
}
