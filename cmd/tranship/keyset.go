package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tranship/tranship/internal/bus/identity"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/keyfile"
)

// keyset is a directory of key files. What a file is for follows from its name.
type keyset struct{ dir string }

// The names of files within a directory of keys.
func locationKeyFile(location string) string   { return location + ".key" }
func writerKeyFile(location string) string     { return location + ".writer.key" }
func maskingKeyFile(name string, n int) string { return fmt.Sprintf("%s-%d.key", name, n) }
func signingKeyFile(role string) string        { return role + ".signing.key" }

// keyEntry is one key as it may be shown.
type keyEntry struct {
	File    string       `json:"file"`
	Kind    keyfile.Kind `json:"kind"`
	ID      string       `json:"id"`
	Public  string       `json:"publicKey,omitempty"`
	Created bool         `json:"created,omitempty"` // by this call
}

// kindService is the kind of a key that a service connects to the bus with.
const kindService keyfile.Kind = "service key"

// open makes the directory, for its owner only.
func (k keyset) open() error {
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return failed(err, "making the directory for keys")
	}
	return nil
}

// location writes the key pair and the writer key of a location.
func (k keyset) location(name string) ([]keyEntry, error) {
	pair, err := k.ensure(locationKeyFile(name), keyfile.LocationPrivate, func() (keyfile.Key, error) { return keyfile.GenerateLocation() })
	if err != nil {
		return nil, err
	}
	writer, err := k.ensure(writerKeyFile(name), keyfile.Writer, func() (keyfile.Key, error) { return keyfile.GenerateWriter(), nil })
	if err != nil {
		return nil, err
	}
	return []keyEntry{pair, writer}, nil
}

// masking writes the key of an epoch.
func (k keyset) masking(name string, epoch int) (keyEntry, error) {
	return k.ensure(maskingKeyFile(name, epoch), keyfile.Masking, func() (keyfile.Key, error) { return keyfile.GenerateMasking(), nil })
}

// signer writes the signing key of a role.
func (k keyset) signer(role string) (keyEntry, error) {
	return k.ensure(signingKeyFile(role), keyfile.SigningPrivate, func() (keyfile.Key, error) { return keyfile.GenerateSigning(), nil })
}

// service writes the key that a service connects to the bus with.
func (k keyset) service(name string) (keyEntry, error) {
	_, err := identity.Load(k.dir, name)
	created := errors.Is(err, identity.ErrMissing)
	if err != nil && !created {
		return keyEntry{}, err
	}
	id, err := identity.LoadOrCreate(k.dir, name)
	if err != nil {
		return keyEntry{}, err
	}
	return serviceEntry(identity.Path(k.dir, name), id, created), nil
}

func serviceEntry(path string, id *identity.Identity, created bool) keyEntry {
	return keyEntry{File: path, Kind: kindService, ID: id.Service(), Public: id.PublicKey(), Created: created}
}

// ensure describes the key of a file, which it makes when there is none. A file with a key of another kind is a conflict;
// no file is ever overwritten.
func (k keyset) ensure(name string, kind keyfile.Kind, generate func() (keyfile.Key, error)) (keyEntry, error) {
	path := filepath.Join(k.dir, name)
	entry, err := describeKey(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		key, err := generate()
		if err != nil {
			return keyEntry{}, err
		}
		if err := keyfile.Write(path, key); err != nil {
			return keyEntry{}, fmt.Errorf("%s: %w", path, err)
		}
		entry, err := describeKey(path)
		entry.Created = true
		return entry, err
	case err != nil:
		return keyEntry{}, err
	case entry.Kind != kind:
		return keyEntry{}, fault.New(fault.Conflict, keyfile.CodeExists, "%s holds a %s where a %s belongs", path, entry.Kind, kind).
			WithHint("choose another name, or move the file away if nothing needs it any more")
	}
	return entry, nil
}

// maxKeyFile bounds what is read of a file that may be no key at all, in bytes.
const maxKeyFile = 64 << 10

// describeKey reads which key a file holds, whatever its kind. Nothing secret leaves it.
func describeKey(path string) (keyEntry, error) {
	info, err := os.Stat(path)
	if err != nil {
		return keyEntry{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxKeyFile {
		return keyEntry{}, fault.New(fault.Permanent, keyfile.CodeMalformed, "%s is no key file", path)
	}
	if service, ok := strings.CutSuffix(filepath.Base(path), ".nk"); ok {
		id, err := identity.Load(filepath.Dir(path), service)
		if err != nil {
			return keyEntry{}, err
		}
		return serviceEntry(path, id, false), nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return keyEntry{}, err
	}
	defer clear(text)
	d, err := keyfile.Describe(text)
	if err != nil {
		return keyEntry{}, fmt.Errorf("%s: %w", path, err)
	}
	return keyEntry{File: path, Kind: d.Kind, ID: d.ID, Public: d.Public}, nil
}

// exposed reports whether others than its owner can use a key's file.
func exposed(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&0o077 != 0
}
