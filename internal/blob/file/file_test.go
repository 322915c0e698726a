package file_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/blob/blobtest"
	"github.com/tranship/tranship/internal/blob/check"
	"github.com/tranship/tranship/internal/blob/file"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/fault"
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

func TestLinkOutOfTheDirectoryIsRefused(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"file": secret, "folder": outside, "relative": "../" + filepath.Base(outside)} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	b := blob.NewBucket(open(t, dir), "")
	ctx := t.Context()
	for _, k := range []blob.Key{"file", "folder/secret", "relative/secret"} {
		if data, err := b.Get(ctx, k, 100); err == nil {
			t.Errorf("get %s: read %q from outside", k, data)
		}
		if err := b.Put(ctx, k, []byte("overwritten"), blob.PutOptions{}); err == nil && k != "file" {
			t.Errorf("put %s: wrote outside", k)
		}
		if err := b.Delete(ctx, k); err == nil && k != "file" {
			t.Errorf("delete %s: no error", k)
		}
	}
	for info, err := range b.List(ctx, "folder/") {
		if err == nil {
			t.Errorf("the listing shows %s from outside", info.Key)
		}
	}
	if data, err := os.ReadFile(secret); err != nil || string(data) != "secret" {
		t.Errorf("the file outside is %q, %v", data, err)
	}
}

func TestFilesAreForTheOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "store")
	b := blob.NewBucket(open(t, dir), "")
	if err := b.Put(t.Context(), "a/b", []byte("x"), blob.PutOptions{IfNotExists: true}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{dir: 0o700, dir + "/a": 0o700, dir + "/a/b": 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
}

// leftovers returns the temporary files in dir.
func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "unfinished puts", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestFailedPutsLeaveNothing(t *testing.T) {
	dir := t.TempDir()
	b := blob.NewBucket(open(t, dir), "")
	ctx := t.Context()
	wrong := uint32(1)
	if err := b.Put(ctx, "k", []byte("x"), blob.PutOptions{IfNotExists: true}); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(ctx, "k", []byte("y"), blob.PutOptions{IfNotExists: true}); !errors.Is(err, blob.ErrExists) {
		t.Errorf("create twice: %v", err)
	}
	if err := b.Put(ctx, "j", []byte("x"), blob.PutOptions{CRC32C: &wrong}); !errors.Is(err, blob.ErrChecksum) {
		t.Errorf("wrong checksum: %v", err)
	}
	if err := b.Put(ctx, "k/below", []byte("x"), blob.PutOptions{}); !fault.Is(err, fault.Permanent) {
		t.Errorf("put below an object: %v, want a permanent error", err)
	}
	if left := leftovers(t, dir); len(left) > 0 {
		t.Errorf("temporary files stay: %q", left)
	}
}

func TestOpenSweepsWhatDeadProcessesLeft(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	now := time.Now()
	for name, age := range map[string]time.Duration{"dead": 25 * time.Hour, "maybe-alive": 23 * time.Hour} {
		path := filepath.Join(dir, "unfinished puts", name)
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	b := blob.NewBucket(open(t, dir), "")
	if left := leftovers(t, dir); len(left) != 1 || filepath.Base(left[0]) != "maybe-alive" {
		t.Errorf("left: %q, want the one that may be alive", left)
	}
	for info := range b.List(t.Context(), "") {
		t.Errorf("the listing shows %s, which is no object", info.Key)
	}
}

// Deleting removes empty directories while others create objects in them.
func TestPutsSurviveDirectoriesThatVanish(t *testing.T) {
	b := blob.NewBucket(open(t, t.TempDir()), "")
	ctx := t.Context()
	done := make(chan error)
	for worker := range 4 {
		go func() {
			var failed error
			for i := range 100 {
				k := blob.Key(fmt.Sprintf("a/b/%d-%d", worker, i))
				failed = errors.Join(failed, b.Put(ctx, k, []byte("x"), blob.PutOptions{IfNotExists: true}))
				if _, err := b.Stat(ctx, k); err != nil {
					failed = errors.Join(failed, err)
				}
				failed = errors.Join(failed, b.Delete(ctx, k))
			}
			done <- failed
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
