package json_test

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/mask/constant"
	"github.com/tranship/tranship/internal/mask/email"
	"github.com/tranship/tranship/internal/mask/id"
	"github.com/tranship/tranship/internal/mask/json"
	"github.com/tranship/tranship/internal/mask/keep"
	"github.com/tranship/tranship/internal/mask/masktest"
	"github.com/tranship/tranship/internal/mask/text"
)

// deps has the identities and masks that the rules of these tests name.
func deps() mask.Deps {
	d := masktest.Deps()
	identities := map[string]mask.Spec{"person.email": email.Spec, "customer.id": id.Int}
	masks := map[string]mask.Spec{"text": text.Spec, "const": constant.Spec, "keep": keep.Spec}
	d.Leaf = func(r mask.LeafRule, c mask.Column) (mask.Transformer, error) {
		spec, ok := identities[r.Identity]
		name := r.Identity
		if !ok {
			spec, ok = masks[r.Mask]
			name = "leaf"
		}
		if !ok {
			return nil, fmt.Errorf("unknown: %q %q", r.Identity, r.Mask)
		}
		p, err := mask.ParseParams(spec.Params, r.Params, "params")
		if err != nil {
			return nil, err
		}
		return spec.Build(mask.Config{Identity: name, Column: c, Params: p}, masktest.Deps())
	}
	return d
}

var keepParams = map[string]any{"reason": "r", "reviewedBy": "b", "expires": "2030-01-01"}

func rule(path, what string) any {
	if strings.Contains(what, ".") {
		return map[string]any{"path": path, "identity": what}
	}
	r := map[string]any{"path": path, "mask": what}
	if what == "keep" {
		r["params"] = keepParams
	}
	return r
}

