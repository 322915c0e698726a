package mask_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/mask"
)

// upper is a mask that fails halfway for values with a digit.
func upper() mask.Spec {
	return mask.Spec{
		Name: "upper", Version: 1, Kinds: []mask.Kind{mask.KindText},
		New: func(mask.Config, mask.Deps) (mask.Transformer, error) {
			return mask.TransformerFunc(func(dst []byte, v mask.Value, _ *mask.Record) ([]byte, error) {
				for _, c := range v.Raw {
					if c >= '0' && c <= '9' {
						return dst, mask.Invalid("a digit")
					}
					dst = append(dst, c-'a'+'A')
				}
				return dst, nil
			}), nil
		},
	}
}

func TestBuildAppliesTheGeneralRules(t *testing.T) {
	tr, err := upper().Build(mask.Config{Identity: "i", Column: mask.Column{Kind: mask.KindText}, Sentinels: []string{"n/a"}},
		mask.Deps{Epoch: epoch(t, "default", 1)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in   mask.Value
		want string
		err  error
	}{
		{mask.Null, "", mask.ErrNull},
		{mask.Text(nil), "", nil},
		{mask.Text([]byte("n/a")), "n/a", nil},
		{mask.Text([]byte("abc")), "ABC", nil},
		{mask.Text([]byte("ab1")), "", mask.ErrInvalid},
	} {
		out, err := tr.Transform([]byte("x"), c.in, nil)
		if string(out) != "x"+c.want || !errors.Is(err, c.err) {
			t.Errorf("%q became %q, %v", c.in.Raw, out, err)
		}
	}
}

func TestBuildChecksItsPlace(t *testing.T) {
	deps := mask.Deps{Epoch: epoch(t, "default", 1)}
	text := mask.Column{Kind: mask.KindText}
	subject := upper()
	subject.NeedsSubject = true
	broken := upper()
	broken.New = func(mask.Config, mask.Deps) (mask.Transformer, error) { return nil, errors.New("cannot be built") }
	wide := upper()
	wide.Fits = func(_ mask.Params, c mask.Column) error { return mask.FitsChars(10, c) }
	for _, c := range []struct {
		spec mask.Spec
		cfg  mask.Config
		deps mask.Deps
		want string
	}{
		{upper(), mask.Config{Column: text}, deps, "no identity"},
		{upper(), mask.Config{Identity: "i", Column: text}, mask.Deps{}, "no key epoch"},
		{upper(), mask.Config{Identity: "i", Column: mask.Column{Kind: mask.KindInt4}}, deps, "int4 column"},
		{subject, mask.Config{Identity: "i", Column: text}, deps, "needs a subject"},
		{broken, mask.Config{Identity: "i", Column: text}, deps, "cannot be built"},
		{wide, mask.Config{Identity: "i", Column: mask.Column{Kind: mask.KindText, MaxChars: 9}}, deps, "up to 10 characters, but the column holds 9"},
	} {
		if _, err := c.spec.Build(c.cfg, c.deps); err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, fault.Permanent) {
			t.Errorf("%v, want a permanent fault with %q", err, c.want)
		}
	}
}

func TestRedactionSuitsTheColumn(t *testing.T) {
	for kind, want := range map[mask.Kind]string{
		mask.KindText: "xxx\nxx", mask.KindInt4: "0", mask.KindUUID: "00000000-0000-0000-0000-000000000000", mask.KindDate: "1970-01-01",
		mask.KindJSONB: "null", mask.KindBool: "f", mask.KindBytea: `\x`,
	} {
		got, ok := mask.AppendRedacted(nil, []byte("Ada\nÄ€"), kind)
		if !ok || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", kind, got, ok, want)
		}
	}
	if _, ok := mask.AppendRedacted(nil, []byte("x"), mask.KindOther); ok {
		t.Error("a constant is offered for a type that nobody knows")
	}
}
