package leak

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func leavesOf(document string) string {
	w := newWalker([]string{"$.kept.**"})
	leaves, ok := w.leaves(nil, []byte(document))
	var b strings.Builder
	for _, l := range leaves {
		fmt.Fprintf(&b, "%s=%s", l.told, l.value)
		if l.key {
			b.WriteString(" key")
		}
		if l.kept {
			b.WriteString(" kept")
		}
		b.WriteString("; ")
	}
	return fmt.Sprintf("%s%t", b.String(), ok)
}

func TestLeaves(t *testing.T) {
	for document, want := range map[string]string{
		` {"a": "x\u0040y\\\"", "b": [1, -2.5e3, true, null, [] , {}]} `: `$.a=x@y\"; $.b[*]=1; $.b[*]=-2.5e3; true`,
		`{"a": 1, "a": "2"}`:        `$.a=1; $.a=2; true`,
		`{"kept": {"email": "e"}}`:  `$.kept.email=email key kept; $.kept.email=e kept; true`,
		`{"m@x.de": "v"}`:           `$.*=m@x.de key; $.*=v; true`,
		`"alone"`:                   `$=alone; true`,
		`not json`:                  `false`,
		`{"a": "open`:               `false`,
		`{"a" 1}`:                   `false`,
		`[1 2]`:                     `$[*]=1; false`,
		`["\x"]`:                    `false`,
		strings.Repeat("[", 20_000): `false`,
		`"\ud83d\ude00"`:            `$=😀; true`,
	} {
		if got := leavesOf(document); got != want {
			t.Errorf("%.40s: got %s, want %s", document, got, want)
		}
	}
}

// Every document is read; whether something else is taken for one does not matter, as it is looked at as text as well.
func FuzzLeaves(f *testing.F) {
	for _, seed := range []string{`{"a":[1,"b",{"c":null}]}`, `"\u0000\\"`, ` [ ] `, `{}`, `-0.1e+5`, "\"\x7f\""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, document string) {
		w := newWalker(nil)
		if _, ok := w.leaves(nil, []byte(document)); !ok && json.Valid([]byte(document)) {
			t.Errorf("%q is a document", document)
		}
	})
}
