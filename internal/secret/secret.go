// Package secret resolves references to secrets on the worker that needs them.
//
// A reference can name little: a file below one directory, an environment variable with one prefix, or a key of a Secret in
// the worker's own namespace. Whoever may write resources can therefore not read the rest of a worker's disk, environment or
// cluster through them.
package secret

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/fault"
)

// The codes of faults.
const (
	CodeMissing     = "secret.missing"     // there is no such secret on this worker
	CodeEmpty       = "secret.empty"       // it is there and holds nothing
	CodeExposed     = "secret.exposed"     // others on the machine can read its file
	CodeInvalid     = "secret.invalid"     // the reference names something that it may not
	CodeUnsupported = "secret.unsupported" // the worker cannot resolve this kind of reference
)

// maxSize bounds a secret's file in bytes.
const maxSize = 1 << 20

// Config says where secrets may come from.
type Config struct {
	Dir       string // directory of fromFile; no file can be referred to when empty
	Namespace string // namespace of fromSecret
}

// Deps are what a Resolver reads from besides the disk.
type Deps struct {
	LookupEnv func(name string) (string, bool) // os.LookupEnv when nil
}

// Resolver resolves references. It keeps nothing: a rotated secret is seen by the next call. It is safe for concurrent use.
type Resolver struct {
	config Config
	env    func(string) (string, bool)
}

// New returns a resolver.
func New(c Config, d Deps) *Resolver {
	if d.LookupEnv == nil {
		d.LookupEnv = os.LookupEnv
	}
	return &Resolver{config: c, env: d.LookupEnv}
}

// Resolve returns the secret that ref names, without one newline at its end. owner names in errors what the secret is for,
// such as "component db of application shop". Errors are permanent faults with one of this package's codes, or transient
// ones of reading a file; none holds a secret.
func (r *Resolver) Resolve(ctx context.Context, owner string, ref api.SecretRef) (Value, error) {
	if err := ctx.Err(); err != nil {
		return Value{}, err
	}
	if errs := ref.Validate(); len(errs) > 0 {
		return Value{}, fault.New(fault.Permanent, CodeInvalid, "secret of %s: %w", owner, errs)
	}
	var text string
	var err error
	switch {
	case ref.FromFile != "":
		text, err = r.file(ref.FromFile)
	case ref.FromEnv != "":
		text, err = r.variable(ref.FromEnv)
	default:
		err = fault.New(fault.Permanent, CodeUnsupported, "this worker reaches no Kubernetes cluster to read Secrets of namespace %q from", r.config.Namespace).
			WithHint("use fromFile or fromEnv, or run the worker in a cluster")
	}
	if err == nil {
		text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
		if text == "" {
			err = fault.New(fault.Permanent, CodeEmpty, "it is empty")
		}
	}
	if err != nil {
		return Value{}, fmt.Errorf("secret of %s (%s): %w", owner, ref, err)
	}
	return NewValue(text), nil
}

func (r *Resolver) variable(name string) (string, error) {
	text, ok := r.env(name)
	if !ok {
		return "", fault.New(fault.Permanent, CodeMissing, "the environment variable is not set").
			WithHint("set %s for the worker that needs it", name)
	}
	return text, nil
}

// file reads a file below the directory. os.Root keeps symbolic links, which Kubernetes mounts consist of, from leaving it.
func (r *Resolver) file(name string) (string, error) {
	if r.config.Dir == "" {
		return "", fault.New(fault.Permanent, CodeMissing, "this worker has no secrets directory").
			WithHint("start it with --secrets-dir")
	}
	root, err := os.OpenRoot(r.config.Dir)
	if err != nil {
		return "", openFault(err, "the secrets directory does not exist", "create the directory that --secrets-dir names")
	}
	defer func() { _ = root.Close() }() // nothing was written
	info, err := root.Stat(name)
	if err != nil {
		return "", openFault(err, "the file does not exist below the secrets directory", "put it there, readable by the worker only")
	}
	if err := checkFile(name, info); err != nil {
		return "", err
	}
	f, err := root.Open(name)
	if err != nil {
		return "", openFault(err, "the file does not exist below the secrets directory", "put it there, readable by the worker only")
	}
	defer func() { _ = f.Close() }() // nothing was written
	// What was looked at by name may have been replaced since.
	if info, err = f.Stat(); err != nil {
		return "", fmt.Errorf("reading it: %w", err)
	}
	if err := checkFile(name, info); err != nil {
		return "", err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return "", fmt.Errorf("reading it: %w", err)
	}
	if len(data) > maxSize {
		return "", fault.New(fault.Permanent, CodeInvalid, "the file is larger than %d bytes", maxSize)
	}
	return string(data), nil
}

// openFault classifies an error of opening a file or directory.
func openFault(err error, missing, hint string) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.Permanent, CodeMissing, "%s", missing).WithHint("%s", hint)
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, CodeMissing, "the worker may not read it: %w", err)
	}
	return fault.New(fault.Permanent, CodeInvalid, "the file cannot be opened: %w", err)
}

// checkFile wants a regular file that nobody but its owner can read. It is asked before the file is opened, too: opening a
// named pipe would wait for its writer.
func checkFile(name string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fault.New(fault.Permanent, CodeInvalid, "it is no regular file")
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fault.New(fault.Permanent, CodeExposed, "the file can be used by others than its owner (mode %04o)", mode).
			WithHint("chmod 600 %s", name)
	}
	return nil
}
