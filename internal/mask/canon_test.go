package mask_test

import (
	"errors"
	"testing"

	"github.com/tranship/tranship/internal/mask"
)

func TestCanonicalForms(t *testing.T) {
	const refused = "\x00refused"
	for _, c := range []struct {
		name  string
		canon mask.Canon
		in    map[string]string
	}{
		{"text", mask.CanonText, map[string]string{" a b\n": "a b", "e\u0301": "é", "\xff": refused, "": ""}},
		{"fold", mask.CanonFold, map[string]string{" ADA ": "ada", "E\u0301": "é", "ÜBER": "über", "\xffA": refused, "K": "k"}},
		{"email", mask.CanonEmail, map[string]string{
			" Ada@Example.ORG ": "ada@example.org", "a@b@c": "a@b@c", "@b": refused, "a@": refused, "a": refused, "a b@c": refused, "\xff@c": refused,
		}},
		{"integer", mask.CanonInteger, map[string]string{
			"123": "123", "+0123": "123", " 123 ": "123", "-05": "-5", "0": "0", "-0": "0", "000": "0",
			"": refused, "-": refused, "1.0": refused, "1e3": refused, "٣": refused, "99999999999999999999999": "99999999999999999999999",
		}},
		{"digits", mask.CanonDigits, map[string]string{"41-11 x": "4111", "x": refused}},
		{"uuid", mask.CanonUUID, map[string]string{
			"6BA7B810-9DAD-11D1-80B4-00C04FD430C8":   "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
			"{6ba7b8109dad11d180b400c04fd430c8":      refused,
			"6ba7b8109dad11d180b400c04fd430c8":       "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
			"{6ba7b810-9dad-11d1-80b4-00c04fd430c8}": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
			"6ba7b810-9dad-11d1-80b4-00c04fd430cg":   refused,
			"6ba7b810+9dad-11d1-80b4-00c04fd430c8":   refused,
		}},
	} {
		for in, want := range c.in {
			got, err := c.canon([]byte("before"), []byte(in))
			if want == refused {
				if !errors.Is(err, mask.ErrInvalid) || string(got) != "before" {
					t.Errorf("%s of %q is %q, %v, want ErrInvalid", c.name, in, got, err)
				}
				continue
			}
			if err != nil || string(got) != "before"+want {
				t.Errorf("%s of %q is %q, %v, want %q", c.name, in, got, err, want)
			}
		}
	}
}

func FuzzCanonIsStable(f *testing.F) {
	for _, s := range []string{" Ada@X.org", "+0012", "E\u0301", "\u1e9e\u0130", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8"} {
		f.Add(s)
	}
	canons := []mask.Canon{mask.CanonText, mask.CanonFold, mask.CanonEmail, mask.CanonInteger, mask.CanonDigits, mask.CanonUUID}
	f.Fuzz(func(t *testing.T, s string) {
		for i, canon := range canons {
			once, err := canon(nil, []byte(s))
			if err != nil {
				continue
			}
			twice, err := canon(nil, once)
			if len(once) > 0 && (err != nil || string(twice) != string(once)) {
				t.Fatalf("canon %d of %q is %q, and of that %q, %v", i, s, once, twice, err)
			}
		}
	})
}
