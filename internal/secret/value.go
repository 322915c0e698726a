package secret

import (
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Value is a resolved secret. Whatever prints, encodes or logs it gets a placeholder; only Reveal gives it out.
//
// The zero Value is an empty secret. Values cannot be compared with ==.
type Value struct {
	text *string // behind a pointer: fmt does not ask unexported fields of other structs for their Format
	_    [0]func()
}

// NewValue wraps a secret that came from elsewhere than a reference.
func NewValue(text string) Value { return Value{text: &text} }

// Reveal returns the secret. The caller must not put it into a log, an error or an argument of a process.
func (v Value) Reveal() string {
	if v.text == nil {
		return ""
	}
	return *v.text
}

// String returns a placeholder.
func (Value) String() string { return redacted }

// Format prints a placeholder, whatever the verb.
func (Value) Format(s fmt.State, _ rune) { fmt.Fprint(s, redacted) }

// MarshalText returns a placeholder.
func (Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns a placeholder.
func (Value) LogValue() slog.Value { return slog.StringValue(redacted) }
