package email_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/mask/email"
	"github.com/tranship/tranship/internal/mask/masktest"
)

var addresses = rapid.StringMatching(`[a-z0-9.]{1,20}[a-z]@[a-z]{2,12}\.(com|org|co\.uk)`)

func draw(t *rapid.T) string { return addresses.Draw(t, "address") }

func TestMask(t *testing.T) {
	masktest.Run(t, email.Spec, "testdata",
		masktest.Property{Values: draw, Identifier: true, Valid: masktest.Ends("@masked.example")},
		masktest.Property{Name: "kept domains", Values: draw, Identifier: true,
			Params: map[string]any{"domain": "corp.test", "keepDomains": []any{"example.com"}},
			Valid:  masktest.Ends("@corp.test")},
	)
}

func TestCaseAndSpaceDoNotMatter(t *testing.T) {
	tr, err := email.Spec.Build(mask.Config{Identity: "person.email", Column: mask.Column{Kind: mask.KindText}}, masktest.Deps())
	if err != nil {
		t.Fatal(err)
	}
	var first string
	for i, in := range []string{"ada@example.org", "Ada@Example.ORG", "  ada@example.org\n"} {
		out, err := tr.Transform(nil, mask.Text([]byte(in)), &mask.Record{})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = string(out)
		} else if string(out) != first {
			t.Errorf("%q became %s, want %s", in, out, first)
		}
	}
}

func TestDeliverableDomainIsRefused(t *testing.T) {
	for _, domain := range []string{"gmail.com", "example.de", "", "-a.test", "a..test", "EXAMPLE.COM", "test.com"} {
		p, err := mask.ParseParams(email.Spec.Params, map[string]any{"domain": domain}, "params")
		if err != nil {
			t.Fatal(err)
		}
		_, err = email.Spec.Build(mask.Config{Identity: "i", Params: p, Column: mask.Column{Kind: mask.KindText}}, masktest.Deps())
		if err == nil || !strings.Contains(err.Error(), "params.domain") {
			t.Errorf("%q: %v, want an error", domain, err)
		}
	}
}

func TestNarrowColumnIsRefused(t *testing.T) {
	p, err := mask.ParseParams(email.Spec.Params, nil, "params")
	if err != nil {
		t.Fatal(err)
	}
	if err := email.Spec.Check(p, mask.Column{Kind: mask.KindVarchar, MaxChars: 31}); err != nil {
		t.Errorf("31 characters: %v", err)
	}
	if err := email.Spec.Check(p, mask.Column{Kind: mask.KindVarchar, MaxChars: 30}); err == nil {
		t.Error("30 characters are accepted")
	}
}

func BenchmarkMask(b *testing.B) {
	masktest.Benchmark(b, email.Spec, masktest.Property{}, "ada.lovelace@example.org", "Grace.Hopper@navy.mil", "alan@bletchley.co.uk")
}
