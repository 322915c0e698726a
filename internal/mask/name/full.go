package name

import (
	"bytes"

	"github.com/tranship/tranship/internal/mask"
)

// Full is the mask "name.full".
var Full = mask.Spec{
	Name:    fullName,
	Summary: "another first and last name, which agree with the columns that hold them apart",
	Doc: "The first name is drawn as name.first of the identity in first draws it, the last name as name.last of the identity in last does; without them " +
		"as for identities that are this one. What is drawn for comes from the row's columns in the roles first and last where the rule names them, " +
		"else from the value: \"Ada Lovelace\", \"Lovelace, Ada\"; a particle (van, de, …) belongs to the last name, titles and middle names are left out. " +
		"With a subject, both are drawn for the subject. A single word is a first name and stays one.",
	Version:       version,
	Deterministic: true,
	Params: []mask.Param{
		{Name: "first", Type: mask.ParamIdentity, Summary: "identity of first names elsewhere"},
		{Name: "last", Type: mask.ParamIdentity, Summary: "identity of last names elsewhere"},
		{Name: "maxFirst", Type: mask.ParamInt, Max: 100, Summary: "maxLength of the identity in first"},
		{Name: "maxLast", Type: mask.ParamInt, Max: 100, Summary: "maxLength of the identity in last"},
	},
	Kinds: kinds,
	Canon: folded,
	Fits: func(p mask.Params, c mask.Column) error {
		d, err := load()
		if err != nil {
			return err
		}
		f, l := int(p.Int("maxFirst")), int(p.Int("maxLast"))
		n := longest(within(d.female, f), within(d.male, f), within(d.unisex, f)) + longest(within(d.last, l))
		return mask.FitsChars(n+len(", "), c)
	},
	New: newFull,
}

type fullTransformer struct {
	first, last *drawer
	firstColumn int // index in Record.Siblings, or -1
	lastColumn  int
}

func newFull(cfg mask.Config, deps mask.Deps) (mask.Transformer, error) {
	identity := func(param string) string {
		if name := cfg.Params.String(param); name != "" {
			return name
		}
		return cfg.Identity
	}
	f, err := first(identity("first"), int(cfg.Params.Int("maxFirst")), cfg.Subject != "", deps.Epoch)
	if err != nil {
		return nil, err
	}
	l, err := last(identity("last"), int(cfg.Params.Int("maxLast")), cfg.Subject != "", deps.Epoch)
	if err != nil {
		return nil, err
	}
	t := &fullTransformer{first: f, last: l, firstColumn: -1, lastColumn: -1}
	if at, ok := cfg.Column.Siblings["first"]; ok {
		t.firstColumn = at
	}
	if at, ok := cfg.Column.Siblings["last"]; ok {
		t.lastColumn = at
	}
	return t, nil
}

func (t *fullTransformer) Transform(dst []byte, v mask.Value, r *mask.Record) ([]byte, error) {
	value := mask.Trim(v.Raw)
	if !hasLetter(value) {
		return dst, errNoName
	}
	given, family, inverted := split(value)
	if sibling := at(r, t.firstColumn); sibling != nil {
		given = sibling
	}
	if sibling := at(r, t.lastColumn); sibling != nil {
		family = sibling
	}
	var err error
	if inverted {
		if dst, err = t.last.draw(dst, family, r); err != nil {
			return dst, err
		}
		dst = append(dst, ", "...)
		return t.first.draw(dst, given, r)
	}
	if dst, err = t.first.draw(dst, given, r); err != nil || family == nil {
		return dst, err
	}
	dst = append(dst, ' ')
	return t.last.draw(dst, family, r)
}

// at returns a sibling's value, or nil when there is none to go by.
func at(r *mask.Record, index int) []byte {
	if r == nil || index < 0 || index >= len(r.Siblings) || r.Siblings[index].Null {
		return nil
	}
	if v := mask.Trim(r.Siblings[index].Raw); hasLetter(v) {
		return v
	}
	return nil
}

// split takes a full name apart. family is nil for a single word.
func split(value []byte) (given, family []byte, inverted bool) {
	if before, after, comma := bytes.Cut(value, []byte(",")); comma && hasLetter(before) && hasLetter(after) {
		given, _ = cutWord(skipTitles(mask.Trim(after)))
		return given, mask.Trim(before), true
	}
	value = skipTitles(value)
	given, rest := cutWord(value)
	if len(rest) == 0 {
		return given, nil, false
	}
	// The last name is the last word with the particles before it.
	family = rest
	for {
		word, more := cutWord(family)
		if len(more) == 0 || isOneOf(word, particles) {
			return given, family, false
		}
		family = more
	}
}

var (
	titles    = []string{"mr", "mrs", "ms", "miss", "dr", "prof", "sir", "herr", "frau"}
	particles = []string{"van", "von", "de", "del", "della", "der", "den", "di", "da", "dos", "du", "la", "le", "bin", "ibn", "al", "el", "ter", "zu"}
)

func skipTitles(b []byte) []byte {
	for {
		word, rest := cutWord(b)
		if len(rest) == 0 || !isOneOf(bytes.TrimSuffix(word, []byte(".")), titles) {
			return b
		}
		b = rest
	}
}

// cutWord splits b behind its first word; rest has no white space at its ends.
func cutWord(b []byte) (word, rest []byte) {
	at := bytes.IndexAny(b, " \t\n")
	if at < 0 {
		return b, nil
	}
	return b[:at], mask.Trim(b[at:])
}

func isOneOf(word []byte, list []string) bool {
	for _, s := range list {
		if len(s) != len(word) {
			continue
		}
		equal := true
		for i := range len(s) {
			c := word[i]
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			equal = equal && c == s[i]
		}
		if equal {
			return true
		}
	}
	return false
}
