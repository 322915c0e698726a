package file_test

import (
	"testing"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/blob/blobtest"
	"github.com/tranship/tranship/internal/blob/check"
	"github.com/tranship/tranship/internal/blob/file"
	"github.com/tranship/tranship/internal/clock"
)

func open(t *testing.T, dir string) *file.Store {
	t.Helper()
	s, err := file.New(file.Config{Path: dir}, clock.Real{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	s := open(t, t.TempDir())
	blobtest.Run(t, func(*testing.T) blob.Store { return s }, check.Features{})
}
