package text_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/mask/masktest"
	"github.com/tranship/tranship/internal/mask/text"
)

func TestMask(t *testing.T) {
	masktest.Run(t, text.Spec, "testdata", masktest.Property{
		Values:     func(t *rapid.T) string { return rapid.StringN(1, 200, -1).Draw(t, "text") },
		SameLength: true,
		Valid: func(in, out string) error {
			if strings.Trim(out, "x\r\n") != "" || strings.Count(in, "\n") != strings.Count(out, "\n") {
				return errors.New("something else than x is left or a line break is gone")
			}
			return nil
		},
	})
}

func FuzzCharacters(f *testing.F) {
	f.Add("a\r\nb\xff€")
	tr, err := text.Spec.Build(configuration(), masktest.Deps())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out, err := tr.Transform(nil, value(s), nil)
		if err != nil {
			t.Fatal(err)
		}
		if s != "n/a" && utf8.RuneCount(out) != utf8.RuneCountInString(s) {
			t.Fatalf("%q became %q", s, out)
		}
	})
}

func BenchmarkMask(b *testing.B) {
	masktest.Benchmark(b, text.Spec, masktest.Property{}, "Called twice, wants her money back.\nÜber die Straße gezogen.")
}

func configuration() mask.Config {
	return mask.Config{Identity: "note", Column: mask.Column{Kind: mask.KindText}}
}

func value(s string) mask.Value { return mask.Text([]byte(s)) }
