package file

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/tranship/tranship/internal/blob"
)

// List implements blob.Store. It holds the names of one directory per level at a time.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		if err := blob.ValidatePrefix(prefix); err != nil {
			yield(blob.Info{}, err)
			return
		}
		w := &walk{store: s, prefix: prefix, yield: yield}
		// Everything before the last "/" of the prefix is a directory that holds all results.
		dir := ""
		if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
			dir = prefix[:i+1]
		}
		w.directory(ctx, dir)
	}
}

// walk is one listing.
type walk struct {
	store  *Store
	prefix string
	yield  func(blob.Info, error) bool
}

// directory yields what is below dir, which is empty or ends with "/", and reports whether to go on.
func (w *walk) directory(ctx context.Context, dir string) bool {
	if err := ctx.Err(); err != nil {
		w.yield(blob.Info{}, err)
		return false
	}
	names, err := w.names(dir)
	if err != nil {
		w.yield(blob.Info{}, opError("list", blob.Key(dir), err))
		return false
	}
	for _, name := range names {
		full := dir + name
		if strings.HasSuffix(name, "/") {
			// Either may be the longer one: the prefix ends inside this directory's name, or below it.
			if !strings.HasPrefix(full, w.prefix) && !strings.HasPrefix(w.prefix, full) {
				continue
			}
			if !w.directory(ctx, full) {
				return false
			}
			continue
		}
		if !strings.HasPrefix(full, w.prefix) {
			continue
		}
		info, err := w.store.Stat(ctx, blob.Key(full))
		if errors.Is(err, blob.ErrNotFound) {
			continue // deleted since the directory was read
		}
		if !w.yield(info, err) || err != nil {
			return false
		}
	}
	return true
}

// names returns the objects and, with a "/" at their end, the directories in dir. Sorted with that "/", they lead to keys in
// byte order: "a-b" comes before "a/b", and "a/b" before "ab".
func (w *walk) names(dir string) ([]string, error) {
	entries, err := fs.ReadDir(w.store.root.FS(), path.Clean("./"+dir))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		switch {
		case blob.Key(e.Name()).Validate() != nil:
			// Not ours: unfinished Puts, or what somebody else put there.
		case e.IsDir():
			names = append(names, e.Name()+"/")
		case e.Type().IsRegular():
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}
