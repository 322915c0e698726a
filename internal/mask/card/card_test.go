package card_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/mask/card"
	"github.com/tranship/tranship/internal/mask/masktest"
)

// valid is the Luhn check as its description has it, from the right.
func valid(number string) bool {
	sum, second := 0, false
	for i := len(number) - 1; i >= 0; i-- {
		if number[i] < '0' || number[i] > '9' {
			continue
		}
		d := int(number[i] - '0')
		if second {
			d *= 2
			d = d/10 + d%10
		}
		sum += d
		second = !second
	}
	return sum%10 == 0
}

func draw(t *rapid.T) string {
	prefix := rapid.SampledFrom([]string{"4", "51", "34", "6011", "2221", "65", "3528", "9999", "0000"}).Draw(t, "prefix")
	n := rapid.IntRange(12, 19).Draw(t, "digits")
	body := rapid.StringOfN(rapid.RuneFrom([]rune("0123456789")), n-len(prefix), n-len(prefix), -1).Draw(t, "body")
	s := prefix + body
	if rapid.Bool().Draw(t, "spaces") {
		s = s[:4] + " " + s[4:8] + "-" + s[8:]
	}
	return s
}

func TestMask(t *testing.T) {
	masktest.Run(t, card.Spec, "testdata", masktest.Property{
		Values: draw, Identifier: true, FixedPoints: 0.02, SameLength: true,
		Valid: func(in, out string) error {
			if valid(in) != valid(out) {
				return errors.New("only one of them passes the Luhn check")
			}
			if in[0] != out[0] || strings.Count(in, " ") != strings.Count(out, " ") {
				return errors.New("the network or the separators changed")
			}
			return nil
		},
	})
}

func TestSeparatorsDoNotMatter(t *testing.T) {
	tr, err := card.Spec.Build(mask.Config{Identity: "card", Column: mask.Column{Kind: mask.KindText}}, masktest.Deps())
	if err != nil {
		t.Fatal(err)
	}
	digits := func(in string) string {
		out, err := tr.Transform(nil, mask.Text([]byte(in)), &mask.Record{})
		if err != nil {
			t.Fatal(err)
		}
		return strings.NewReplacer(" ", "", "-", "").Replace(string(out))
	}
	if a, b := digits("4111111111111111"), digits("4111 1111-1111 1111"); a != b {
		t.Errorf("%s and %s", a, b)
	}
}

func BenchmarkMask(b *testing.B) {
	masktest.Benchmark(b, card.Spec, masktest.Property{}, "4111 1111 1111 1111", "5500005555555559", "378282246310005")
}
