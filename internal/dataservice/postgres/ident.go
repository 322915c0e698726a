package postgres

import (
	"errors"
	"fmt"
	"strings"
)

// quote writes an identifier for SQL, always in quotes.
func quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// quoteIfNeeded writes an identifier for people and for object ids: in quotes only when it would be read as another name
// without them. Words of SQL's grammar stay bare, as they may after a dot; ids are therefore not for SQL.
func quoteIfNeeded(name string) string {
	if name == "" {
		return `""`
	}
	for i, r := range name {
		if r == '_' || r >= 'a' && r <= 'z' || i > 0 && (r == '$' || r >= '0' && r <= '9') {
			continue
		}
		return quote(name)
	}
	return name
}

// objectID is the id of a relation in a catalogue.
func objectID(schema, name string) string { return quoteIfNeeded(schema) + "." + quoteIfNeeded(name) }

// qualified is a relation's name for SQL.
func qualified(schema, name string) string { return quote(schema) + "." + quote(name) }

// qualifiedID turns the id of a relation into its name for SQL.
func qualifiedID(id string) (string, error) {
	schema, rest, err := cutIdentifier(id)
	if err == nil && strings.HasPrefix(rest, ".") {
		var name string
		if name, rest, err = cutIdentifier(rest[1:]); err == nil && rest == "" {
			return qualified(schema, name), nil
		}
	}
	return "", permanent("component.invalid", "%q is not the id of a table", id)
}

func cutIdentifier(s string) (name, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexByte(s, '.')
		if end < 0 {
			end = len(s)
		}
		if quoteIfNeeded(s[:end]) != s[:end] {
			return "", "", fmt.Errorf("%q needs quotes", s[:end])
		}
		return s[:end], s[end:], nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '"' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '"' {
			b.WriteByte('"')
			i++
			continue
		}
		return b.String(), s[i+1:], nil
	}
	return "", "", errors.New("a quote is not closed")
}

// quoteAll writes identifiers as a list.
func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quote(n)
	}
	return strings.Join(quoted, ", ")
}

// literal writes a string constant.
func literal(s string) string {
	if strings.Contains(s, `\`) {
		return ` E'` + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `'`, `''`) + `'`
	}
	return `'` + strings.ReplaceAll(s, `'`, `''`) + `'`
}
