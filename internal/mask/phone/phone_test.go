package phone_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
	"pgregory.net/rapid"

	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/mask/masktest"
	"github.com/tranship/tranship/internal/mask/phone"
)

// examples are libphonenumber's own examples: one for each region and type.
var examples = func() []string {
	var all []string
	for region := range phonenumbers.GetSupportedRegions() {
		for kind := phonenumbers.FIXED_LINE; kind <= phonenumbers.VOICEMAIL; kind++ {
			n := phonenumbers.GetExampleNumberForType(region, kind)
			if n != nil && phonenumbers.IsValidNumber(n) {
				all = append(all, phonenumbers.Format(n, phonenumbers.INTERNATIONAL))
			}
		}
	}
	return all
}()

// common are countries whose numbers are many.
var common = []string{"US", "GB", "DE", "FR", "CA", "IN", "BR", "RU", "IT", "AU"}

func draw(t *rapid.T) string {
	region := rapid.SampledFrom(common).Draw(t, "region")
	kind := rapid.SampledFrom([]phonenumbers.PhoneNumberType{phonenumbers.FIXED_LINE, phonenumbers.MOBILE}).Draw(t, "kind")
	n := phonenumbers.GetExampleNumberForType(region, kind)
	s := []byte(phonenumbers.Format(n, phonenumbers.INTERNATIONAL))
	for i := len(s) - 5; i < len(s); i++ {
		if s[i] >= '0' && s[i] <= '9' {
			s[i] = byte('0' + rapid.IntRange(0, 9).Draw(t, "digit"))
		}
	}
	return string(s)
}

// same demands what the mask promises, in libphonenumber's judgement.
func same(in, out string) error {
	a, err := phonenumbers.Parse(in, "ZZ")
	if err != nil {
		return err
	}
	b, err := phonenumbers.Parse(out, "ZZ")
	if err != nil {
		return err
	}
	if phonenumbers.IsValidNumber(a) != phonenumbers.IsValidNumber(b) {
		return errors.New("only one of them is valid")
	}
	if !phonenumbers.IsValidNumber(a) {
		return nil
	}
	describe := func(n *phonenumbers.PhoneNumber) string {
		return fmt.Sprint(phonenumbers.GetRegionCodeForNumber(n), " ", phonenumbers.GetNumberType(n), " ",
			len(phonenumbers.GetNationalSignificantNumber(n)))
	}
	if x, y := describe(a), describe(b); x != y {
		return fmt.Errorf("a number of %s became one of %s", x, y)
	}
	return nil
}

func TestMask(t *testing.T) {
	masktest.Run(t, phone.Spec, "testdata", masktest.Property{
		Values: draw, Valid: same, Identifier: true, FixedPoints: 0.02, SameLength: true,
	})
}

func build(t testing.TB, c mask.Column) mask.Transformer {
	t.Helper()
	c.Kind = mask.KindText
	tr, err := phone.Spec.Build(mask.Config{Identity: "person.phone", Column: c}, masktest.Deps())
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestEveryRegionAndTypeStaysWhatItIs(t *testing.T) {
	tr := build(t, mask.Column{})
	masked := 0
	for _, in := range examples {
		out, err := tr.Transform(nil, mask.Text([]byte(in)), &mask.Record{})
		if errors.Is(err, mask.ErrInvalid) && strings.Contains(err.Error(), "no other") {
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		masked++
		if err := same(in, string(out)); err != nil {
			t.Errorf("%s became %s: %v", in, out, err)
		}
	}
	if masked < 500 {
		t.Errorf("only %d examples were masked", masked)
	}
}

func TestRandomNumbersAreClassifiedAsByTheLibrary(t *testing.T) {
	tr := build(t, mask.Column{})
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		in := []byte(examples[r.IntN(len(examples))])
		for i := range in[4:] {
			if c := &in[4+i]; *c >= '0' && *c <= '9' && r.IntN(3) == 0 {
				*c = byte('0' + r.IntN(10))
			}
		}
		n, err := phonenumbers.Parse(string(in), "ZZ")
		if err != nil || !phonenumbers.IsValidNumber(n) {
			continue
		}
		out, err := tr.Transform(nil, mask.Text(in), &mask.Record{})
		if err != nil {
			if !errors.Is(err, mask.ErrInvalid) {
				t.Fatal(err)
			}
			continue
		}
		if err := same(string(in), string(out)); err != nil {
			t.Errorf("%s became %s: %v", in, out, err)
		}
	}
}

func TestNationalAndInternationalSpellingsAreOneNumber(t *testing.T) {
	digits := strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", "+", "", "/", "", ".", "")
	for region, spellings := range map[string][]string{
		"US": {"+1 415 555 2671", "(415) 555-2671", "1-415-555-2671", "011 1 415 555 2671"},
		"DE": {"+49 30 901820", "030 901820", "030/901820", "0049 30 901820", "+49 (0)30 901820"},
		"GB": {"+44 20 7946 0958", "020 7946 0958", "00442079460958", "+44 (0)20 7946 0958"},
	} {
		tr := build(t, mask.Column{Region: region})
		var first string
		for i, in := range spellings {
			out, err := tr.Transform(nil, mask.Text([]byte(in)), &mask.Record{})
			if err != nil {
				t.Fatalf("%s: %v", in, err)
			}
			got := digits.Replace(string(out))
			if i == 0 {
				n, err := phonenumbers.Parse(string(out), "ZZ")
				if err != nil {
					t.Fatal(err)
				}
				first = phonenumbers.GetNationalSignificantNumber(n)
			}
			if !strings.HasSuffix(got, first) {
				t.Errorf("%s became %s, want a number that ends in %s", in, out, first)
			}
		}
	}
}

func TestUnknownRegionIsRefused(t *testing.T) {
	c := mask.Column{Kind: mask.KindText, Region: "XX"}
	if _, err := phone.Spec.Build(mask.Config{Identity: "p", Column: c}, masktest.Deps()); err == nil || !strings.Contains(err.Error(), "XX") {
		t.Errorf("%v, want an error that names the region", err)
	}
	if _, err := phone.Spec.CanonFor(c); err == nil {
		t.Error("the canonical form takes it")
	}
}

func FuzzTransform(f *testing.F) {
	for _, s := range []string{"+1 415 555 2671", "030/901820", "++", "+999", "(((((", "+4", "00000000000000000"} {
		f.Add(s)
	}
	tr := build(f, mask.Column{Region: "DE"})
	f.Fuzz(func(t *testing.T, s string) {
		out, err := tr.Transform(nil, mask.Text([]byte(s)), &mask.Record{})
		if err == nil && len(out) != len(s) {
			t.Fatalf("%q became %q", s, out)
		}
		if err != nil && !mask.IsOutcome(err) {
			t.Fatal(err)
		}
	})
}

func BenchmarkMask(b *testing.B) {
	masktest.Benchmark(b, phone.Spec, masktest.Property{}, "+1 415-555-2671", "+49 30 901820", "+447911123456", "+33612345678")
}
