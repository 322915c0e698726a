package s3server_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tranship/tranship/internal/blob/blobtest/versity"
	"github.com/tranship/tranship/internal/blob/s3/s3server"
	"github.com/tranship/tranship/internal/fault"
)

func TestBucketsAreCreatedOnceAndTheServerEnds(t *testing.T) {
	server := versity.Start(t)
	for range 2 {
		if err := server.CreateBucket(t.Context(), "vault", false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(server.Buckets, "vault")); err != nil {
		t.Error(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-server.Done():
	default:
		t.Error("Close returned before the server ended")
	}
	if err := server.CreateBucket(t.Context(), "other", false); err == nil {
		t.Error("the server answers after Close")
	}
}

func TestFindLooksBesideTheModule(t *testing.T) {
	t.Setenv("TRANSHIP_VERSITYGW", "")
	root := t.TempDir()
	below := filepath.Join(root, "a", "b")
	program := filepath.Join(root, ".tools", "bin", "versitygw")
	for _, dir := range []string{below, filepath.Dir(program)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "go.mod"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s3server.Find(below); !fault.Is(err, fault.NotFound) || fault.HintOf(err) == "" {
		t.Errorf("find without the program: %v, want not-found with a hint", err)
	}
	if err := os.WriteFile(program, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := s3server.Find(below); err != nil || got != program {
		t.Errorf("find: %q, %v, want %q", got, err, program)
	}
	t.Setenv("TRANSHIP_VERSITYGW", filepath.Join(root, "nothing"))
	if _, err := s3server.Find(below); !fault.Is(err, fault.NotFound) {
		t.Errorf("find with a wrong variable: %v, want not-found", err)
	}
}
