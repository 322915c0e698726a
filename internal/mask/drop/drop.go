// Package drop leaves values out.
package drop

import "github.com/tranship/tranship/internal/mask"

// Spec is the mask "drop".
var Spec = mask.Spec{
	Name:    "drop",
	Summary: "the row, or the leaf of a document, is left out",
	Doc: "In a document the leaf goes with its key, or the element of an array with its place. Bound to a column it drops every row of the table. " +
		"NULL and the empty string are dropped too.",
	Version:       1,
	Deterministic: true,
	SeesNull:      true,
	Kinds:         mask.AllKinds,
	New: func(mask.Config, mask.Deps) (mask.Transformer, error) {
		return mask.TransformerFunc(func(dst []byte, _ mask.Value, _ *mask.Record) ([]byte, error) {
			return dst, mask.ErrDrop
		}), nil
	},
}
