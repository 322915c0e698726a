package app

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/secret"
)

// tokenBytes is the entropy of a token.
const tokenBytes = 32

// tokenFrom reads the token of the API from a file that only its owner can read, or makes one.
func tokenFrom(path string) (secret.Value, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeToken(path); err != nil {
			return secret.Value{}, fmt.Errorf("make the token of the API: %w", err)
		}
		info, err = os.Stat(path)
	}
	if err != nil {
		return secret.Value{}, fmt.Errorf("read the token of the API: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return secret.Value{}, fault.New(fault.Denied, "token.mode", "the token file %s can be read by others (mode %04o)", path, info.Mode().Perm()).WithHint("run: chmod 600 %s", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return secret.Value{}, fmt.Errorf("read the token of the API: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < 20 {
		return secret.Value{}, fault.New(fault.Permanent, "token.weak", "the token in %s is too short", path).WithHint("delete the file: another one is made at the next start")
	}
	return secret.NewValue(token), nil
}

// makeToken writes a new token beside its final name and links it into place, so that nobody reads half of one.
func makeToken(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	raw := make([]byte, tokenBytes)
	_, _ = rand.Read(raw) // never fails
	f, err := os.CreateTemp(filepath.Dir(path), ".token-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(base64.RawURLEncoding.EncodeToString(raw) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
