// Package text masks free text by crossing it out.
package text

import "github.com/tranship/tranship/internal/mask"

// Spec is the mask "text".
var Spec = mask.Spec{
	Name:    "text",
	Summary: "text crossed out, length and line breaks kept",
	Doc: "Every character becomes an x; line breaks stay. A character of several bytes becomes one x, so the result has as many characters and " +
		"never more bytes. Nothing but the length can be learned from it.",
	Version:       1,
	Deterministic: true,
	Kinds:         []mask.Kind{mask.KindText, mask.KindVarchar, mask.KindChar},
	New: func(mask.Config, mask.Deps) (mask.Transformer, error) {
		return mask.TransformerFunc(func(dst []byte, v mask.Value, _ *mask.Record) ([]byte, error) {
			return mask.AppendCrossedOut(dst, v.Raw), nil
		}), nil
	},
}
