package mem_test

import (
	"testing"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/blob/blobtest"
	"github.com/tranship/tranship/internal/blob/check"
	"github.com/tranship/tranship/internal/blob/mem"
	"github.com/tranship/tranship/internal/clock"
)

func TestConformance(t *testing.T) {
	s := mem.New(clock.Real{})
	blobtest.Run(t, func(*testing.T) blob.Store { return s }, check.Features{})
}
