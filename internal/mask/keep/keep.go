// Package keep lets values through unchanged, on somebody's word.
package keep

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tranship/tranship/internal/mask"
)

// Spec is the mask "keep".
var Spec = mask.Spec{
	Name:    "keep",
	Summary: "values pass unchanged, until a date",
	Doc: "Nothing is masked. A policy has to say why, who reviewed it and until when that holds (the last day counts, in UTC); from the next day on no " +
		"run starts. All three are reported as declared: nobody checks who the reviewer was.",
	Version:       1,
	Deterministic: true,
	Injective:     true,
	Reversible:    true,
	SeesNull:      true,
	Keeps:         true,
	Params: []mask.Param{
		{Name: "reason", Type: mask.ParamString, Required: true, Summary: "why the values may be seen"},
		{Name: "reviewedBy", Type: mask.ParamString, Required: true, Summary: "who decided that"},
		{Name: "expires", Type: mask.ParamDate, Required: true, Summary: "the last day of the decision"},
	},
	Kinds: mask.AllKinds,
	New:   build,
}

func build(cfg mask.Config, deps mask.Deps) (mask.Transformer, error) {
	for _, name := range []string{"reason", "reviewedBy"} {
		if strings.TrimSpace(cfg.Params.String(name)) == "" {
			return nil, fmt.Errorf("params.%s is empty", name)
		}
	}
	if deps.Now.IsZero() {
		return nil, errors.New("the time is not given, so params.expires cannot be checked")
	}
	expires := cfg.Params.Date("expires")
	if !deps.Now.UTC().Before(expires.AddDate(0, 0, 1)) {
		return nil, fmt.Errorf("params.expires: the decision to keep these values ended on %s: review it again", expires.Format(time.DateOnly))
	}
	return mask.TransformerFunc(func(dst []byte, v mask.Value, _ *mask.Record) ([]byte, error) {
		if v.Null {
			return dst, mask.ErrNull
		}
		return append(dst, v.Raw...), nil
	}), nil
}
