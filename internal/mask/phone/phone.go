// Package phone masks telephone numbers.
package phone

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/mask/permute"
)

const (
	name    = "phone"
	version = 1

	// digest is that of the metadata that version 1 is made for. With other metadata other numbers are valid, so the
	// mapping is another version.
	digest = "0e5d7451f281088f7e3c78bba482a0dc3ce34d0fb7af8a4c387a7b36001d5ace"
)

// Spec is the mask "phone".
var Spec = mask.Spec{
	Name:    name,
	Summary: "another number of the same country, kind and length",
	Doc: "A national number that libphonenumber calls valid becomes another valid one of the same country code, region, type (mobile, fixed line, toll " +
		"free, …) and length, one to one: all of them are put in order and permuted. One that is not valid becomes another that is not. Country code, " +
		"national prefix and everything between the digits stay. Numbers without a country code are read as dialled in the column's region. Letters, and so " +
		"extensions, make a value invalid, and so does a kind with a single number. Masked numbers may be a stranger's: targets must not be able to call.",
	Version:       version,
	Deterministic: true,
	Injective:     true,
	Reversible:    true,
	Kinds:         []mask.Kind{mask.KindText, mask.KindVarchar, mask.KindChar, mask.KindInt8, mask.KindNumeric},
	Canon: func(c mask.Column) (mask.Canon, error) {
		r, err := newReader(c.Region)
		if err != nil {
			return nil, err
		}
		return r.canonical, nil
	},
	New: build,
}

var (
	errCharacter = mask.Invalid("a phone number has digits and the characters +-./() only")
	errLength    = mask.Invalid("a national number has 3 to 15 digits")
	errCountry   = mask.Invalid("it begins with a country code that is not in use")
	errRegion    = mask.Invalid("it has no country code, and the column names no region")
	errNumeric   = mask.Invalid("it is not a valid number, and a column of numbers cannot hold every other such one")
	errSingle    = mask.Invalid("its kind of number has no other")
)

// reader finds the national number in a value. It belongs to one goroutine.
type reader struct {
	home   *plan // of the column's region; nil without one
	abroad string
	digits []byte
}

func newReader(region string) (*reader, error) {
	r := new(reader)
	if region == "" {
		return r, nil
	}
	country := phonenumbers.GetCountryCodeForRegion(region)
	if country == 0 {
		return nil, fmt.Errorf("region %q is not a region of phone numbers: want a code such as US or DE", region)
	}
	byID, err := metadata()
	if err != nil {
		return nil, err
	}
	if p := byID[region].GetInternationalPrefix(); strings.Trim(p, "0123456789") == "" {
		r.abroad = p
	}
	r.home, err = planOf(country)
	return r, err
}

// read collects the digits of raw and returns the plan and the national number, which is the end of r.digits.
func (r *reader) read(raw []byte) (*plan, []byte, error) {
	r.digits = r.digits[:0]
	international := false
	for _, c := range raw {
		switch {
		case c >= '0' && c <= '9':
			r.digits = append(r.digits, c)
		case c == '+' && len(r.digits) == 0 && !international:
			international = true
		case c == ' ' || c == '-' || c == '.' || c == '/' || c == '(' || c == ')':
		default:
			return nil, nil, errCharacter
		}
	}
	if len(r.digits) > 2*maxNSN {
		return nil, nil, errLength
	}
	if international {
		return readInternational(r.digits)
	}
	if r.home == nil {
		return nil, nil, errRegion
	}
	nsn, valid := r.home.national(r.digits)
	if valid {
		return r.home, nsn, nil
	}
	if r.abroad != "" && len(r.digits) > len(r.abroad) && string(r.digits[:len(r.abroad)]) == r.abroad {
		if p, abroad, err := readInternational(r.digits[len(r.abroad):]); err == nil {
			return p, abroad, nil
		}
	}
	if rest, ok := cut(r.digits, r.home.country); ok && r.home.classify(rest).valid() {
		return r.home, rest, nil
	}
	return r.home, nsn, checkLength(nsn)
}

