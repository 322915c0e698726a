package name

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/tranship/tranship/internal/mask"
)

// drawer picks names of one kind, first or last, for one identity.
type drawer struct {
	prf     *mask.PRF
	any     []string            // for values of which nothing is known
	of      map[string][]string // list by known name in lower case: a woman's name becomes a woman's
	subject bool
	key     []byte
	canon   []byte
}

// first returns the drawer of first names of at most limit characters.
func first(identity string, limit int, subject bool, epoch *mask.Epoch) (*drawer, error) {
	d, err := load()
	if err != nil {
		return nil, err
	}
	female, male, unisex := within(d.female, limit), within(d.male, limit), within(d.unisex, limit)
	if min(len(female), len(male)) < fewest {
		return nil, fmt.Errorf("fewer than %d names have at most %d characters", fewest, limit)
	}
	all := append(append(append([]string(nil), female...), male...), unisex...)
	of := make(map[string][]string, len(d.female)+len(d.male))
	for _, n := range d.female {
		of[lower(n)] = female
	}
	for _, n := range d.male {
		of[lower(n)] = male
	}
	return &drawer{prf: epoch.PRF(identity, firstName, version), any: all, of: of, subject: subject}, nil
}

// last returns the drawer of last names of at most limit characters.
func last(identity string, limit int, subject bool, epoch *mask.Epoch) (*drawer, error) {
	d, err := load()
	if err != nil {
		return nil, err
	}
	names := within(d.last, limit)
	if len(names) < fewest {
		return nil, fmt.Errorf("fewer than %d names have at most %d characters", fewest, limit)
	}
	return &drawer{prf: epoch.PRF(identity, lastName, version), any: names, subject: subject}, nil
}

// draw appends the name that stands for value, or for the record's subject where the rule names one. It is never the
// value itself, whatever its case.
func (d *drawer) draw(dst, value []byte, r *mask.Record) ([]byte, error) {
	var err error
	if d.canon, err = mask.CanonFold(d.canon[:0], value); err != nil {
		return dst, err
	}
	d.key = d.key[:0]
	switch {
	case !d.subject:
		d.key = append(append(d.key, 'v'), d.canon...)
	case r == nil || r.Subject == nil:
		return dst, errSubject
	default:
		d.key = append(append(d.key, 's'), r.Subject...)
	}
	names := d.any
	if token, _, _ := bytes.Cut(d.canon, space); len(token) > 0 {
		if known, ok := d.of[string(token)]; ok {
			names = known
		}
	}
	at := mask.Index(d.prf.Sum(d.key), len(names))
	if equalFold(names[at], d.canon) {
		// One step among the others: the draw stays uniform over them.
		at = (at + 1 + mask.Index(d.prf.Redraw(d.key, 1), len(names)-1)) % len(names)
	}
	return appendLike(dst, names[at], value), nil
}

var space = []byte(" ")

// appendLike appends an ASCII name in upper or lower case where all letters of value are.
func appendLike(dst []byte, name string, value []byte) []byte {
	hasUpper, hasLower, letters := false, false, 0
	for i := 0; i < len(value); {
		c, n := utf8.DecodeRune(value[i:])
		i += n
		switch {
		case unicode.IsUpper(c):
			hasUpper = true
			letters++
		case unicode.IsLower(c):
			hasLower = true
			letters++
		}
	}
	from := len(dst)
	dst = append(dst, name...)
	switch {
	case hasUpper && !hasLower && letters > 1:
		for i := from; i < len(dst); i++ {
			if dst[i] >= 'a' && dst[i] <= 'z' {
				dst[i] -= 'a' - 'A'
			}
		}
	case hasLower && !hasUpper:
		for i := from; i < len(dst); i++ {
			if dst[i] >= 'A' && dst[i] <= 'Z' {
				dst[i] += 'a' - 'A'
			}
		}
	}
	return dst
}

// equalFold compares an ASCII name with text in lower case.
func equalFold(name string, folded []byte) bool {
	if len(name) != len(folded) {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != folded[i] {
			return false
		}
	}
	return true
}

func lower(s string) string { return string(bytes.ToLower([]byte(s))) }
