package s3_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/blob/blobtest"
	"github.com/tranship/tranship/internal/blob/blobtest/versity"
	"github.com/tranship/tranship/internal/blob/check"
	"github.com/tranship/tranship/internal/blob/s3"
	"github.com/tranship/tranship/internal/fault"
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

func TestDamageInTheStoreIsNoticed(t *testing.T) {
	server := versity.Start(t)
	b := blob.NewBucket(open(t, versity.Bucket(t, server, "vault", false)), "")
	ctx := t.Context()
	if err := b.Put(ctx, "folder/k", []byte("content"), blob.PutOptions{IfNotExists: true}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(server.Buckets, "vault", "folder", "k"), []byte("c0ntent"), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := b.Get(ctx, "folder/k", 100); !errors.Is(err, blob.ErrChecksum) {
		t.Errorf("get: %q, %v, want %v", data, err, blob.ErrChecksum)
	}
}

func TestWrongCredentialsAreDenied(t *testing.T) {
	server := versity.Start(t)
	c := versity.Bucket(t, server, "vault", false)
	c.SecretAccessKey = blob.NewSecret("wrong")
	b := blob.NewBucket(open(t, c), "")
	if err := b.Put(t.Context(), "k", nil, blob.PutOptions{}); !fault.Is(err, fault.Denied) {
		t.Errorf("put: %v (%s), want denied", err, fault.ClassOf(err))
	}
}