func build(t testing.TB, params map[string]any) mask.Transformer {
	t.Helper()
	tr, err := tryBuild(params)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func tryBuild(params map[string]any) (mask.Transformer, error) {
	p, err := mask.ParseParams(json.Spec.Params, params, "params")
	if err != nil {
		return nil, err
	}
	return json.Spec.Build(mask.Config{Identity: "doc", Column: mask.Column{Kind: mask.KindJSONB}, Params: p}, deps())
}

func document(t *rapid.T) string {
	leaf := rapid.SampledFrom([]string{`"text"`, `1`, `-1.50e+3`, `true`, `null`, `{}`, `[ ]`, `"\u00e9\n"`, `"ü"`})
	var value func(depth int) string
	value = func(depth int) string {
		if depth == 0 {
			return leaf.Draw(t, "leaf")
		}
		n := rapid.IntRange(0, 3).Draw(t, "size")
		parts := make([]string, n)
		object := rapid.Bool().Draw(t, "object")
		for i := range parts {
			parts[i] = value(rapid.IntRange(0, depth-1).Draw(t, "depth"))
			if object {
				parts[i] = rapid.SampledFrom([]string{`"a": `, `"b" :`, `"a":`, ` "\u0061":`}).Draw(t, "key") + parts[i]
			}
		}
		if object {
			return "{" + strings.Join(parts, ", ") + "}"
		}
		return "[" + strings.Join(parts, ",\n ") + " ]"
	}
	return value(rapid.IntRange(0, 4).Draw(t, "depth"))
}

func isJSON(_, out string) error {
	if !stdjson.Valid([]byte(out)) {
		return errors.New("it is not JSON")
	}
	return nil
}

func TestMask(t *testing.T) {
	unchanged := func(in, out string) error {
		if in != out {
			return errors.New("it changed")
		}
		return nil
	}
	c := mask.Column{Kind: mask.KindJSON}
	masktest.RunWith(t, json.Spec, "testdata", deps(),
		masktest.Property{Name: "everything kept", Column: c, AnyText: true, Values: document, Valid: unchanged,
			Params: map[string]any{"rules": []any{rule("$.**", "keep")}}},
		masktest.Property{Name: "everything redacted", Column: c, Values: document, Valid: isJSON,
			Params: map[string]any{"rules": []any{rule("$.**", "text")}}},
		masktest.Property{Name: "some keys dropped", Column: c, Values: document, Valid: isJSON,
			Params: map[string]any{"rules": []any{rule("$.**.a", "drop")}, "onUnknown": "redact"}},
		masktest.Property{Name: "everything dropped", Column: c, Values: document, Valid: isJSON,
			Params: map[string]any{"rules": []any{}, "onUnknown": "drop"}},
	)
}

func apply(t *testing.T, tr mask.Transformer, in string) string {
	t.Helper()
	out, err := tr.Transform(nil, mask.Text([]byte(in)), &mask.Record{})
	if err != nil {
		t.Fatalf("%s: %v", in, err)
	}
	return string(out)
}

func TestTheLeastVagueRuleWins(t *testing.T) {
	tr := build(t, map[string]any{"rules": []any{
		rule("$.**", "text"),
		rule("$.*.state", "keep"),
		map[string]any{"path": "$.order.state", "mask": "const", "params": map[string]any{"value": "gone"}},
	}})
	in := `{"order": {"state": "new", "note": "abc"}, "cart": {"state": "new"}, "state": "new"}`
	want := `{"order": {"state": "gone", "note": "xxx"}, "cart": {"state": "new"}, "state": "xxx"}`
	if got := apply(t, tr, in); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestIdentityGivesTheSameValueAsInAColumn(t *testing.T) {
	spec := email.Spec
	column, err := spec.Build(mask.Config{Identity: "person.email", Column: mask.Column{Kind: mask.KindText}}, masktest.Deps())
	if err != nil {
		t.Fatal(err)
	}
	want := apply(t, column, "ada@example.org")
	tr := build(t, map[string]any{"rules": []any{rule("$.contacts[*].email", "person.email")}})
	got := apply(t, tr, `{"contacts":[{"email":"ada@example.org"},{"email":"\u0041da@example.org"}]}`)
	if want := `{"contacts":[{"email":"` + want + `"},{"email":"` + want + `"}]}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestLeafWithoutRuleStopsTheRun(t *testing.T) {
	tr := build(t, map[string]any{"rules": []any{rule("$.known", "text"), rule("$.inner(json).known", "text")}})
	for in, want := range map[string]mask.UnknownPathError{
		`{"known":"a","new":{"list":[1]}}`:          {Path: "$.new.list[*]", Type: "number"},
		`{"ada@example.org":true}`:                  {Path: "$.*", Type: "bool"},
		`{"inner":"{\"known\":\"a\",\"x\":\"b\"}"}`: {Path: "$.inner(json).x", Type: "string"},
		`{"known":{"deeper":"a"}}`:                  {Path: "$.known.deeper", Type: "string"},
		`{"x":null}`:                                {Path: "$.x", Type: "null"},
		`"secret"`:                                  {Path: "$", Type: "string"},
	} {
		_, err := tr.Transform(nil, mask.Text([]byte(in)), &mask.Record{})
		var unknown *mask.UnknownPathError
		if !errors.As(err, &unknown) || *unknown != want || !fault.Is(err, fault.Permanent) {
			t.Errorf("%s: %v, want %v", in, err, &want)
		}
	}
	if got := apply(t, tr, `{"known":"after errors"}`); got != `{"known":"xxxxxxxxxxxx"}` {
		t.Errorf("the next document became %s", got)
	}
}

func TestInvalidLeaf(t *testing.T) {
	in := `{"mail": "no address", "n": 1}`
	for what, want := range map[string]string{
		"redact": `{"mail": "xxxxxxxxxx", "n": 0}`,
		"null":   `{"mail": null, "n": null}`,
		"drop":   `{}`,
	} {
		tr := build(t, map[string]any{"onInvalid": what, "rules": []any{rule("$.mail", "person.email"), rule("$.n", "text")}})
		if got := apply(t, tr, in); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	tr := build(t, map[string]any{"onInvalid": "fail", "rules": []any{rule("$.mail", "person.email")}})
	_, err := tr.Transform(nil, mask.Text([]byte(in)), &mask.Record{})
	if err == nil || mask.IsOutcome(err) || !fault.Is(err, fault.Permanent) || !strings.Contains(err.Error(), "$.mail") {
		t.Errorf("fail: %v, want a permanent fault that names the path", err)
	}
}

func TestDepthIsBounded(t *testing.T) {
	tr := build(t, map[string]any{"rules": []any{rule("$.**", "text")}, "maxDepth": 10})
	nested := func(n int) mask.Value {
		return mask.Text([]byte(strings.Repeat("[", n) + strings.Repeat("]", n)))
	}
	if _, err := tr.Transform(nil, nested(10), nil); err != nil {
		t.Errorf("10 levels: %v", err)
	}
	if _, err := tr.Transform(nil, nested(11), nil); !errors.Is(err, mask.ErrInvalid) {
		t.Errorf("11 levels: %v, want ErrInvalid", err)
	}
	dropped := build(t, map[string]any{"rules": []any{rule("$.a", "drop")}, "maxDepth": 10})
	deep := `{"a":` + strings.Repeat("[", 1_000_000)
	if _, err := dropped.Transform(nil, mask.Text([]byte(deep)), nil); !errors.Is(err, mask.ErrInvalid) {
		t.Errorf("a million levels: %v, want ErrInvalid", err)
	}
}

func TestBadRulesAreRefused(t *testing.T) {
	for _, bad := range []struct {
		rules []any
		want  string
	}{
		{[]any{rule("a.b", "text")}, "params.rules[0]"},
		{[]any{rule("$.a[0]", "text")}, "[*]"},
		{[]any{rule("$.a*", "text")}, "whole key"},
		{[]any{rule("$..a", "text")}, "empty"},
		{[]any{rule("$.a", "text"), rule("$.a", "keep")}, "params.rules[1].path"},
		{[]any{rule("$.a", "texxt")}, "params.rules[0]"},
		{[]any{map[string]any{"path": "$.a", "maks": "text"}}, `did you mean "mask"`},
	} {
		if _, err := tryBuild(map[string]any{"rules": bad.rules}); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%v: %v, want an error with %s", bad.rules, err, bad.want)
		}
	}
}

// FuzzDocument checks that the editor accepts what encoding/json accepts, and that its output is a document again.
func FuzzDocument(f *testing.F) {
	for _, s := range []string{`{"a":[1,{"b":null}], "a":"\ud83d\ude00"}`, `[]`, `"{\"x\":1}"`, `-0.1E+5`, "[1,]", `{"a" 1}`, `{"a":"[1"}`} {
		f.Add(s)
	}
	keepAll := build(f, map[string]any{"rules": []any{rule("$.**", "keep")}, "maxDepth": 1000})
	redact := build(f, map[string]any{"rules": []any{rule("$.**.a", "drop"), rule("$.**.b(json).**", "text"), rule("$.**", "text")}, "maxDepth": 1000})
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" {
			return
		}
		out, err := keepAll.Transform(nil, mask.Text([]byte(s)), nil)
		if valid := stdjson.Valid([]byte(s)) && strings.ToValidUTF8(s, "") == s; valid != (err == nil) && strings.Count(s, "[")+strings.Count(s, "{") < 500 {
			t.Fatalf("%q: %v, but encoding/json says %v", s, err, valid)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(out, []byte(s)) {
			t.Fatalf("%q became %q", s, out)
		}
		if out, err = redact.Transform(nil, mask.Text([]byte(s)), nil); err != nil || !stdjson.Valid(out) {
			t.Fatalf("%q became %q, %v", s, out, err)
		}
	})
}

// FuzzPath checks that a path is refused with its place or gives a mask that works.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"$", "$.a.b[*].c", "$.**.x", `$["odd \" key"](json).*`, "$.", "$[", `$["`, "$(json)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		tr, err := tryBuild(map[string]any{"rules": []any{rule(path, "text")}, "onUnknown": "redact"})
		if err != nil {
			if !strings.Contains(err.Error(), "params.rules[0]") {
				t.Fatal(err)
			}
			return
		}
		in := `{"a":{"b":[{"c":"{\"d\":1}"}]}}`
		if out, err := tr.Transform(nil, mask.Text([]byte(in)), nil); err != nil || !stdjson.Valid(out) {
			t.Fatalf("%s: %s, %v", path, out, err)
		}
	})
}

func BenchmarkMask(b *testing.B) {
	tr := build(b, map[string]any{"rules": []any{rule("$.contacts[*].email", "person.email"), rule("$.note", "text"), rule("$.state", "keep")}})
	in := mask.Text([]byte(`{"state": "open", "note": "called twice", "contacts": [{"email": "ada@example.org"}, {"email": "grace@example.org"}]}`))
	dst := make([]byte, 0, 1024)
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(in.Raw)))
		for b.Loop() {
			if _, err := tr.Transform(dst, in, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}
