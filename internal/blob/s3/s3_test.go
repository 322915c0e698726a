package s3_test

import (
	"testing"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/blob/blobtest"
	"github.com/tranship/tranship/internal/blob/blobtest/versity"
	"github.com/tranship/tranship/internal/blob/check"
	"github.com/tranship/tranship/internal/blob/s3"
)

func open(t *testing.T, c s3.Config) *s3.Store {
	t.Helper()
	s, err := s3.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	server := versity.Start(t)
	t.Run("plain", func(t *testing.T) {
		s := open(t, versity.Bucket(t, server, "plain", false))
		blobtest.Run(t, func(*testing.T) blob.Store { return s }, check.Features{})
	})
	t.Run("versions-and-lock", func(t *testing.T) {
		s := open(t, versity.Bucket(t, server, "locked", true))
		blobtest.Run(t, func(*testing.T) blob.Store { return s }, check.Features{Locks: true})
	})
}
