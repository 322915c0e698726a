// Package null masks values by NULL.
package null

import (
	"errors"

	"github.com/tranship/tranship/internal/mask"
)

var errNotNull = errors.New("the column does not allow NULL")

// Spec is the mask "null".
var Spec = mask.Spec{
	Name:          "null",
	Summary:       "NULL for every value",
	Doc:           "Every value becomes NULL, the empty string too. The column has to allow NULL.",
	Version:       1,
	Deterministic: true,
	SeesNull:      true,
	Kinds:         mask.AllKinds,
	Fits:          func(_ mask.Params, c mask.Column) error { return nullable(c) },
	New: func(mask.Config, mask.Deps) (mask.Transformer, error) {
		return mask.TransformerFunc(func(dst []byte, _ mask.Value, _ *mask.Record) ([]byte, error) {
			return dst, mask.ErrNull
		}), nil
	},
}

func nullable(c mask.Column) error {
	if c.Nullable {
		return nil
	}
	return errNotNull
}
