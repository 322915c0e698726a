package identity_test

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/tranship/tranship/internal/bus/identity"
	"github.com/tranship/tranship/internal/fault"
)

func TestKeyIsCreatedOnce(t *testing.T) {
	dir := t.TempDir() + "/keys"
	var wg sync.WaitGroup
	public := make([]string, 8)
	for i := range public {
		wg.Go(func() {
			id, err := identity.LoadOrCreate(dir, "capturer")
			if err != nil {
				t.Error(err)
				return
			}
			public[i] = id.PublicKey()
		})
	}
	wg.Wait()
	for _, p := range public {
		if p != public[0] {
			t.Fatal("two keys for one service")
		}
	}
	info, err := os.Stat(identity.Path(dir, "capturer"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%d files, %v; want the seed and its public half", len(entries), err)
	}
	if err := os.Remove(identity.Path(dir, "capturer")); err != nil {
		t.Fatal(err)
	}
	if got, err := identity.PublicKey(dir, "capturer"); err != nil || got != public[0] {
		t.Errorf("the public half alone gives %q, %v; want %q", got, err, public[0])
	}
}

func TestPublicKeyComesFromTheSeedOrIsMissing(t *testing.T) {
	dir := t.TempDir()
	if _, err := identity.PublicKey(dir, "masker"); !errors.Is(err, identity.ErrMissing) {
		t.Errorf("got %v, want that it is missing", err)
	}
	id, err := identity.LoadOrCreate(dir, "masker")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(identity.PublicPath(dir, "masker")); err != nil {
		t.Fatal(err)
	}
	if got, err := identity.PublicKey(dir, "masker"); err != nil || got != id.PublicKey() {
		t.Errorf("got %q, %v; want %q", got, err, id.PublicKey())
	}
	if err := os.WriteFile(identity.PublicPath(dir, "masker"), []byte("no key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := identity.PublicKey(dir, "masker"); fault.CodeOf(err) != "key.invalid" {
		t.Errorf("got %v, want code key.invalid", err)
	}
}

func TestSignatureVerifiesWithThePublicKey(t *testing.T) {
	id, err := identity.LoadOrCreate(t.TempDir(), "masker")
	if err != nil {
		t.Fatal(err)
	}
	sig, err := id.Sign([]byte("nonce"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := nkeys.FromPublicKey(id.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	if err := public.Verify([]byte("nonce"), sig); err != nil {
		t.Fatal(err)
	}
}

func TestBadKeysAreRefused(t *testing.T) {
	dir := t.TempDir()
	const secret = "SUAsomething-that-must-not-be-quoted"
	for name, mode := range map[string]os.FileMode{"open": 0o644, "garbage": 0o600} {
		if err := os.WriteFile(identity.Path(dir, name), []byte(secret), mode); err != nil {
			t.Fatal(err)
		}
	}
	for service, want := range map[string]fault.Class{
		"open": fault.Denied, "garbage": fault.Permanent, "missing": fault.NotFound, "../up": fault.Permanent,
	} {
		_, err := identity.Load(dir, service)
		if !fault.Is(err, want) {
			t.Errorf("%s: got %v, want class %s", service, err, want)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error quotes the file", service)
		}
	}
	if _, err := identity.Load(dir, "missing"); !errors.Is(err, identity.ErrMissing) {
		t.Errorf("got %v, want ErrMissing", err)
	}
}
