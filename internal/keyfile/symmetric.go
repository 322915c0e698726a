package keyfile

import (
	"crypto/rand"
	"fmt"
	"slices"
)

// The keys lie behind pointers: fmt prints unexported fields of other structs without asking for their Format.

// WriterKey is the symmetric key of a location, from which the keys of names, indexes and cutting are derived. It prints
// as its id.
type WriterKey struct{ key *[keySize]byte }

// GenerateWriter makes a writer key.
func GenerateWriter() WriterKey { return WriterKey{random()} }

// ParseWriter reads a writer key.
func ParseWriter(text []byte) (WriterKey, error) {
	key, err := decode(text, Writer)
	if err != nil {
		return WriterKey{}, err
	}
	return WriterKey{(*[keySize]byte)(key)}, nil
}

// Bytes returns a copy of the 32 bytes.
func (k WriterKey) Bytes() []byte { return slices.Clone(k.key[:]) }

// ID returns the id of the key.
func (k WriterKey) ID() string { return idOfSecret("TRANSHIP-WRITER-KEY-1", k.key[:]) }

// Kind returns Writer.
func (WriterKey) Kind() Kind { return Writer }

func (k WriterKey) secret() (string, error) { return encode(Writer, k.key[:]), nil }

func (k WriterKey) note() string { return "id: " + k.ID() }

// Format prints the id, whatever the verb.
func (k WriterKey) Format(s fmt.State, _ rune) { printID(s, k) }

// MaskingKey is the key of one epoch of a masking policy. It prints as its id.
type MaskingKey struct{ key *[keySize]byte }

// GenerateMasking makes a masking key.
func GenerateMasking() MaskingKey { return MaskingKey{random()} }

// ParseMasking reads a masking key.
func ParseMasking(text []byte) (MaskingKey, error) {
	key, err := decode(text, Masking)
	if err != nil {
		return MaskingKey{}, err
	}
	return MaskingKey{(*[keySize]byte)(key)}, nil
}

// Bytes returns a copy of the 32 bytes.
func (k MaskingKey) Bytes() []byte { return slices.Clone(k.key[:]) }

// ID returns the id of the key.
func (k MaskingKey) ID() string { return idOfSecret("TRANSHIP-MASKING-KEY-1", k.key[:]) }

// Kind returns Masking.
func (MaskingKey) Kind() Kind { return Masking }

func (k MaskingKey) secret() (string, error) { return encode(Masking, k.key[:]), nil }

func (k MaskingKey) note() string { return "id: " + k.ID() }

// Format prints the id, whatever the verb.
func (k MaskingKey) Format(s fmt.State, _ rune) { printID(s, k) }

// random returns new key bytes. crypto/rand never fails: it ends the program instead.
func random() *[keySize]byte {
	var key [keySize]byte
	rand.Read(key[:])
	return &key
}
