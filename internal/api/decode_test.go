package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// today is the day on which the tests check resources.
var today = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)

func example(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestTheExampleIsValid(t *testing.T) {
	s := NewSet()
	if err := s.Load(bytes.NewReader(example(t)), "example.yaml"); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(today); err != nil {
		t.Fatal(err)
	}
	if got := len(s.Resources()); got != 12 {
		t.Errorf("read %d resources, want 12", got)
	}
}

func TestDefaultsConnectTheStepsAndVerifyEachRestore(t *testing.T) {
	s := NewSet()
	if err := s.Load(bytes.NewReader(example(t)), ""); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"shop-nightly":    {"capture<", "mask<capture", "transfer<mask", "restore<transfer", "verify<restore"},
		"shop-per-pr":     {"clone<", "verify<clone"},
		"ledger-recovery": {"capture<", "restore<capture", "verify<restore"},
	} {
		p, ok := Get[*Policy](s, DefaultTenant, name)
		if !ok {
			t.Fatalf("no policy %s", name)
		}
		var got []string
		for _, step := range p.Spec.Steps {
			got = append(got, step.Name+"<"+step.Input)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: steps %q, want %q", name, got, want)
		}
	}
}

func TestBadResourcesAreExplained(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bad examples: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := NewSet()
			problem := s.Load(bytes.NewReader(data), filepath.Base(file))
			if problem == nil {
				problem = s.Check(today)
			}
			if problem == nil {
				t.Fatal("no problem was found")
			}
			got := problem.Error() + "\n"
			if strings.Contains(got, "hunter2") {
				t.Errorf("a secret is repeated:\n%s", got)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *rewrite {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestEncodingReadsBackAsTheSame(t *testing.T) {
	resources, err := Decode(bytes.NewReader(example(t)), "")
	if err != nil {
		t.Fatal(err)
	}
	for name, encode := range map[string]func(*bytes.Buffer) error{
		"yaml": func(b *bytes.Buffer) error { return EncodeYAML(b, resources...) },
		"json": func(b *bytes.Buffer) error { return EncodeJSON(b, resources...) },
	} {
		var out bytes.Buffer
		if err := encode(&out); err != nil {
			t.Fatal(err)
		}
		again, err := Decode(bytes.NewReader(out.Bytes()), "")
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out.Bytes())
		}
		if !reflect.DeepEqual(resources, again) {
			t.Errorf("%s: reads back as something else:\n%s", name, out.Bytes())
		}
	}
}

func TestEncodingNothingWritesNothing(t *testing.T) {
	var out bytes.Buffer
	if err := EncodeYAML(&out); err != nil || out.Len() != 0 {
		t.Errorf("wrote %q, %v", out.Bytes(), err)
	}
}

func TestASetHoldsTheLastResourceOfAName(t *testing.T) {
	first := &Application{ObjectMeta: ObjectMeta{Name: "shop"}}
	second := &Application{ObjectMeta: ObjectMeta{Name: "shop", Namespace: DefaultTenant}}
	s := NewSet(first, second)
	got, ok := Get[*Application](s, DefaultTenant, "shop")
	if !ok || got != second || len(s.Resources()) != 1 {
		t.Errorf("got %+v of %d", got, len(s.Resources()))
	}
	if _, ok := Get[*Cluster](s, DefaultTenant, "shop"); ok {
		t.Error("an application was taken for a cluster")
	}
}

func TestEncodingQuotesWhatOtherReadersTakeForSomethingElse(t *testing.T) {
	in := &Application{
		ObjectMeta: ObjectMeta{Name: "shop", Annotations: map[string]string{"a": "no", "b": "null", "c": "1e3", "d": "2027-01-01", "e": "~"}},
		Spec:       ApplicationSpec{Namespaces: []string{"on"}},
	}
	var out bytes.Buffer
	if err := EncodeYAML(&out, in); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`a: "no"`, `b: "null"`, `c: "1e3"`, `d: "2027-01-01"`, `e: "~"`, `- "on"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is missing in:\n%s", want, out.String())
		}
	}
}

func TestJSONIsReadWithItsEscapes(t *testing.T) {
	text := `{"apiVersion": "tranship.io/v1alpha1", "kind": "Application",
	"metadata": {"name": "shop", "annotations": {"note": "\ud83d\ude80\/"}},
	"spec": {"namespaces": ["shop", "Shop"]}}`
	resources, err := Decode(strings.NewReader(text), "shop.json")
	if len(resources) != 1 || resources[0].Meta().Annotations["note"] != "🚀/" {
		t.Errorf("read %+v", resources)
	}
	if want := "shop.json:3: Application/shop: spec.namespaces[1]: " + wantLabel; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestCanonicalFormDependsOnMeaningOnly(t *testing.T) {
	spellings := []string{
		"apiVersion: tranship.io/v1alpha1\nkind: Application\nmetadata: {name: shop}\nspec: {namespaces: [shop]}",
		`{"kind":"Application","spec":{"cluster":"local","namespaces":["shop"]},"metadata":{"uid":"1","annotations":{"a":"b"},"namespace":"default","name":"shop"},"apiVersion":"tranship.io/v1alpha1"}`,
	}
	want := `{"apiVersion":"tranship.io/v1alpha1","kind":"Application","metadata":{"name":"shop","namespace":"default"},"spec":{"cluster":"local","namespaces":["shop"]}}`
	for _, text := range spellings {
		resources, err := Decode(strings.NewReader(text), "")
		if err != nil {
			t.Fatal(err)
		}
		got, err := Canonical(resources[0])
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestParametersOfMasksSurviveWithTheirTypes(t *testing.T) {
	in := `{"mask":"phone","region":"DE","n":9007199254740993,"f":0.5,"list":[1,"a"],"on":true}`
	var c ColumnRule
	if err := json.Unmarshal([]byte(in), &c); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"region": "DE", "n": int64(9007199254740993), "f": 0.5, "list": []any{int64(1), "a"}, "on": true}
	if c.Mask != "phone" || !reflect.DeepEqual(c.Params, want) {
		t.Errorf("read %+v", c)
	}
	out, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var again ColumnRule
	if err := json.Unmarshal(out, &again); err != nil || !reflect.DeepEqual(c, again) {
		t.Errorf("%s reads back as %+v, %v", out, again, err)
	}
}

func TestAliasBombsAreRefusedCheaply(t *testing.T) {
	var b strings.Builder
	b.WriteString("apiVersion: tranship.io/v1alpha1\nkind: MaskingPolicy\nmetadata: {name: bomb}\nspec:\n  identities:\n    a: {mask: email, pa0: &pa0 [x, x]")
	for i := 1; i < 30; i++ {
		b.WriteString(strings.ReplaceAll(strings.ReplaceAll(", pN: &pN [*pM, *pM, *pM, *pM, *pM, *pM, *pM, *pM]", "N", itoa(i)), "M", itoa(i-1)))
	}
	b.WriteString("}\n")
	_, err := Decode(strings.NewReader(b.String()), "")
	if err == nil || !strings.Contains(err.Error(), "the input has more than 100000 values") {
		t.Errorf("got %v", err)
	}
}

func itoa(i int) string { return string(rune('a'+i/10)) + string(rune('0'+i%10)) }

func TestInputIsBounded(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"size":  {strings.Repeat("# comment\n", maxInput/10+1), "is larger than 4 MiB: split it"},
		"depth": {"apiVersion: tranship.io/v1alpha1\nkind: MaskingPolicy\nspec: {identities: {a: {mask: x, p: " + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}}}", "is nested more than 32 deep"},
	} {
		if _, err := Decode(strings.NewReader(c.text), ""); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "testdata/example.yaml") {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, doc := range bytes.Split(data, []byte("\n---\n")) {
			f.Add(doc)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		resources, err := Decode(bytes.NewReader(data), "fuzz")
		if err != nil {
			var problems FieldErrors
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatal("an error without a problem")
			}
			return
		}
		for _, r := range resources {
			var out bytes.Buffer
			if err := EncodeYAML(&out, r); err != nil {
				t.Fatalf("what was read cannot be written: %v", err)
			}
			again, err := Decode(&out, "again")
			if err != nil || len(again) != 1 {
				t.Fatalf("what was written cannot be read: %v", err)
			}
			a, errA := Canonical(r)
			b, errB := Canonical(again[0])
			if errA != nil || errB != nil || !bytes.Equal(a, b) {
				t.Fatalf("reads back as something else:\n%s\n%s", a, b)
			}
		}
		_ = NewSet(resources...).Check(today)
	})
}
