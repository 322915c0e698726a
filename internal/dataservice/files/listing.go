package files

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/dataservice/tree"
)

// listing is what a walk of a tree found, in walk order.
type listing struct {
	entries []entry
	gaps    []dataservice.Gap
	// first has, for each file that has several names in the tree, the inode under its first name.
	first map[string]inode
}

// entry is one thing that a walk found.
type entry struct {
	path string
	kind tree.Kind
	size int64
	link string // of a hard link: the first name of its file
}

// other is the kind of what is neither file, directory nor link.
const other tree.Kind = "other"

// list walks a tree. What vanishes under the walk is not part of it.
func list(ctx context.Context, root *os.Root, p pattern) (*listing, error) {
	w := &walk{pattern: p, names: map[inode]string{}, listing: &listing{first: map[string]inode{}}}
	info, err := root.Stat(tree.Root)
	if err != nil {
		return nil, err
	}
	w.take(tree.Root, info)
	if err := w.below(ctx, root, "", false); err != nil {
		return nil, err
	}
	return w.listing, nil
}

// walk is a walk under way.
type walk struct {
	*listing
	pattern pattern
	names   map[inode]string // first names of files with several names
	// pending are the directories above the present one that are not taken unless something in them is.
	pending []entry
}

// below walks the entries of a directory. all says that the directory was included by its name, and so is everything in it.
func (w *walk) below(ctx context.Context, dir *os.Root, at string, all bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	names, err := namesIn(dir)
	if err != nil {
		return fmt.Errorf("list %q: %w", at, err)
	}
	for _, name := range names {
		p := path.Join(at, name)
		info, err := dir.Lstat(name)
		if gone(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look at %q: %w", p, err)
		}
		if err := w.meet(ctx, dir, name, p, info, all); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) meet(ctx context.Context, dir *os.Root, name, p string, info fs.FileInfo, all bool) error {
	id := tree.ID(p)
	if w.pattern.excludes(id) {
		return nil
	}
	all = all || w.pattern.includes(id)
	if all {
		w.entries = append(w.entries, w.pending...)
		w.pending = w.pending[:0]
		w.take(p, info)
	}
	if !info.IsDir() {
		return nil
	}
	next, err := enter(dir, name)
	if gone(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open %q: %w", p, err)
	}
	defer next.Close()
	if all {
		return w.below(ctx, next, p, all)
	}
	w.pending = append(w.pending, entry{path: p, kind: tree.Directory})
	err = w.below(ctx, next, p, false)
	if n := len(w.pending); n > 0 && w.pending[n-1].path == p {
		w.pending = w.pending[:n-1]
	}
	return err
}

// take adds an entry, or a gap where the driver does not know how to carry it.
func (w *walk) take(p string, info fs.FileInfo) {
	e := entry{path: p, kind: kindOf(info)}
	switch e.kind {
	case other:
		w.gaps = append(w.gaps, dataservice.Gap{Object: tree.ID(p), Code: dataservice.GapUnsupported, Reason: "is " + wordFor(info.Mode())})
		return
	case tree.File:
		e.size = info.Size()
		if id, names := inodeOf(info); names > 1 {
			if first, known := w.names[id]; known {
				e.kind, e.link, e.size = tree.Hardlink, first, 0
				w.first[first] = id
			} else {
				w.names[id] = p
			}
		}
	}
	w.entries = append(w.entries, e)
}

func kindOf(info fs.FileInfo) tree.Kind {
	switch info.Mode().Type() {
	case 0:
		return tree.File
	case fs.ModeDir:
		return tree.Directory
	case fs.ModeSymlink:
		return tree.Symlink
	}
	return other
}

func wordFor(m fs.FileMode) string {
	switch {
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "neither a file, a directory nor a link"
}

// objects describes the entries in a catalogue.
func (l *listing) objects() []dataservice.Object {
	objects := make([]dataservice.Object, len(l.entries))
	for i := range l.entries {
		e := &l.entries[i]
		id := tree.ID(e.path)
		objects[i] = dataservice.Object{ID: id, Name: path.Base(id), Kind: string(e.kind), Bytes: e.size}
	}
	return objects
}

// archiveBytes estimates what an entry takes in an archive.
func (e *entry) archiveBytes() int64 {
	const headers = 3 * 512 // times and long names are a header of their own
	return headers + (e.size+511)&^511
}
