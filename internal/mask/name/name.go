// Package name masks names of people by names from dictionaries.
package name

import (
	"bytes"

	"github.com/tranship/tranship/internal/mask"
)

const (
	firstName = "name.first"
	lastName  = "name.last"
	fullName  = "name.full"
	version   = 1 // of the dictionaries and of how names are drawn
)

var (
	errNoName  = mask.Invalid("it has no letters")
	errSubject = mask.Invalid("the row names no subject to draw the name by")
)

var kinds = []mask.Kind{mask.KindText, mask.KindVarchar, mask.KindChar}

var maxLength = mask.Param{
	Name: "maxLength", Type: mask.ParamInt, Min: 0, Max: 100,
	Summary: "most characters of a masked name; 0 means no limit. It belongs to the identity: the same for every column",
}

// First is the mask "name.first".
var First = mask.Spec{
	Name:    firstName,
	Summary: "another first name",
	Doc: "A name from the dictionary, at the place that the keyed hash of the value (without regard to case) or, where the rule names a subject, of the " +
		"subject says. The name of a woman becomes a woman's, that of a man a man's, all others any; it is never the name itself. Upper and lower case " +
		"follow the value. Many people get one name: unique columns cannot have this mask.",
	Version:       version,
	Deterministic: true,
	Params:        []mask.Param{maxLength},
	Kinds:         kinds,
	Canon:         folded,
	Fits: func(p mask.Params, c mask.Column) error {
		d, err := load()
		if err != nil {
			return err
		}
		limit := int(p.Int("maxLength"))
		return mask.FitsChars(longest(within(d.female, limit), within(d.male, limit), within(d.unisex, limit)), c)
	},
	New: func(cfg mask.Config, deps mask.Deps) (mask.Transformer, error) {
		d, err := first(cfg.Identity, int(cfg.Params.Int("maxLength")), cfg.Subject != "", deps.Epoch)
		if err != nil {
			return nil, err
		}
		return mask.TransformerFunc(d.transform), nil
	},
}

// Last is the mask "name.last".
var Last = mask.Spec{
	Name:    lastName,
	Summary: "another last name",
	Doc: "A name from the dictionary, at the place that the keyed hash of the value (without regard to case) or, where the rule names a subject, of the " +
		"subject says; never the name itself. Upper and lower case follow the value. Many people get one name: unique columns cannot have this mask.",
	Version:       version,
	Deterministic: true,
	Params:        []mask.Param{maxLength},
	Kinds:         kinds,
	Canon:         folded,
	Fits: func(p mask.Params, c mask.Column) error {
		d, err := load()
		if err != nil {
			return err
		}
		return mask.FitsChars(longest(within(d.last, int(p.Int("maxLength")))), c)
	},
	New: func(cfg mask.Config, deps mask.Deps) (mask.Transformer, error) {
		d, err := last(cfg.Identity, int(cfg.Params.Int("maxLength")), cfg.Subject != "", deps.Epoch)
		if err != nil {
			return nil, err
		}
		return mask.TransformerFunc(d.transform), nil
	},
}

func folded(mask.Column) (mask.Canon, error) { return mask.CanonFold, nil }

func (d *drawer) transform(dst []byte, v mask.Value, r *mask.Record) ([]byte, error) {
	value := mask.Trim(v.Raw)
	if !hasLetter(value) {
		return dst, errNoName
	}
	return d.draw(dst, value, r)
}

// hasLetter reports whether b has an ASCII letter or a character beyond ASCII.
func hasLetter(b []byte) bool {
	return bytes.ContainsFunc(b, func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
	})
}
