// Package file keeps objects as files below a directory: one file per object, the key is the path.
//
// A Put writes a temporary file beside the objects, syncs it and links it into place, so create-only is the file system's
// own promise (link(2) fails when the name exists), and syncs the directories, so that a completed Put survives a power
// cut. Several processes may share the directory, also over a network file system that keeps link(2) atomic.
package file

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/fault"
)

const (
	// incoming holds the files of unfinished Puts. No key can name it, because keys have no spaces.
	incoming = "unfinished puts"
	// abandoned is the age of an unfinished Put that no living process can still be writing.
	abandoned = 24 * time.Hour

	dirMode  = 0o700
	fileMode = 0o600
)

// Config says where the objects are.
type Config struct {
	// Path of the directory. It is created, readable by its owner only, when it does not exist.
	Path string `json:"path"`
}

// Store is a blob.Store in a directory. Use New, and Close when done.
type Store struct {
	// root confines every access to the directory: a symbolic link that leads out of it is refused.
	root *os.Root
}

var _ blob.Store = (*Store)(nil)

// New opens the directory and removes what Puts of dead processes left behind.
func New(c Config, clk clock.Clock) (*Store, error) {
	if c.Path == "" {
		return nil, fault.New(fault.Permanent, "config.missing", "path: must not be empty")
	}
	if err := os.MkdirAll(c.Path, dirMode); err != nil {
		return nil, fault.Wrap(classOf(err), fmt.Errorf("open object directory: %w", err))
	}
	root, err := os.OpenRoot(c.Path)
	if err != nil {
		return nil, fault.Wrap(classOf(err), fmt.Errorf("open object directory: %w", err))
	}
	s := &Store{root: root}
	if err := s.sweep(clk.Now()); err != nil {
		_ = root.Close()
		return nil, fault.Wrap(classOf(err), fmt.Errorf("open object directory %s: %w", c.Path, err))
	}
	return s, nil
}

// Close releases the directory. Calls that are still running fail.
func (s *Store) Close() error { return s.root.Close() }

