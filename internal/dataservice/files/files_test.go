package files

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zeebo/blake3"
	"golang.org/x/sys/unix"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/dataservice/drivertest"
)

// smallShard makes several units of a few small files.
const smallShard = 12 << 10

func TestConformance(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	hostile(t, source)
	drivertest.Run(t, specFor(smallShard), drivertest.Harness{
		Source: configFor(source),
		Target: func(t *testing.T) json.RawMessage { return configFor(filepath.Join(tempDir(t), "target")) },
		Occupy: func(t *testing.T, target json.RawMessage) {
			write(t, filepath.Join(pathOf(t, target), "precious"), "one")
		},
		Published: func(t *testing.T, target json.RawMessage) bool {
			_, err := os.Lstat(pathOf(t, target))
			return err == nil
		},
		State: func(t *testing.T, target json.RawMessage) string { return stateOf(t, filepath.Dir(pathOf(t, target))) },
		Measure: func(u dataservice.Unit, b []byte, key dataservice.MeasureKey) (dataservice.Measure, error) {
			w := dataservice.NewMeasuringWriter(io.Discard, u.Format, key, nil)
			if _, err := w.Write(b); err != nil {
				return dataservice.Measure{}, err
			}
			return w.Measure()
		},
		Refused: []json.RawMessage{
			json.RawMessage(`{"path": 1}`),
			json.RawMessage(`{"path": ""}`),
			json.RawMessage(`{"dsn": "x"}`),
		},
	})
}

// hostile fills a directory with everything that a file system allows and an archive may get wrong.
func hostile(t *testing.T, root string) {
	t.Helper()
	long := strings.Repeat("long-", 45)
	for _, name := range []string{
		"plain", "with space", "new\nline", "tab\tbell\a", "percent%41", "100%", "%", `back\slash`, `"quotes"'`, "-dash", "..dots", "...",
		"latin\xe9", "\xff\xfe", "cut\xe2\x82", "ünïcode", "e\u0301", "\u2028", "*?[x]", "~", "#", " ", "trailing ",
		"a/x", "a-b/x", "a.b/x", "a/b/c/d/e/f", long, long + "/" + long + "/" + long,
	} {
		if name == long {
			name += "file"
		}
		write(t, filepath.Join(root, name), "content of "+name)
	}
	write(t, filepath.Join(root, "empty"), "")
	write(t, filepath.Join(root, "block"), strings.Repeat("b", 512))
	write(t, filepath.Join(root, "large"), strings.Repeat("0123456789abcdef", 5000))
	write(t, filepath.Join(root, "z/last"), "last")
	must(t, os.MkdirAll(filepath.Join(root, "nothing/in/it"), 0o755))
	for link, to := range map[string]string{
		"to-plain": "plain", "dangling": "no/such", "absolute": "/etc/passwd", "out": "../../..", "loop": "loop", "to-dir": "a", "bytes": "\xff\n",
		"long-link": strings.Repeat("x/", 1000),
	} {
		must(t, os.Symlink(to, filepath.Join(root, link)))
	}
	must(t, os.Link(filepath.Join(root, "a/x"), filepath.Join(root, "z/hard"))) // in another shard than its file
	must(t, os.Link(filepath.Join(root, "a/x"), filepath.Join(root, "a/y")))
	must(t, os.Link(filepath.Join(root, "latin\xe9"), filepath.Join(root, "z/hard\xe9")))

	for name, mode := range map[string]fs.FileMode{
		"plain": 0o600, "block": 0o444, "large": 0o755 | fs.ModeSetuid | fs.ModeSetgid, "empty": 0,
		"a": 0o500, "a/b": 0o700 | fs.ModeSticky, "nothing": 0o555,
	} {
		if mode == 0 && os.Geteuid() != 0 {
			mode = 0o400 // what its owner cannot read cannot be captured
		}
		must(t, os.Chmod(filepath.Join(root, name), mode))
		t.Cleanup(func() { _ = os.Chmod(filepath.Join(root, name), 0o700) })
	}
	for name, at := range map[string]time.Time{
		"plain": time.Unix(1, 1), "block": time.Unix(-1e9, 999_999_999), "large": time.Date(2077, 1, 1, 0, 0, 0, 123456789, time.UTC),
		"a/b": time.Unix(1e9, 5), "a": time.Unix(1e9, 6), "z": time.Unix(1e9, 0), ".": time.Unix(1e9, 7),
	} {
		must(t, os.Chtimes(filepath.Join(root, name), at, at))
	}
	times := []unix.Timespec{{Sec: 12, Nsec: 345}, {Sec: 12, Nsec: 345}}
	must(t, unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(root, "dangling"), times, unix.AT_SYMLINK_NOFOLLOW))
	if os.Geteuid() == 0 {
		must(t, os.Lchown(filepath.Join(root, "ünïcode"), 4321, 3_000_000))
		must(t, os.Lchown(filepath.Join(root, "out"), 17, 18))
		must(t, os.Lchown(filepath.Join(root, "nothing/in"), 19, 20))
	}
}

// tempDir is a folder that can be removed whatever modes its directories have got.
func tempDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() {
		root, err := os.OpenRoot(dir)
		must(t, err)
		defer root.Close()
		must(t, unlock(root, "."))
	})
	return dir
}

func write(t *testing.T, path, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(content), 0o644))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func configFor(path string) json.RawMessage {
	c, err := json.Marshal(config{Path: path})
	if err != nil {
		panic(err)
	}
	return c
}

func pathOf(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var c config
	must(t, json.Unmarshal(raw, &c))
	return c.Path
}

// stateOf describes everything in a directory without the driver's own means. Inodes tell hard links, and what was replaced
// by its equal. The directory itself is left out: its time tells of everything that comes and goes.
func stateOf(t *testing.T, root string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var s syscall.Stat_t
		if err := syscall.Lstat(path, &s); err != nil {
			return err
		}
		line := fmt.Sprintf("%q %v %d:%d ino %d mtime %d", path, d.Type(), s.Uid, s.Gid, s.Ino, info.ModTime().UnixNano())
		line += fmt.Sprintf(" %o", s.Mode)
		switch {
		case d.Type().IsRegular():
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %x", blake3.Sum256(b))
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" -> %q", to)
		}
		lines = append(lines, line)
		return nil
	})
	must(t, err)
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
