package name_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/mask/masktest"
	"github.com/tranship/tranship/internal/mask/name"
)

func word(t *rapid.T) string {
	return rapid.OneOf(
		rapid.StringMatching(`[A-Z][a-z]{1,12}`),
		rapid.SampledFrom([]string{"Ada", "GRACE", "Alan", "Jürgen", "john", "Mary Jane", "O'Neil", "Smith"}),
	).Draw(t, "name")
}

func full(t *rapid.T) string {
	if rapid.Bool().Draw(t, "inverted") {
		return word(t) + ", " + word(t)
	}
	return word(t) + " " + word(t)
}

func different(in, out string) error {
	if strings.EqualFold(in, out) {
		return errors.New("it is the name itself")
	}
	return nil
}

func TestFirst(t *testing.T) {
	masktest.Run(t, name.First, "testdata",
		masktest.Property{Values: word, Identifier: true, Valid: different},
		masktest.Property{Name: "of a subject", Subject: "person.id", Values: word, Valid: different},
		masktest.Property{Name: "short", Params: map[string]any{"maxLength": 5}, Values: word, Identifier: true, Valid: func(in, out string) error {
			if len(out) > 5 {
				return errors.New("it is too long")
			}
			return different(in, out)
		}})
}

func TestLast(t *testing.T) {
	masktest.Run(t, name.Last, "testdata", masktest.Property{Values: word, Identifier: true, Valid: different})
}

func TestFull(t *testing.T) {
	masktest.Run(t, name.Full, "testdata", masktest.Property{Values: full, Identifier: true, Valid: different})
}

func build(t *testing.T, spec mask.Spec, cfg mask.Config, raw map[string]any) mask.Transformer {
	t.Helper()
	p, err := mask.ParseParams(spec.Params, raw, "params")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Params, cfg.Column.Kind = p, mask.KindText
	tr, err := spec.Build(cfg, masktest.Deps())
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func apply(t *testing.T, tr mask.Transformer, in string, r *mask.Record) string {
	t.Helper()
	out, err := tr.Transform(nil, mask.Text([]byte(in)), r)
	if err != nil {
		t.Fatalf("%q: %v", in, err)
	}
	return string(out)
}

func TestFullAgreesWithFirstAndLast(t *testing.T) {
	identities := map[string]any{"first": "person.first", "last": "person.last"}
	for _, subject := range []string{"", "person.id"} {
		f := build(t, name.First, mask.Config{Identity: "person.first", Subject: subject}, nil)
		l := build(t, name.Last, mask.Config{Identity: "person.last", Subject: subject}, nil)
		parsed := build(t, name.Full, mask.Config{Identity: "person.name", Subject: subject}, identities)
		told := build(t, name.Full, mask.Config{Identity: "person.name", Subject: subject,
			Column: mask.Column{Siblings: map[string]int{"first": 0, "last": 1}}}, identities)
		for _, p := range [][2]string{{"Ada", "Lovelace"}, {"John", "Smith"}, {"Vincent", "van Gogh"}, {"Zoe", "García"}} {
			r := &mask.Record{Subject: []byte(p[0] + p[1]), Siblings: []mask.Value{mask.Text([]byte(p[0])), mask.Text([]byte(p[1]))}}
			first, last := apply(t, f, p[0], r), apply(t, l, p[1], r)
			for _, c := range []struct {
				tr       mask.Transformer
				in, want string
			}{
				{parsed, p[0] + " " + p[1], first + " " + last},
				{parsed, "Dr. " + p[0] + " " + p[1], first + " " + last},
				{parsed, p[1] + ", " + p[0], last + ", " + first},
				{told, p[0] + " " + p[1], first + " " + last},
				{told, p[0] + " the Great", first + " " + last},
			} {
				if got := apply(t, c.tr, c.in, r); got != c.want {
					t.Errorf("subject %q: %s became %s, want %s", subject, c.in, got, c.want)
				}
			}
		}
	}
}

func TestOneSubjectHasOneNameHoweverItIsSpelled(t *testing.T) {
	tr := build(t, name.Last, mask.Config{Identity: "person.last", Subject: "person.id"}, nil)
	r := &mask.Record{Subject: []byte("7")}
	if a, b := apply(t, tr, "Lovelace", r), apply(t, tr, "Byron", r); a != b {
		t.Errorf("%s and %s", a, b)
	}
	if _, err := tr.Transform(nil, mask.Text([]byte("Lovelace")), &mask.Record{}); !errors.Is(err, mask.ErrInvalid) {
		t.Errorf("without a subject: %v, want ErrInvalid", err)
	}
}

func TestNarrowColumnIsRefused(t *testing.T) {
	p, err := mask.ParseParams(name.First.Params, map[string]any{"maxLength": 6}, "params")
	if err != nil {
		t.Fatal(err)
	}
	if err := name.First.Check(p, mask.Column{Kind: mask.KindVarchar, MaxChars: 5}); err == nil {
		t.Error("names of 6 characters fit varchar(5)")
	}
	if err := name.First.Check(p, mask.Column{Kind: mask.KindVarchar, MaxChars: 6}); err != nil {
		t.Error(err)
	}
}

func BenchmarkMask(b *testing.B) {
	masktest.Benchmark(b, name.First, masktest.Property{}, "Ada", "Grace", "Alan")
	masktest.Benchmark(b, name.Last, masktest.Property{}, "Lovelace", "Hopper", "Turing")
	masktest.Benchmark(b, name.Full, masktest.Property{}, "Ada Lovelace", "Hopper, Grace")
}
