package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/tranship/tranship/internal/dataservice/tree"
)

// directories holds open the directory that is being read and those above it. It opens each by its name in the one above
// and never follows a symbolic link. It is not safe for concurrent use.
type directories struct {
	root *os.Root // not closed with the others
	open []level
}

type level struct {
	path string
	dir  *os.Root
}

// at returns the directory that an entry stands in, and the entry's name there. The directory stays open until another is
// asked for.
func (d *directories) at(entry string) (*os.Root, string, error) {
	if entry == tree.Root {
		return d.root, tree.Root, nil
	}
	parent, name := path.Split(entry)
	parent = strings.TrimSuffix(parent, "/")
	for len(d.open) > 0 && !within(parent, d.open[len(d.open)-1].path) {
		d.leave()
	}
	dir, below := d.root, parent
	if n := len(d.open); n > 0 {
		dir, below = d.open[n-1].dir, strings.TrimPrefix(strings.TrimPrefix(parent, d.open[n-1].path), "/")
	}
	if below == "" {
		return dir, name, nil
	}
	for part := range strings.SplitSeq(below, "/") {
		next, err := enter(dir, part)
		if err != nil {
			return nil, "", err
		}
		at := part
		if n := len(d.open); n > 0 {
			at = d.open[n-1].path + "/" + part
		}
		d.open = append(d.open, level{at, next})
		dir = next
	}
	return dir, name, nil
}

func (d *directories) leave() {
	last := len(d.open) - 1
	_ = d.open[last].dir.Close()
	d.open = d.open[:last]
}

func (d *directories) close() {
	for len(d.open) > 0 {
		d.leave()
	}
}

// within reports whether path is directory or below it.
func within(path, directory string) bool {
	return path == directory || strings.HasPrefix(path, directory+"/")
}

// enter opens a directory by its name in another one, unless the name is, or has just become, something else.
func enter(dir *os.Root, name string) (*os.Root, error) {
	seen, err := dir.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !seen.IsDir() {
		return nil, syscall.ENOTDIR
	}
	next, err := dir.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	opened, err := next.Stat(".")
	if err == nil && !os.SameFile(seen, opened) {
		err = errReplaced
	}
	if err != nil {
		_ = next.Close()
		return nil, err
	}
	return next, nil
}

// namesIn lists the names in a directory in the order of their bytes.
func namesIn(dir *os.Root) ([]string, error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// openFile opens a regular file for reading, unless its name is, or has just become, something else.
func openFile(dir *os.Root, name string) (*os.File, fs.FileInfo, error) {
	seen, err := dir.Lstat(name)
	if err != nil {
		return nil, nil, err
	}
	if !seen.Mode().IsRegular() {
		return nil, nil, errReplaced
	}
	// Without O_NONBLOCK, opening a pipe that took the name would wait for a writer.
	const flags = os.O_RDONLY | syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	f, err := dir.OpenFile(name, flags|noatime, 0)
	if noatime != 0 && errors.Is(err, fs.ErrPermission) {
		f, err = dir.OpenFile(name, flags, 0)
	}
	if err != nil {
		return nil, nil, err
	}
	opened, err := f.Stat()
	if err == nil && !os.SameFile(seen, opened) {
		err = errReplaced
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, fmt.Errorf("open: %w", err)
	}
	return f, opened, nil
}
