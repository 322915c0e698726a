package constant_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/mask/constant"
	"github.com/tranship/tranship/internal/mask/masktest"
)

func TestMask(t *testing.T) {
	masktest.Run(t, constant.Spec, "testdata", masktest.Property{
		Params: map[string]any{"value": "redacted"},
		Values: func(t *rapid.T) string { return rapid.StringN(1, 20, -1).Draw(t, "value") },
		Valid: func(_, out string) error {
			if out != "redacted" {
				return fmt.Errorf("it is not the constant")
			}
			return nil
		},
	})
}

func TestValueHasToFitTheColumn(t *testing.T) {
	p, err := mask.ParseParams(constant.Spec.Params, map[string]any{"value": "70000"}, "params")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []mask.Column{{Kind: mask.KindVarchar, MaxChars: 4}, {Kind: mask.KindInt2}} {
		if err := constant.Spec.Check(p, c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
	if err := constant.Spec.Check(p, mask.Column{Kind: mask.KindInt4}); err != nil {
		t.Error(err)
	}
}
