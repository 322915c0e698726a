// Package constant masks values by one given value.
package constant

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/tranship/tranship/internal/mask"
)

// Spec is the mask "const".
var Spec = mask.Spec{
	Name:          "const",
	Summary:       "one given value for all",
	Doc:           "Every value becomes the given one, as the column's type writes it. NULL and the empty string stay, unless all is true.",
	Version:       1,
	Deterministic: true,
	SeesNull:      true,
	Params: []mask.Param{
		{Name: "value", Type: mask.ParamString, Required: true, Summary: "the value, as text"},
		{Name: "all", Type: mask.ParamBool, Summary: "replace NULL and the empty string too"},
	},
	Kinds: mask.AllKinds,
	Fits:  fits,
	New: func(cfg mask.Config, _ mask.Deps) (mask.Transformer, error) {
		value, all := []byte(cfg.Params.String("value")), cfg.Params.Bool("all")
		return mask.TransformerFunc(func(dst []byte, v mask.Value, _ *mask.Record) ([]byte, error) {
			if !all && v.Null {
				return dst, mask.ErrNull
			}
			if !all && len(v.Raw) == 0 {
				return dst, nil
			}
			return append(dst, value...), nil
		}), nil
	},
}

func fits(p mask.Params, c mask.Column) error {
	v := p.String("value")
	if c.Kind.Textual() {
		return mask.FitsChars(utf8.RuneCountInString(v), c)
	}
	if size := map[mask.Kind]int{mask.KindInt2: 16, mask.KindInt4: 32, mask.KindInt8: 64}[c.Kind]; size != 0 {
		if _, err := strconv.ParseInt(v, 10, size); err != nil {
			return fmt.Errorf("params.value is not an %s", c.Kind)
		}
	}
	return nil
}
