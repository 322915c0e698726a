package files

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/tranship/tranship/internal/dataservice/tree"
)

// later is an entry that a unit leaves for the end of the restore, a line of its done file: a directory, whose mode and time
// would be in the way or be lost while it is filled, or a hard link, whose file may be in another shard.
type later struct {
	Kind        tree.Kind   `json:"kind"`
	Path        string      `json:"path"` // as tree.ID writes it
	Mode        fs.FileMode `json:"mode,omitempty"`
	Seconds     int64       `json:"seconds,omitempty"`
	Nanoseconds int         `json:"nanoseconds,omitempty"`
	UID         int         `json:"uid,omitempty"`
	GID         int         `json:"gid,omitempty"`
	Link        string      `json:"link,omitempty"` // as tree.ID writes it
}

func laterOf(e tree.Entry) later {
	l := later{Kind: e.Kind, Path: tree.ID(e.Path), Mode: e.Mode, UID: e.UID, GID: e.GID, Link: tree.ID(e.Link)}
	if e.Kind == tree.Directory {
		l.Seconds, l.Nanoseconds = e.ModTime.Unix(), e.ModTime.Nanosecond()
	}
	return l
}

func (l later) modTime() time.Time { return time.Unix(l.Seconds, int64(l.Nanoseconds)) }

// inTree is where an entry of a tree stands in the sealed directory.
func inTree(p string) string { return path.Join(treeDir, p) }

// laters writes a done file.
type laters struct {
	file *os.File
	out  *bufio.Writer
	json *json.Encoder
}

func newLaters(root *os.Root, name string) (*laters, error) {
	f, err := root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	out := bufio.NewWriter(f)
	return &laters{file: f, out: out, json: json.NewEncoder(out)}, nil
}

func (l *laters) add(e tree.Entry) error { return l.json.Encode(laterOf(e)) }

func (l *laters) close() error {
	return errors.Join(l.out.Flush(), l.file.Close())
}

// readLaters reads the done file of a unit.
func readLaters(root *os.Root, unit string) ([]later, error) {
	f, err := root.Open(path.Join(stateDir, unit, doneFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []later
	for dec := json.NewDecoder(bufio.NewReader(f)); ; {
		var l later
		err := dec.Decode(&l)
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read what unit %s left for later: %w", unit, err)
		}
		list = append(list, l)
	}
}
