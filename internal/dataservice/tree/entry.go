package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// ErrInvalid: bytes are not an archive as Writer makes it.
var ErrInvalid = errors.New("not a valid shard of a tree")

// Kind is what an entry is. The words are those of catalogues.
type Kind string

// The kinds of entries.
const (
	File      Kind = "file"
	Directory Kind = "directory"
	Symlink   Kind = "symlink"
	Hardlink  Kind = "hardlink" // another name of a file that comes earlier in walk order, in this shard or an earlier one
)

// ModeBits are the bits of a mode that entries carry: permissions, set-user-ID, set-group-ID and sticky.
const ModeBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// Entry is one thing in a tree.
type Entry struct {
	Path     string // relative, in the file system's own bytes; Root for the tree's directory
	Kind     Kind
	Mode     fs.FileMode // ModeBits only; none of symbolic links and hard links
	Size     int64       // bytes of a file
	ModTime  time.Time   // to the nanosecond; none of hard links
	Link     string      // what a symbolic link says, or the path of a hard link's file
	UID, GID int         // none of hard links
}

const (
	tarSetuid = 0o4000
	tarSetgid = 0o2000
	tarSticky = 0o1000
)

// header makes the archive's form of an entry.
func (e *Entry) header() (*tar.Header, error) {
	h := &tar.Header{Format: tar.FormatPAX, Name: e.Path, Mode: tarMode(e.Mode), ModTime: e.ModTime, Uid: e.UID, Gid: e.GID}
	switch e.Kind {
	case File:
		h.Typeflag, h.Size = tar.TypeReg, e.Size
	case Directory:
		h.Typeflag, h.Name = tar.TypeDir, e.Path+"/"
	case Symlink:
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, e.Link, 0o777
	case Hardlink:
		h.Typeflag, h.Linkname = tar.TypeLink, e.Link
	default:
		return nil, fmt.Errorf("%w: kind %q", ErrInvalid, e.Kind)
	}
	return h, nil
}

// entryOf reads the archive's form of an entry and refuses what no Writer writes.
func entryOf(h *tar.Header) (Entry, error) {
	e := Entry{Path: h.Name, Mode: modeOf(h.Mode), ModTime: h.ModTime, UID: h.Uid, GID: h.Gid}
	switch h.Typeflag {
	case tar.TypeReg:
		e.Kind, e.Size = File, h.Size
	case tar.TypeDir:
		e.Kind, e.Path = Directory, strings.TrimSuffix(h.Name, "/")
	case tar.TypeSymlink:
		e.Kind, e.Link, e.Mode = Symlink, h.Linkname, 0
		if e.Link == "" {
			return e, fmt.Errorf("%w: a symbolic link leads nowhere", ErrInvalid)
		}
	case tar.TypeLink:
		e = Entry{Kind: Hardlink, Path: h.Name, Link: h.Linkname}
		if err := checkPath(e.Link); err != nil {
			return e, err
		}
	default:
		return e, fmt.Errorf("%w: an entry of type %q", ErrInvalid, h.Typeflag)
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return e, fmt.Errorf("%w: a sparse entry", ErrInvalid)
		}
	}
	if e.Kind != File && h.Size != 0 {
		return e, fmt.Errorf("%w: a %s with content", ErrInvalid, e.Kind)
	}
	return e, checkPath(e.Path)
}

func tarMode(m fs.FileMode) int64 {
	mode := int64(m.Perm())
	for _, bit := range []struct {
		mode fs.FileMode
		tar  int64
	}{{fs.ModeSetuid, tarSetuid}, {fs.ModeSetgid, tarSetgid}, {fs.ModeSticky, tarSticky}} {
		if m&bit.mode != 0 {
			mode |= bit.tar
		}
	}
	return mode
}

func modeOf(t int64) fs.FileMode {
	m := fs.FileMode(t) & fs.ModePerm
	if t&tarSetuid != 0 {
		m |= fs.ModeSetuid
	}
	if t&tarSetgid != 0 {
		m |= fs.ModeSetgid
	}
	if t&tarSticky != 0 {
		m |= fs.ModeSticky
	}
	return m
}

// order remembers the last path and refuses one that does not come after it.
type order struct{ last string }

func (o *order) next(path string) error {
	if o.last != "" && Compare(o.last, path) >= 0 {
		return fmt.Errorf("%w: %q stands after %q", ErrInvalid, ID(path), ID(o.last))
	}
	o.last = path
	return nil
}
