package null_test

import (
	"testing"

	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/mask/masktest"
	"github.com/tranship/tranship/internal/mask/null"
)

func TestMask(t *testing.T) {
	masktest.Run(t, null.Spec, "testdata", masktest.Property{Column: mask.Column{Kind: mask.KindInt4, Nullable: true}})
}

func TestColumnHasToAllowNull(t *testing.T) {
	if err := null.Spec.Check(mask.Params{}, mask.Column{Kind: mask.KindText}); err == nil {
		t.Error("a NOT NULL column is accepted")
	}
}
