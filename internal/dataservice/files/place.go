package files

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/dataservice/tree"
	"github.com/tranship/tranship/internal/fault"
)

// What stands in the sealed directory of a run.
const (
	treeDir  = "tree"  // the tree itself, moved away by publishing
	stateDir = "state" // a directory for each unit: see claims
	stageDir = "stage" // files that are not whole yet
)

// suffix comes between the name of a place and the run in the name of the sealed directory.
const suffix = ".tranship-"

// place is where a restore happens. Everything but the tree at its end is within sealed.
type place struct {
	path   string // at the end
	sealed string // until then
	run    string
}

// runs are the names of runs that are safe in a file name.
var runs = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*$`)

func openPlace(raw json.RawMessage, r dataservice.Restoring) (place, error) {
	c, err := decode(raw)
	if err != nil {
		return place{}, err
	}
	if len(c.Include)+len(c.Exclude) > 0 {
		return place{}, fault.New(fault.Permanent, "config.invalid", "include and exclude are of no use in a target: a capture is restored whole")
	}
	if !runs.MatchString(r.Run) {
		return place{}, fault.Wrap(fault.Permanent, errors.New("a restore needs the id of its run"))
	}
	if filepath.Dir(c.Path) == c.Path {
		return place{}, fault.New(fault.Permanent, "config.invalid", "path: the root of the file system cannot be restored")
	}
	return place{path: c.Path, sealed: c.Path + suffix + r.Run, run: r.Run}, nil
}

// open opens the sealed directory.
func (p place) open() (*os.Root, error) {
	if err := p.trusted(); err != nil {
		return nil, err
	}
	return os.OpenRoot(p.sealed)
}

// trusted refuses a sealed directory that somebody else put there.
func (p place) trusted() error {
	info, err := os.Lstat(p.sealed)
	if err != nil {
		return err
	}
	if uid, _ := ownerOf(info); !info.IsDir() || uid != os.Geteuid() {
		return fault.New(fault.Conflict, "target.foreign", "%s is not a directory of this user", p.sealed).
			WithHint("something else took the name of the sealed directory: remove it")
	}
	return nil
}

// free returns ErrTargetExists when anything stands at the place.
func (p place) free() error {
	switch _, err := os.Lstat(p.path); {
	case err == nil:
		return exists(p.path)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// create makes the sealed directory, closed to everybody but its owner.
func (p place) create() error {
	if err := p.free(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(p.path), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(p.sealed, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	root, err := p.open()
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Chmod(".", 0o700); err != nil {
		return err
	}
	for _, name := range []string{treeDir, stateDir, stageDir} {
		if err := root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return p.tidy()
}

// mark is the content of the marker: which directory a run published, so that publishing it again is known from somebody
// else's directory.
type mark struct {
	Device uint64      `json:"device"`
	Inode  uint64      `json:"inode"`
	Mode   fs.FileMode `json:"mode"` // that it is to have
}

func markOf(info fs.FileInfo) mark {
	id, _ := inodeOf(info)
	return mark{Device: id.device, Inode: id.number, Mode: info.Mode() & tree.ModeBits}
}

// marker is the file beside the place that holds the mark. It is of no use once the run is over, and is removed by the
// next restore to the same place.
func (p place) marker() string { return p.markerPrefix() + p.run }

func (p place) markerPrefix() string {
	return filepath.Join(filepath.Dir(p.path), "."+filepath.Base(p.path)+suffix)
}

func (p place) writeMark(m mark) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	partial := filepath.Join(p.sealed, "mark")
	if err := os.WriteFile(partial, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(partial, p.marker())
}

// published returns the mark when what stands at the place is what this run published.
func (p place) published() (m mark, ours bool, err error) {
	text, err := os.ReadFile(p.marker())
	if errors.Is(err, fs.ErrNotExist) {
		return m, false, nil
	}
	if err != nil {
		return m, false, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, false, fmt.Errorf("read %s: %w", p.marker(), err)
	}
	info, err := os.Lstat(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, false, nil
	}
	if err != nil {
		return m, false, err
	}
	now := markOf(info)
	return m, info.IsDir() && now.Device == m.Device && now.Inode == m.Inode, nil
}

// tidy removes the markers of earlier runs. Nothing stands at the place: what they published is gone.
func (p place) tidy() error {
	dir, prefix := filepath.Split(p.markerPrefix())
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		run, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		// A run that is still sealed may be publishing at this moment.
		if _, err := os.Lstat(p.path + suffix + run); errors.Is(err, fs.ErrNotExist) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// sealedRoot opens the sealed directory for work in it.
func (p place) sealedRoot() (*os.Root, error) {
	root, err := p.open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, vanishedRestore(err)
	}
	return root, err
}

// renameChecked renames a directory unless something stands at the new name. An empty directory that appears there between
// looking and renaming would be replaced; nothing else would.
func renameChecked(from, to string) error {
	switch _, err := os.Lstat(to); {
	case err == nil:
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrExist}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return os.Rename(from, to)
}

// failed completes an error of a restore: where, what was being done, and its class.
func (p place) failed(what string, err error) error {
	if err == nil {
		return nil
	}
	return classify(fmt.Errorf("%s: %s: %w", p.path, what, err))
}
