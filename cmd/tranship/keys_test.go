package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// secretsIn returns the secret parts of all key files of a directory.
func secretsIn(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
	}
	var all []string
	for _, path := range files {
		if strings.HasSuffix(path, ".pub") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				words := strings.Fields(line)
				all = append(all, words[len(words)-1])
			}
		}
	}
	return all
}

func TestKeysAreForTheirOwnerAndNeverPrintedNorOverwritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	args := []string{"keys", "generate", "--dir", dir, "--location", "vault", "--masking", "mask", "--epoch", "2", "--signer", "restorer", "--service", "masker"}
	first := tranship(t, args...)
	if first.code != exitCompleted {
		t.Fatal(first.text())
	}
	for _, name := range []string{"vault.key", "vault.writer.key", "mask-2.key", "restorer.signing.key", "masker.nk"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %04o", name, info.Mode().Perm())
		}
		contains(t, first.stdout, name)
	}
	secrets := secretsIn(t, dir)
	second := tranship(t, args...)
	for i, s := range secretsIn(t, dir) {
		if s != secrets[i] {
			t.Errorf("a key was overwritten: %s", second.text())
		}
	}
	if second.code != exitCompleted || strings.Contains(second.stdout, "created") {
		t.Errorf("keys that are there are kept:\n%s", second.text())
	}
	outputs := first.text() + second.text()
	for _, format := range formats {
		outputs += tranship(t, "keys", "show", "--dir", dir, "-o", format).text()
	}
	contains(t, outputs, "tspub1", "tssig1", `"kind": "masking key"`, `"kind": "service key"`)
	for _, s := range secrets {
		if strings.Contains(outputs, s) {
			t.Error("a secret key was printed")
		}
	}
}

func TestKeysRefuseBadNamesBeforeTheFirstFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	for _, args := range [][]string{
		{"--location", "vault", "--location", "../up"}, {"--location", "vault", "--signer", "nobody"}, {"--location", "vault", "--epoch", "0"},
	} {
		r := tranship(t, append([]string{"keys", "generate", "--dir", dir}, args...)...)
		if r.code != exitMisuse {
			t.Errorf("%v:\n%s", args, r.text())
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("something was written")
	}
}

func TestKeyOfAnotherKindIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	tranship(t, "keys", "generate", "--dir", dir, "--masking", "a", "--epoch", "1")
	if err := os.Rename(filepath.Join(dir, "a-1.key"), filepath.Join(dir, "vault.key")); err != nil {
		t.Fatal(err)
	}
	r := tranship(t, "keys", "generate", "--dir", dir, "--location", "vault")
	if r.code != exitFailed {
		t.Errorf("want exit code 1:\n%s", r.text())
	}
	contains(t, r.stderr, "holds a masking key where a location private key belongs", "hint: ")
}

func TestShowWarnsOfKeysThatOthersCanRead(t *testing.T) {
	dir := t.TempDir()
	tranship(t, "keys", "generate", "--dir", dir, "--location", "vault")
	path := filepath.Join(dir, "vault.key")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	r := tranship(t, "keys", "show", path)
	contains(t, r.stderr, "others can read "+path, "chmod 600")
	if r = tranship(t, "keys", "show", writeFile(t, dir, "x.key", "nonsense\n")); r.code != exitFailed || strings.Contains(r.stderr, "nonsense") {
		t.Errorf("text that is no key is refused and not repeated:\n%s", r.text())
	}
}