// sweep removes abandoned temporary files.
func (s *Store) sweep(now time.Time) error {
	if err := s.root.MkdirAll(incoming, dirMode); err != nil {
		return err
	}
	entries, err := fs.ReadDir(s.root.FS(), incoming)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || now.Sub(info.ModTime()) < abandoned {
			continue // gone already, or maybe still being written
		}
		if err := s.root.Remove(path.Join(incoming, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Put implements blob.Store. It supports no locks.
func (s *Store) Put(ctx context.Context, k blob.Key, r io.ReadSeeker, o blob.PutOptions) error {
	if err := k.Validate(); err != nil {
		return err
	}
	if !o.RetainUntil.IsZero() {
		return blob.Unsupported(k, "retention")
	}
	size, err := blob.Rewind(r)
	if err != nil {
		return err
	}
	temp := path.Join(incoming, rand.Text())
	if err := s.write(ctx, temp, k, r, size, o.CRC32C); err != nil {
		return err
	}
	if err := s.publish(temp, k, o.IfNotExists); err != nil {
		_ = s.root.Remove(temp)
		if o.IfNotExists && errors.Is(err, fs.ErrExist) {
			return blob.Exists(k)
		}
		return opError("put", k, err)
	}
	return nil
}

// write makes temp a durable copy of r, or leaves nothing.
func (s *Store) write(ctx context.Context, temp string, k blob.Key, r io.Reader, size int64, sum *uint32) (err error) {
	f, err := s.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return opError("put", k, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = s.root.Remove(temp)
		}
	}()
	src := &source{ctx: ctx, r: r}
	dst := io.Writer(f)
	var crc hash.Hash32
	if sum != nil {
		crc = crc32.New(blob.Castagnoli)
		dst = io.MultiWriter(f, crc)
	}
	n, err := io.Copy(dst, src)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case src.err != nil:
		return fault.New(fault.Permanent, "blob.source", "put object %s: read its bytes: %w", k, src.err)
	case err != nil:
		return opError("put", k, err)
	case n != size:
		return fault.New(fault.Permanent, "blob.source", "put object %s: the reader gave %d bytes and had announced %d", k, n, size)
	case sum != nil && crc.Sum32() != *sum:
		return blob.Corrupt(k)
	}
	if err := f.Sync(); err != nil {
		return opError("put", k, err)
	}
	if err := f.Close(); err != nil {
		return opError("put", k, err)
	}
	return ctx.Err()
}

// source reads until ctx ends and remembers its own error, so that it is not taken for one of the file system.
type source struct {
	ctx context.Context //nolint:containedctx // the context of one Put
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// publish gives temp its name and makes that durable. On success temp is gone.
func (s *Store) publish(temp string, k blob.Key, createOnly bool) error {
	name, dir := string(k), path.Dir(string(k))
	for {
		if err := s.root.MkdirAll(dir, dirMode); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		var err error
		if createOnly {
			err = s.root.Link(temp, name)
		} else {
			err = s.root.Rename(temp, name)
		}
		if errors.Is(err, fs.ErrNotExist) {
			// A Delete may have removed the empty directory in between. If it was the temporary file that vanished,
			// the next look says so.
			if _, err := s.root.Lstat(temp); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		break
	}
	if err := s.syncUp(dir); err != nil {
		return err
	}
	if createOnly {
		// The object is in place; a temporary name that stays is swept later.
		_ = s.root.Remove(temp)
	}
	return nil
}

// syncUp syncs dir and all its parents up to the root: another process may have created any of them a moment ago without
// having synced it yet, and what we stored would vanish with it.
func (s *Store) syncUp(dir string) error {
	for {
		f, err := s.root.Open(dir)
		if err == nil {
			err = f.Sync()
			_ = f.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a Delete may have removed the directory meanwhile
			return err
		}
		if dir == "." {
			return nil
		}
		dir = path.Dir(dir)
	}
}

// Get implements blob.Store. It trusts the file system with the bytes.
func (s *Store) Get(ctx context.Context, k blob.Key, off, n int64) (io.ReadCloser, error) {
	if err := blob.ValidateRange(off, n); err != nil {
		return nil, err
	}
	info, err := s.Stat(ctx, k)
	if err != nil {
		return nil, err
	}
	if off > 0 && off >= info.Size {
		return nil, blob.OutOfRange(k, off)
	}
	f, err := s.root.Open(string(k))
	if err != nil {
		return nil, opError("get", k, err)
	}
	if n < 0 || n > info.Size-off {
		n = info.Size - off
	}
	return &reader{ctx: ctx, key: k, file: f, section: io.NewSectionReader(f, off, n), left: n}, nil
}

// reader is one Get. It ends with the context that opened it, as that of a remote store does.
type reader struct {
	ctx     context.Context //nolint:containedctx // the context of one Get, as in net/http's response body
	key     blob.Key
	file    *os.File
	section *io.SectionReader
	left    int64 // bytes that the object still owes
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.section.Read(p)
	r.left -= int64(n)
	switch {
	case err == io.EOF && r.left > 0:
		return n, opError("get", r.key, io.ErrUnexpectedEOF) // somebody truncated the file
	case err != nil && err != io.EOF:
		return n, opError("get", r.key, err)
	}
	return n, err
}

func (r *reader) Close() error { return r.file.Close() }

// Stat implements blob.Store.
func (s *Store) Stat(ctx context.Context, k blob.Key) (blob.Info, error) {
	if err := k.Validate(); err != nil {
		return blob.Info{}, err
	}
	if err := ctx.Err(); err != nil {
		return blob.Info{}, err
	}
	fi, err := s.root.Lstat(string(k))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return blob.Info{}, blob.NotFound(k)
	}
	if err != nil {
		return blob.Info{}, opError("stat", k, err)
	}
	if !fi.Mode().IsRegular() {
		return blob.Info{}, blob.NotFound(k)
	}
	return infoOf(k, fi), nil
}

func infoOf(k blob.Key, fi fs.FileInfo) blob.Info {
	return blob.Info{Key: k, Size: fi.Size(), Modified: fi.ModTime().UTC()}
}

// Delete implements blob.Store. It removes the directories that became empty as well.
func (s *Store) Delete(ctx context.Context, k blob.Key) error {
	// What is no object is not removed, an empty directory in particular.
	switch _, err := s.Stat(ctx, k); {
	case errors.Is(err, blob.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	switch err := s.root.Remove(string(k)); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return opError("delete", k, err)
	}
	dir := path.Dir(string(k))
	for ; dir != "."; dir = path.Dir(dir) {
		if s.root.Remove(dir) != nil {
			break // not empty
		}
	}
	if err := s.syncUp(dir); err != nil {
		return opError("delete", k, err)
	}
	return nil
}

func opError(op string, k blob.Key, err error) error {
	return &fault.Error{Class: classOf(err), Code: "blob.file", Hint: hintOf(err), Err: fmt.Errorf("%s object %s: %w", op, k, err)}
}

func classOf(err error) fault.Class {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fault.Denied
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, fs.ErrExist),
		errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.EXDEV):
		return fault.Permanent
	default:
		return fault.Transient
	}
}

func hintOf(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "free space on the file system that holds the location's directory"
	case errors.Is(err, fs.ErrPermission):
		return "the process needs read and write access to the location's directory"
	default:
		return ""
	}
}
