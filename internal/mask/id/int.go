// Package id masks keys: whole numbers and UUIDs.
package id

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/mask/permute"
)

const (
	intName    = "id.int"
	intVersion = 1

	// defaultMax is the end of the default domain: it fits int4 with as much room above it as below.
	defaultMax = 1<<30 - 1
)

// errOutside stops the run: redacting a key would make two rows one.
var errOutside = fault.New(fault.Permanent, "mask.domain", "a key lies outside the domain of its identity").
	WithHint("raise max of the identity's mask id.int (an int8 column takes up to 4503599627370495, exact in JavaScript); this is a new mapping")

var errNotInteger = mask.Invalid("it is not a whole number of 64 bits")

// Int is the mask "id.int".
var Int = mask.Spec{
	Name:    intName,
	Summary: "a permutation of the whole numbers of a domain",
	Doc: "Each number from min to max becomes another one of them, one to one (format-preserving encryption; below a million numbers a " +
		"random cycle). The domain belongs to the identity, so a key and all its foreign keys agree whatever their integer types. Zero and " +
		"negative numbers and those above max stop the run. Let sequences of masked tables start above max, and new rows never collide. " +
		"A number may by chance become itself, about once per domain.",
	Version:       intVersion,
	Deterministic: true,
	Injective:     true,
	Reversible:    true,
	Params: []mask.Param{
		{Name: "min", Type: mask.ParamInt, Default: int64(1), Summary: "smallest number of the domain"},
		{Name: "max", Type: mask.ParamInt, Default: int64(defaultMax), Summary: "largest number of the domain"},
	},
	Kinds: []mask.Kind{mask.KindInt2, mask.KindInt4, mask.KindInt8, mask.KindNumeric, mask.KindText, mask.KindVarchar, mask.KindChar},
	Canon: func(mask.Column) (mask.Canon, error) { return mask.CanonInteger, nil },
	Fits:  intFits,
	New:   newInt,
}

func intFits(p mask.Params, c mask.Column) error {
	lo, hi := p.Int("min"), p.Int("max")
	limit := int64(math.MaxInt64)
	switch c.Kind {
	case mask.KindInt2:
		limit = math.MaxInt16
	case mask.KindInt4:
		limit = math.MaxInt32
	case mask.KindText, mask.KindVarchar, mask.KindChar:
		return mask.FitsChars(max(len(strconv.FormatInt(lo, 10)), len(strconv.FormatInt(hi, 10))), c)
	}
	if hi > limit || lo < -limit-1 {
		return fmt.Errorf("results from %d to %d do not fit %s", lo, hi, c.Kind)
	}
	return nil
}

type intTransformer struct {
	low, high int64
	perm      *permute.Permutation
	canon     []byte
}

func newInt(cfg mask.Config, deps mask.Deps) (mask.Transformer, error) {
	low, high := cfg.Params.Int("min"), cfg.Params.Int("max")
	if low >= high {
		return nil, fmt.Errorf("params.max is %d, want more than min (%d)", high, low)
	}
	size := uint64(high) - uint64(low) + 1
	if size == 0 {
		return nil, errors.New("params.min and params.max span all 64 bits: leave one number out")
	}
	key := deps.Epoch.Key(cfg.Identity, intName)
	perm, err := permute.New(key.Bytes(), size, []byte{intVersion})
	if err != nil {
		return nil, err
	}
	return &intTransformer{low: low, high: high, perm: perm}, nil
}

func (t *intTransformer) Transform(dst []byte, v mask.Value, _ *mask.Record) ([]byte, error) {
	var err error
	if t.canon, err = mask.CanonInteger(t.canon[:0], v.Raw); err != nil {
		return dst, err
	}
	x, ok := parseInt(t.canon)
	if !ok {
		return dst, errNotInteger
	}
	if x < t.low || x > t.high {
		return dst, errOutside
	}
	y := t.perm.Forward(uint64(x) - uint64(t.low))
	return strconv.AppendInt(dst, int64(y+uint64(t.low)), 10), nil
}

// parseInt reads canonical decimal text.
func parseInt(b []byte) (int64, bool) {
	negative := b[0] == '-'
	if negative {
		b = b[1:]
	}
	if len(b) > 19 {
		return 0, false
	}
	var u uint64
	for _, c := range b {
		u = u*10 + uint64(c-'0')
	}
	switch {
	case negative && u <= 1<<63:
		return -int64(u), true
	case !negative && u < 1<<63:
		return int64(u), true
	default:
		return 0, false
	}
}
