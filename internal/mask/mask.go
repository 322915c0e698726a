// Package mask is the port of masks: pure functions, keyed by identity, that replace one value by another.
//
// What a mask returns depends on the value, on the subject where a rule names one, on the identity and on the key epoch,
// and on nothing else: no order of rows, no clock, no locale, no random source. Of the column it may know only how to read
// the value (phone region, date format). Any chunk on any worker, and any retry, therefore gives identical bytes, and one
// value of one identity becomes the same value in every column, table and database.
//
// Each mask lives in a folder of its own below this one and is listed in all/all.go as a [Spec].
package mask

import (
	"errors"
	"fmt"
)

// Transformer masks the cells of one column.
//
// Transform appends the masked form of v to dst and returns the extended slice, as append does. v.Raw and the Record are
// borrowed for the call and may not overlap the free capacity of dst. In steady state a call allocates nothing, except to
// grow dst.
//
// When err is not nil the returned slice is dst with its former length. err is then one of
//   - [ErrNull]: the masked cell is NULL;
//   - [ErrDrop]: the row, or the leaf of a document, is to be left out;
//   - an error that Is [ErrInvalid]: the value does not parse, and the engine applies the rule's on_invalid. It never
//     falls back to the input;
//   - anything else: the run cannot go on (an unknown JSON path, say).
//
// No error contains any part of a value.
//
// A Transformer keeps scratch buffers and hash states: it belongs to one goroutine. Build one per worker; two of equal
// configuration give equal output.
type Transformer interface {
	Transform(dst []byte, v Value, r *Record) ([]byte, error)
}

// TransformerFunc is a function as a Transformer.
type TransformerFunc func(dst []byte, v Value, r *Record) ([]byte, error)

// Transform calls f.
func (f TransformerFunc) Transform(dst []byte, v Value, r *Record) ([]byte, error) {
	return f(dst, v, r)
}

// Outcomes of Transform that are not bytes.
var (
	// ErrNull asks the engine to write NULL.
	ErrNull = errors.New("the masked value is NULL")
	// ErrDrop asks the engine to leave out the row or the leaf.
	ErrDrop = errors.New("the value is dropped")
	// ErrInvalid is what every InvalidError is.
	ErrInvalid = errors.New("the value is not valid for its mask")
)

// InvalidError says why a mask cannot read a value, without the value. Masks keep them in package variables so that a
// column full of unreadable values allocates nothing.
type InvalidError struct {
	Reason string
}

// Invalid returns an error that Is ErrInvalid.
func Invalid(reason string) *InvalidError { return &InvalidError{Reason: reason} }

// Error returns the reason.
func (e *InvalidError) Error() string { return "invalid value: " + e.Reason }

// Is makes errors.Is(err, ErrInvalid) true.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// UnknownPathError is a leaf of a document that no rule of the policy names.
type UnknownPathError struct {
	Path string // the location with array indexes as [*]; object keys as they are in the document
	Type string // object, array, string, number, bool or null
}

// Error names the path and the type of the leaf, never its value.
func (e *UnknownPathError) Error() string {
	return fmt.Sprintf("no rule covers %s (%s)", e.Path, e.Type)
}
