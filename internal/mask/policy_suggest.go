package mask

import (
	"slices"
	"strings"
	"unicode"

	"github.com/tranship/tranship/internal/dataservice"
)

// suggestion is a mask that name and type of a column speak for.
type suggestion struct {
	identity string // that values of other columns share; empty for a mask that needs none
	mask     string
	subject  bool // the mask needs to know whose row it is
}

// hint proposes a mask for columns whose name has all the words of one of its lists.
type hint struct {
	words [][]string
	kinds []Kind // empty for textual ones
	suggestion
}

var dateKinds = []Kind{KindDate, KindTimestamp, KindTimestampTZ}

// hints are in order: the first that fits wins.
var hints = []hint{
	{words: [][]string{{"email"}, {"e", "mail"}, {"mail"}, {"mail", "address"}}, suggestion: suggestion{identity: "person.email", mask: "email"}},
	{words: [][]string{{"phone"}, {"mobile"}, {"telephone"}, {"tel"}, {"fax"}, {"msisdn"}, {"cell", "number"}}, suggestion: suggestion{identity: "person.phone", mask: "phone"}},
	{words: [][]string{{"card", "number"}, {"card", "no"}, {"credit", "card"}, {"cc", "number"}, {"pan"}},
		kinds: []Kind{KindText, KindVarchar, KindChar, KindInt8, KindNumeric}, suggestion: suggestion{identity: "payment.card", mask: "card"}},
	{words: [][]string{{"first", "name"}, {"firstname"}, {"given", "name"}, {"forename"}, {"fname"}, {"vorname"}}, suggestion: suggestion{identity: "person.first", mask: "name.first"}},
	{words: [][]string{{"last", "name"}, {"lastname"}, {"surname"}, {"family", "name"}, {"lname"}, {"nachname"}}, suggestion: suggestion{identity: "person.last", mask: "name.last"}},
	{words: [][]string{{"full", "name"}, {"fullname"}, {"display", "name"}, {"customer", "name"}, {"contact", "name"}}, suggestion: suggestion{identity: "person.full", mask: "name.full"}},
	{words: [][]string{{"birth"}, {"born"}, {"dob"}, {"birthday"}, {"birthdate"}, {"geburtsdatum"}}, kinds: dateKinds, suggestion: suggestion{mask: "date", subject: true}},
	{words: [][]string{{"note"}, {"notes"}, {"comment"}, {"comments"}, {"description"}, {"message"}, {"remark"}, {"remarks"}, {"body"}, {"bio"},
		{"street"}, {"address"}, {"addr"}, {"ssn"}, {"iban"}, {"passport"}, {"tax", "id"}, {"password"}, {"secret"}, {"token"}}, suggestion: suggestion{mask: "text"}},
}

// suggest proposes a mask for a column, from its name and type alone. The zero suggestion means that these say too little.
func suggest(o *dataservice.Object, c *dataservice.Column) suggestion {
	kind := kindOf(c)
	words := nameWords(c.Name)
	for _, h := range hints {
		if !h.fits(kind) {
			continue
		}
		for _, need := range h.words {
			if containsAll(words, need) {
				return h.suggestion
			}
		}
	}
	switch {
	case kind == KindUUID:
		return suggestion{identity: keyIdentity(o, c), mask: "id.uuid"}
	case kind.Integer() && kind != KindInt2 && isKey(o, c.Name):
		return suggestion{identity: keyIdentity(o, c), mask: "id.int"}
	}
	return suggestion{}
}

func (h hint) fits(kind Kind) bool {
	if len(h.kinds) == 0 {
		return kind.Textual()
	}
	return slices.Contains(h.kinds, kind)
}

// suggestPath proposes a mask for a path of a document, from its last key.
func suggestPath(path string) string {
	end := strings.LastIndexByte(path, '.')
	key := strings.TrimRight(strings.ReplaceAll(path[end+1:], "[*]", ""), `"]`)
	column := &dataservice.Column{Name: strings.TrimSuffix(key, "s"), Base: "text"}
	if s := suggest(&dataservice.Object{}, column); !s.subject {
		return s.mask
	}
	return ""
}

// nameWords splits a name at underscores, other punctuation and changes of case, in lower case.
func nameWords(name string) []string {
	var words []string
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			words = append(words, strings.ToLower(word.String()))
			word.Reset()
		}
	}
	lower := false
	for _, c := range name {
		switch {
		case !unicode.IsLetter(c) && !unicode.IsDigit(c):
			flush()
			lower = false
			continue
		case unicode.IsUpper(c) && lower:
			flush()
		}
		lower = unicode.IsLower(c)
		word.WriteRune(c)
	}
	flush()
	return words
}

func containsAll(words, need []string) bool {
	for _, n := range need {
		if !slices.Contains(words, n) {
			return false
		}
	}
	return true
}

// isKey reports whether a column is the table's primary key or refers to another's.
func isKey(o *dataservice.Object, column string) bool {
	if inPrimaryKey(o, column) {
		return true
	}
	_, _, refers := reference(o, column)
	return refers
}

// reference returns what a foreign key on the column refers to.
func reference(o *dataservice.Object, column string) (object, refColumn string, ok bool) {
	for _, k := range o.Constraints {
		if k.Kind != "foreign" || len(k.Columns) != len(k.RefColumns) {
			continue
		}
		if i := slices.Index(k.Columns, column); i >= 0 {
			return k.RefObject, k.RefColumns[i], true
		}
	}
	return "", "", false
}

// keyIdentity names the identity of a key after the table that it is the key of.
func keyIdentity(o *dataservice.Object, c *dataservice.Column) string {
	table, column := plainID(o), c.Name
	if object, refColumn, ok := reference(o, c.Name); ok {
		table, column = object, refColumn
	}
	return identityName(table) + "." + identityName(column)
}

// identityName makes a word of an identity's name: a table without its schema, in lower case.
func identityName(name string) string {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		name = name[i+1:]
	}
	words := nameWords(name)
	if len(words) == 0 {
		return "key"
	}
	out := strings.Join(words, "_")
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return 'x'
	}, out)
}