// readInternational reads digits that begin with a country code.
func readInternational(digits []byte) (*plan, []byte, error) {
	country := 0
	for i, c := range digits[:min(3, len(digits))] {
		country = country*10 + int(c-'0')
		p, err := planOf(country)
		if err != nil {
			return nil, nil, err
		}
		if p != nil {
			nsn, _ := p.national(digits[i+1:])
			return p, nsn, checkLength(nsn)
		}
	}
	return nil, nil, errCountry
}

// national returns the national number in digits, without the national prefix, and whether it is valid.
func (p *plan) national(digits []byte) ([]byte, bool) {
	if len(digits) > maxNSN+len(p.prefix) {
		return digits, false
	}
	whole := p.classify(digits)
	if whole.valid() && !whole.ambiguous {
		return digits, true
	}
	if rest, ok := cut(digits, p.prefix); ok {
		return rest, p.classify(rest).valid()
	}
	return digits, whole.valid()
}

func cut(digits []byte, prefix string) ([]byte, bool) {
	if prefix == "" || len(digits) <= len(prefix) || string(digits[:len(prefix)]) != prefix {
		return digits, false
	}
	return digits[len(prefix):], true
}

func checkLength(nsn []byte) error {
	if len(nsn) < minNSN || len(nsn) > maxNSN {
		return errLength
	}
	return nil
}

// canonical appends the number as +, country code and national number.
func (r *reader) canonical(dst, raw []byte) ([]byte, error) {
	p, nsn, err := r.read(raw)
	if err != nil {
		return dst, err
	}
	dst = append(dst, '+')
	dst = append(dst, p.country...)
	return append(dst, nsn...), nil
}

// maxTables bounds what the tables of small kinds of numbers may take, in entries of four bytes. A column with more of
// them makes its tables anew.
const maxTables = 8 << 20

type transformer struct {
	reader  *reader
	numeric bool // the column drops leading zeros
	key     mask.Key
	perms   map[permID]*permuted
	tables  uint64 // entries in the tables of perms
}

type permID struct {
	plan  *plan
	space spaceID
}

// permuted is a space with its permutation; perm is nil for a space of one number.
type permuted struct {
	*space
	perm *permute.Permutation
}

func build(cfg mask.Config, deps mask.Deps) (mask.Transformer, error) {
	if _, err := metadata(); err != nil {
		return nil, err
	}
	r, err := newReader(cfg.Column.Region)
	if err != nil {
		return nil, err
	}
	key := deps.Epoch.Key(cfg.Identity, name)
	numeric := !cfg.Column.Kind.Textual()
	return &transformer{reader: r, numeric: numeric, key: key, perms: map[permID]*permuted{}}, nil
}

func (t *transformer) Transform(dst []byte, v mask.Value, _ *mask.Record) ([]byte, error) {
	p, nsn, err := t.reader.read(v.Raw)
	if err != nil {
		return dst, err
	}
	c := p.classify(nsn)
	if t.numeric && !c.valid() {
		return dst, errNumeric
	}
	s, err := t.space(permID{p, spaceID{c, len(nsn)}})
	if err != nil {
		return dst, err
	}
	if s.perm == nil {
		return dst, errSingle
	}
	s.unrank(nsn, s.perm.Forward(s.rank(nsn)))
	kept := len(t.reader.digits) - len(nsn)
	for _, c := range v.Raw {
		if c >= '0' && c <= '9' {
			if kept--; kept < 0 {
				c = nsn[0]
				nsn = nsn[1:]
			}
		}
		dst = append(dst, c)
	}
	return dst, nil
}

func (t *transformer) space(id permID) (*permuted, error) {
	if s := t.perms[id]; s != nil {
		return s, nil
	}
	s := &permuted{space: id.plan.spaceOf(id.space)}
	if s.size > 1 {
		tweak := binary.BigEndian.AppendUint32(nil, version)
		tweak = fmt.Appendf(tweak, "%s/%d/%s/%d", id.plan.country, id.space.digits, id.space.class.region, id.space.class.kind)
		var err error
		if s.perm, err = permute.New(t.key.Bytes(), s.size, tweak); err != nil {
			return nil, err
		}
	}
	if s.size < 1_000_000 {
		if t.tables += s.size; t.tables > maxTables {
			clear(t.perms)
			t.tables = s.size
		}
	}
	t.perms[id] = s
	return s, nil
}
