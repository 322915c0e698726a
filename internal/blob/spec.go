package blob

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"

	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/registry"
)

// Spec describes a driver: what the registry holds and what the reference pages are made of.
type Spec struct {
	Name    string // the field of a Location that selects it: "s3"
	Summary string // one sentence
	Example string // the block in YAML
	// Open decodes the block and connects. The Store starts at the configured prefix. When it is an io.Closer, the caller
	// closes it.
	Open func(ctx context.Context, c Config, d Deps) (Store, error)
}

// Config is a driver's block of a Location, not yet decoded.
type Config struct {
	Field string          // where the block stands, for error messages: "spec.s3"
	JSON  json.RawMessage // an object
}

// Deps is what drivers need from their surroundings.
type Deps struct {
	// Secrets returns the value of a secret reference, such as {"fromFile": "vault.key"}, as it stands in the block. It is
	// called while Open runs, by the worker that needs the secret.
	Secrets func(ctx context.Context, ref json.RawMessage) ([]byte, error)
	Clock   clock.Clock
}

// Decode decodes the block into a struct of type C. What C does not know, or what has the wrong type, is a permanent error
// with the field's path; an unknown field comes with a suggestion.
func Decode[C any](c Config) (C, error) {
	var out C
	var tree any
	dec := json.NewDecoder(bytes.NewReader(c.JSON))
	if err := dec.Decode(&tree); err != nil {
		return out, fault.New(fault.Permanent, "config.syntax", "%s: %w", c.Field, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return out, fault.New(fault.Permanent, "config.syntax", "%s: more than one value", c.Field)
	}
	if err := knows(reflect.TypeFor[C](), tree, c.Field); err != nil {
		return out, err
	}
	if err := json.Unmarshal(c.JSON, &out); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return out, fault.New(fault.Permanent, "config.type", "%s.%s: got a %s, want %s", c.Field, wrong.Field, wrong.Value, wrong.Type)
		}
		return out, fault.New(fault.Permanent, "config.syntax", "%s: %w", c.Field, err)
	}
	return out, nil
}

// knows returns an error for the first object member below tree that t has no field for.
func knows(t reflect.Type, tree any, path string) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	members, isObject := tree.(map[string]any)
	if t.Kind() != reflect.Struct || !isObject {
		return nil // a value; json.Unmarshal checks its type
	}
	fields := map[string]reflect.Type{}
	var names []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			fields[name] = t.Field(i).Type
			names = append(names, name)
		}
	}
	keys := make([]string, 0, len(members))
	for key := range members {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		field, ok := fields[key]
		if !ok {
			err := fault.New(fault.Permanent, "config.unknown-field", "%s.%s: unknown field", path, key)
			if near := registry.Nearest(key, names); near != "" {
				return fault.New(fault.Permanent, err.Code, "%w; did you mean %q?", err, near)
			}
			return err
		}
		if err := knows(field, members[key], path+"."+key); err != nil {
			return err
		}
	}
	return nil
}

// Secret is a resolved secret. However it is printed, logged or marshalled, only its presence shows. The zero value is no
// secret.
type Secret struct {
	// Behind a pointer, because fmt does not ask the methods of a value in another struct's unexported field.
	value *string
}

// NewSecret returns the secret with that value; an empty one is no secret.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// Reveal returns the value, or "".
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Present reports whether there is a secret.
func (s Secret) Present() bool { return s.value != nil }

// String returns "[redacted]", or "" when there is no secret.
func (s Secret) String() string {
	if s.value == nil {
		return ""
	}
	return "[redacted]"
}

// Format prints String whatever the verb is.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns String, so that encoders of JSON and YAML cannot leak the secret either.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue returns String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
