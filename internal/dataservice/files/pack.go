package files

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/dataservice/tree"
)

// bufferBytes is how much of a file is read at once, and how much of small entries is collected before it is passed on.
const bufferBytes = 256 << 10

// attempts is how often a file that is replaced just as it is opened is opened again.
const attempts = 3

// pack writes entries of a listing as an archive.
func pack(ctx context.Context, root *os.Root, l *listing, entries []entry, w dataservice.StreamWriter) ([]dataservice.Gap, error) {
	out := bufio.NewWriterSize(w, bufferBytes)
	p := &packing{listing: l, dirs: directories{root: root}, archive: tree.NewWriter(out), buffer: make([]byte, bufferBytes)}
	defer p.dirs.close()
	for i := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e := &entries[i]
		written, err := p.entry(ctx, e)
		switch {
		case errors.Is(err, errVanished):
			p.gap(e, dataservice.GapVanished, "is gone, or another kind of thing, since the tree was walked")
		case err != nil:
			return nil, fmt.Errorf("%q: %w", e.path, err)
		case written:
			w.AddRows(1)
		}
	}
	if err := p.archive.Close(); err != nil {
		return nil, err
	}
	return p.gaps, out.Flush()
}

type packing struct {
	listing *listing
	dirs    directories
	archive *tree.Writer
	buffer  []byte
	gaps    []dataservice.Gap
}

func (p *packing) gap(e *entry, code, reason string) {
	p.gaps = append(p.gaps, dataservice.Gap{Object: tree.ID(e.path), Code: code, Reason: reason})
}

// errVanished: an entry of the listing is not there any more. Nothing of it was written. It stands apart from what the
// file system says, as the errors of writing may be those of another file system.
var errVanished = errors.New("vanished")

func vanished(err error) error {
	if gone(err) {
		return errVanished
	}
	return err
}

// entry writes one entry.
func (p *packing) entry(ctx context.Context, e *entry) (written bool, err error) {
	dir, name, err := p.dirs.at(e.path)
	if err != nil {
		return false, vanished(err)
	}
	switch e.kind {
	case tree.File:
		err = p.file(ctx, e, dir, name)
	case tree.Hardlink:
		err = p.hardlink(ctx, e, dir, name)
	default:
		err = p.plain(e, dir, name)
	}
	return err == nil, err
}

// plain writes a directory or a symbolic link.
func (p *packing) plain(e *entry, dir *os.Root, name string) error {
	info, err := dir.Lstat(name)
	if err != nil {
		return vanished(err)
	}
	if kindOf(info) != e.kind {
		return errVanished
	}
	out := attributes(e.path, info)
	if e.kind == tree.Symlink {
		if out.Link, err = dir.Readlink(name); err != nil {
			if now, look := dir.Lstat(name); look != nil || kindOf(now) != e.kind {
				return errVanished
			}
			return err
		}
	}
	return p.archive.Add(out)
}

// hardlink writes another name of a file, as long as it is one.
func (p *packing) hardlink(ctx context.Context, e *entry, dir *os.Root, name string) error {
	info, err := dir.Lstat(name)
	if err != nil {
		return vanished(err)
	}
	file := p.listing.first[e.link]
	if id, _ := inodeOf(info); id == file {
		// The first name is looked up from the root: the directories that are open lead elsewhere.
		if first, err := p.dirs.root.Lstat(e.link); err == nil {
			if id, _ := inodeOf(first); id == file {
				return p.archive.Add(tree.Entry{Path: e.path, Kind: tree.Hardlink, Link: e.link})
			}
		}
	}
	if err := p.file(ctx, e, dir, name); err != nil {
		return err
	}
	p.gap(e, dataservice.GapChanged, "is not a hard link any more, and is captured as a file")
	return nil
}

func (p *packing) file(ctx context.Context, e *entry, dir *os.Root, name string) error {
	f, info, err := openFile(dir, name)
	for again := 1; errors.Is(err, errReplaced) && again < attempts; again++ {
		f, info, err = openFile(dir, name)
	}
	if err != nil {
		return vanished(err)
	}
	defer f.Close()
	if planned, linked := p.listing.first[e.path]; linked {
		if id, _ := inodeOf(info); id != planned {
			p.gap(e, dataservice.GapChanged, "was replaced since the tree was walked; hard links to it may be, too")
		}
	}
	out := attributes(e.path, info)
	if err := p.archive.Add(out); err != nil {
		return err
	}
	return p.content(ctx, e, f, info)
}

// content writes as many bytes as the file had when it was opened, and reports when that was not all or not one state.
func (p *packing) content(ctx context.Context, e *entry, f *os.File, opened fs.FileInfo) error {
	left := opened.Size()
	for left > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.Read(p.buffer[:min(left, int64(len(p.buffer)))])
		if n > 0 {
			if _, err := p.archive.Write(p.buffer[:n]); err != nil {
				return err
			}
			left -= int64(n)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if left > 0 {
		p.gap(e, dataservice.GapChanged, "became shorter while it was read, and is filled with zeros")
		return p.zeros(ctx, left)
	}
	now, err := f.Stat()
	if err != nil {
		return err
	}
	if now.Size() != opened.Size() || !now.ModTime().Equal(opened.ModTime()) {
		p.gap(e, dataservice.GapChanged, "was written while it was read, and is cut to the size it had")
	}
	return nil
}

func (p *packing) zeros(ctx context.Context, n int64) error {
	clear(p.buffer)
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		k := min(n, int64(len(p.buffer)))
		if _, err := p.archive.Write(p.buffer[:k]); err != nil {
			return err
		}
		n -= k
	}
	return nil
}

// attributes makes an entry of what the file system says.
func attributes(path string, info fs.FileInfo) tree.Entry {
	e := tree.Entry{Path: path, Kind: kindOf(info), ModTime: info.ModTime()}
	e.UID, e.GID = ownerOf(info)
	switch e.Kind {
	case tree.Symlink:
	case tree.File:
		e.Size = info.Size()
		fallthrough
	default:
		e.Mode = info.Mode() & tree.ModeBits
	}
	return e
}
