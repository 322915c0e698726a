package drop_test

import (
	"testing"

	"github.com/tranship/tranship/internal/mask/drop"
	"github.com/tranship/tranship/internal/mask/masktest"
)

func TestMask(t *testing.T) {
	masktest.Run(t, drop.Spec, "testdata", masktest.Property{})
}
