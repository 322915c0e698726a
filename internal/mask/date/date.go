// Package date masks dates and points in time by moving them into the past.
package date

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tranship/tranship/internal/mask"
)

const (
	name    = "date"
	version = 1

	secondsPerDay = 24 * 60 * 60
)

// Spec is the mask "date".
var Spec = mask.Spec{
	Name:    name,
	Summary: "dates of one subject move into the past by one number of days",
	Doc: "All dates of a subject, in whatever table and column, move back by the same 1 to 365 days, which the keyed hash of the subject decides: " +
		"intervals and orders stay. With weeks it is 1 to 52 whole weeks and days of the week stay too; use it for all date identities of a subject or for " +
		"none. The time of day and the zone stay as written. infinity, -infinity and the zero date 0000-00-00 stay. A row without a subject is invalid. " +
		"Textual columns may name a format: ISO (the default), " + formats() + "; integer columns: unix or unixMillis.",
	Version:       version,
	Deterministic: true,
	Reversible:    true,
	NeedsSubject:  true,
	Params: []mask.Param{
		{Name: "weeks", Type: mask.ParamBool, Summary: "move by whole weeks"},
	},
	Kinds: []mask.Kind{
		mask.KindDate, mask.KindTimestamp, mask.KindTimestampTZ,
		mask.KindText, mask.KindVarchar, mask.KindChar, mask.KindInt4, mask.KindInt8, mask.KindNumeric,
	},
	New: build,
}

func formats() string {
	names := make([]string, len(layouts))
	for i, l := range layouts {
		names[i] = string(l)
	}
	return strings.Join(names, ", ")
}

// kept are values that are no dates and stay.
var kept = []string{"infinity", "-infinity", "0000-00-00", "0000-00-00 00:00:00"}

func build(cfg mask.Config, deps mask.Deps) (mask.Transformer, error) {
	s := shift{
		// The key is the subject's, not the identity's: two date identities of one subject move together.
		prf:   deps.Epoch.PRF(cfg.Subject, name, version),
		weeks: cfg.Params.Bool("weeks"),
	}
	numeric := cfg.Column.Kind.Integer() || cfg.Column.Kind == mask.KindNumeric
	switch format := cfg.Column.Format; {
	case numeric && format == "unix":
		return &unixTransformer{shift: s, perSecond: 1}, nil
	case numeric && format == "unixMillis":
		return &unixTransformer{shift: s, perSecond: 1000}, nil
	case numeric:
		return nil, fmt.Errorf("format is %q: dates in a column of numbers are unix or unixMillis", format)
	case format == "" || format == "ISO":
		return &isoTransformer{shift: s, textual: cfg.Column.Kind.Textual()}, nil
	case !cfg.Column.Kind.Textual():
		return nil, fmt.Errorf("format is %q, but a %s column has a format of its own", format, cfg.Column.Kind)
	case slices.Contains(layouts, layout(format)):
		return &layoutTransformer{shift: s, layout: layout(format)}, nil
	default:
		return nil, fmt.Errorf("format is %q, want ISO, %s", format, formats())
	}
}

// shift tells how far the dates of a subject move.
type shift struct {
	prf   *mask.PRF
	weeks bool
}

// days returns the days into the past: 1 to 365, or 7 to 364 in whole weeks.
func (s *shift) days(r *mask.Record) (int64, error) {
	if r == nil || r.Subject == nil {
		return 0, errSubject
	}
	sum := s.prf.Sum(r.Subject)
	if s.weeks {
		return 7 * int64(1+mask.Index(sum, 52)), nil
	}
	return int64(1 + mask.Index(sum, 365)), nil
}

type isoTransformer struct {
	shift
	textual bool // the column may have no room for an era that the input does not have
}

func (t *isoTransformer) Transform(dst []byte, v mask.Value, r *mask.Record) ([]byte, error) {
	if isKept(v.Raw) {
		return append(dst, v.Raw...), nil
	}
	p, ok := parseISO(mask.Trim(v.Raw))
	if !ok {
		return dst, errNotDate
	}
	back, err := t.days(r)
	if err != nil {
		return dst, err
	}
	if p.days-back < firstDay || t.textual && !p.bc && p.days-back < daysOf(1, 1, 1) {
		return dst, errTooOld
	}
	return p.appendISO(dst, p.days-back), nil
}

type layoutTransformer struct {
	shift
	layout layout
}

func (t *layoutTransformer) Transform(dst []byte, v mask.Value, r *mask.Record) ([]byte, error) {
	if isKept(v.Raw) {
		return append(dst, v.Raw...), nil
	}
	days, ok := t.layout.parse(mask.Trim(v.Raw))
	if !ok {
		return dst, errNotDate
	}
	back, err := t.days(r)
	if err != nil {
		return dst, err
	}
	out, ok := t.layout.append(dst, days-back)
	if !ok {
		return dst, errTooOld
	}
	return out, nil
}

type unixTransformer struct {
	shift
	perSecond int64
}

func (t *unixTransformer) Transform(dst []byte, v mask.Value, r *mask.Record) ([]byte, error) {
	raw := mask.Trim(v.Raw)
	if len(raw) > 18 || len(raw) == 0 {
		return dst, errNotDate
	}
	n, digits := int64(0), raw
	if raw[0] == '-' {
		digits = raw[1:]
	}
	for _, c := range digits {
		if !isDigit(c) {
			return dst, errNotDate
		}
		n = n*10 + int64(c-'0')
	}
	if len(digits) == 0 {
		return dst, errNotDate
	}
	if raw[0] == '-' {
		n = -n
	}
	back, err := t.days(r)
	if err != nil {
		return dst, err
	}
	return strconv.AppendInt(dst, n-back*secondsPerDay*t.perSecond, 10), nil
}

func isKept(raw []byte) bool {
	for _, k := range kept {
		if string(raw) == k {
			return true
		}
	}
	return false
}
