package files

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/dataservice/tree"
	"github.com/tranship/tranship/internal/fault"
)

func marshal(t *testing.T, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	return b
}

func (c *captured) open(_ context.Context, u dataservice.Captured) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(c.streams[u.Unit.ID])), nil
}

// restore is a run with one target.
type restore struct {
	path  string
	fence uint64
}

func (r restore) as() dataservice.Restoring {
	return dataservice.Restoring{Run: "run-1", Fence: r.fence, Workers: 2}
}

func (r restore) sealed() string { return r.path + ".tranship-run-1" }

func (r restore) target(t *testing.T) dataservice.Target {
	t.Helper()
	target, err := openTarget(t.Context(), configFor(r.path), r.as(), dataservice.Deps{})
	must(t, err)
	return target
}

func (r restore) sandbox(t *testing.T) dataservice.Sandbox {
	t.Helper()
	s, err := openSandbox(t.Context(), configFor(r.path), r.as(), dataservice.Deps{})
	must(t, err)
	return s
}

// fill restores everything, with the units from last to first.
func (r restore) fill(t *testing.T, c *captured) {
	t.Helper()
	target := r.target(t)
	must(t, target.Prepare(t.Context(), c.Component, c.open))
	for i := len(c.Units) - 1; i >= 0; i-- {
		if _, err := target.Restore(t.Context(), c.Units[i], c.open); err != nil {
			t.Fatal(err)
		}
	}
	must(t, target.Finish(t.Context(), c.Component, c.open))
}

func (r restore) equal(t *testing.T, c *captured) {
	t.Helper()
	findings, err := r.sandbox(t).Inspect(t.Context(), c.Component, measureKey)
	must(t, err)
	for _, d := range dataservice.Compare(c.Component, findings) {
		t.Errorf("the restored tree differs: %s", d)
	}
}

// restored restores a capture, compares and publishes it, and returns where it is.
func restored(t *testing.T, c *captured) string {
	t.Helper()
	r := restore{path: filepath.Join(tempDir(t), "target"), fence: 1}
	r.fill(t, c)
	r.equal(t, c)
	must(t, r.sandbox(t).Publish(t.Context(), c.Component))
	return r.path
}

var inodes = regexp.MustCompile(` ino \d+`)

func TestAPublishedTreeIsItsSource(t *testing.T) {
	root := filepath.Join(t.TempDir(), "source")
	hostile(t, root)
	var before os.FileInfo
	before, err := os.Stat(root)
	must(t, err)
	source, plan := open(t, config{Path: root}, smallShard)
	published := restored(t, capture(t, source, plan, nil))
	seen := func(root string) string {
		return inodes.ReplaceAllString(strings.ReplaceAll(stateOf(t, root), fmt.Sprintf("%q", root+"/")[:len(root)+2], "\""), "")
	}
	want, got := strings.Split(seen(root), "\n"), strings.Split(seen(published), "\n")
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			t.Errorf("got  %.300s\nwant %.300s", got[i], want[i])
		}
	}
	if len(want) != len(got) || len(want) < 50 {
		t.Errorf("%d entries, want %d", len(got), len(want))
	}
	after, err := os.Stat(published)
	must(t, err)
	if before.Mode() != after.Mode() || !before.ModTime().Equal(after.ModTime()) {
		t.Errorf("the directory has %v %v, want %v %v", after.Mode(), after.ModTime(), before.Mode(), before.ModTime())
	}
	same := func(a, b string) {
		t.Helper()
		x, err := os.Lstat(filepath.Join(published, a))
		must(t, err)
		y, err := os.Lstat(filepath.Join(published, b))
		must(t, err)
		if !os.SameFile(x, y) {
			t.Errorf("%s and %q are not the same file", a, b)
		}
	}
	same("a/x", "z/hard")
	same("a/x", "a/y")
	same("latin\xe9", "z/hard\xe9")
}

func TestASealedTreeIsClosedToOthers(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "f"), "x")
	source, plan := open(t, config{Path: root}, shardBytes)
	r := restore{path: filepath.Join(tempDir(t), "target"), fence: 1}
	r.fill(t, capture(t, source, plan, nil))
	info, err := os.Lstat(r.sealed())
	must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the sealed directory has mode %v", info.Mode())
	}
}

// foreign makes a capture of archives that no source of ours writes.
func foreign(t *testing.T, shards ...[]tar.Header) *captured {
	t.Helper()
	c := &captured{streams: map[string][]byte{}}
	for i, headers := range shards {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range headers {
			h.Mode, h.Format = 0o644, tar.FormatPAX
			must(t, w.WriteHeader(&h))
			_, err := w.Write(bytes.Repeat([]byte("!"), int(h.Size)))
			must(t, err)
		}
		must(t, w.Close())
		u := dataservice.Unit{ID: fmt.Sprintf("shard-%04d", i+1), Kind: kindShard, Format: dataservice.Tree}
		c.streams[u.ID] = b.Bytes()
		c.Units = append(c.Units, dataservice.Captured{Unit: u})
	}
	return c
}

func TestNothingIsWrittenOutsideOfTheTree(t *testing.T) {
	file := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: 3} }
	dir := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeDir, Name: name} }
	symlink := func(name, to string) tar.Header {
		return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
	}
	hardlink := func(name, to string) tar.Header {
		return tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: to}
	}
	type shard = []tar.Header
	for name, shards := range map[string][]shard{
		"above":                             {{file("../victim")}},
		"absolute":                          {{file("/tmp/victim")}},
		"below a link":                      {{symlink("a", ".."), file("a/victim")}},
		"below a link to the outside":       {{symlink("a", "../../outside"), file("a/victim")}},
		"below a link of another shard":     {{symlink("a", "../../outside")}, {file("a/victim")}},
		"below a link to a directory":       {{dir("b"), file("b/x"), symlink("c", "b"), file("c/victim")}},
		"below a link to the state":         {{symlink("a", "../state")}, {file("a/shard-0009")}},
		"directory in place of a link":      {{symlink("a", "../../outside")}, {dir("a"), file("a/victim")}},
		"hard link to the outside":          {{hardlink("a", "../../outside/victim")}},
		"hard link through a symbolic link": {{symlink("a", "../../outside")}, {hardlink("b", "a/victim")}},
		"hard link to a symbolic link":      {{symlink("a", "../../outside/victim")}, {hardlink("b", "a")}},
		"hard link to a directory":          {{dir("a")}, {hardlink("b", "a")}},
		"hard link over a file":             {{file("a"), file("b")}, {hardlink("b", "a")}},
		"file over a directory":             {{file("a/b")}, {file("a")}},
		"below a file":                      {{file("a")}, {file("a/b")}},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			beside := t.TempDir()
			write(t, filepath.Join(beside, "outside/victim"), "precious")
			write(t, filepath.Join(beside, "victim"), "precious")
			before := stateOf(t, beside)
			c := foreign(t, shards...)
			r := restore{path: filepath.Join(beside, "target"), fence: 1}
			target := r.target(t)
			must(t, target.Prepare(t.Context(), c.Component, c.open))
			var err error
			for _, u := range c.Units {
				if err == nil {
					_, err = target.Restore(t.Context(), u, c.open)
				}
			}
			if err == nil {
				err = target.Finish(t.Context(), c.Component, c.open)
			}
			if err == nil {
				t.Error("the archive is restored")
			}
			must(t, r.sandbox(t).Discard(t.Context()))
			if after := stateOf(t, beside); after != before {
				t.Errorf("outside of the tree there is now\n%s\nbefore\n%s", after, before)
			}
		})
	}
}

func TestFinishGoesOnWhereItWasKilled(t *testing.T) {
	root := filepath.Join(t.TempDir(), "source")
	hostile(t, root)
	source, plan := open(t, config{Path: root}, smallShard)
	c := capture(t, source, plan, nil)
	r := restore{path: filepath.Join(tempDir(t), "target"), fence: 1}
	for after := 1; ; after++ {
		ctx := &dying{Context: t.Context(), left: after}
		target := r.target(t)
		if after == 1 {
			must(t, target.Prepare(t.Context(), c.Component, c.open))
			for _, u := range c.Units {
				_, err := target.Restore(t.Context(), u, c.open)
				must(t, err)
			}
		}
		err := target.Finish(ctx, c.Component, c.open)
		r.fence++
		if err == nil {
			if after < 5 {
				t.Fatalf("finish asked only %d times whether it is to go on", after)
			}
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if err := r.sandbox(t).Publish(t.Context(), c.Component); !fault.Is(err, fault.Conflict) {
			t.Fatalf("publish of what is not finished: %v", err)
		}
	}
	r.equal(t, c)
}

// dying is a context that is canceled when it has been asked a number of times.
type dying struct {
	context.Context
	left int
}

func (d *dying) Err() error {
	if d.left--; d.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestFinishNeedsEveryUnit(t *testing.T) {
	c := foreign(t, []tar.Header{{Typeflag: tar.TypeReg, Name: "a"}}, []tar.Header{{Typeflag: tar.TypeReg, Name: "b"}})
	r := restore{path: filepath.Join(tempDir(t), "target"), fence: 1}
	target := r.target(t)
	must(t, target.Prepare(t.Context(), c.Component, c.open))
	_, err := target.Restore(t.Context(), c.Units[0], c.open)
	must(t, err)
	if err := target.Finish(t.Context(), c.Component, c.open); fault.CodeOf(err) != "restore.unfinished" {
		t.Errorf("finish without a unit: %v", err)
	}
}

func TestPublishGoesOnWhereItWasKilled(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "f"), "x")
	must(t, os.Chmod(root, 0o550))
	t.Cleanup(func() { _ = os.Chmod(root, 0o700) })
	source, plan := open(t, config{Path: root}, shardBytes)
	c := capture(t, source, plan, nil)
	for name, kill := range map[string]func(t *testing.T, r restore, p place, m mark){
		"before the rename": func(t *testing.T, r restore, p place, m mark) {},
		"after the rename": func(t *testing.T, r restore, p place, m mark) {
			must(t, os.Chmod(filepath.Join(r.sealed(), treeDir), 0o750))
			must(t, os.Rename(filepath.Join(r.sealed(), treeDir), r.path))
		},
		"before the end": func(t *testing.T, r restore, p place, m mark) {
			must(t, os.Chmod(filepath.Join(r.sealed(), treeDir), 0o750))
			must(t, os.Rename(filepath.Join(r.sealed(), treeDir), r.path))
			must(t, os.RemoveAll(filepath.Join(r.sealed(), stateDir)))
		},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			r := restore{path: filepath.Join(tempDir(t), "target"), fence: 1}
			r.fill(t, c)
			p, err := openPlace(configFor(r.path), r.as())
			must(t, err)
			info, err := os.Lstat(filepath.Join(r.sealed(), treeDir))
			must(t, err)
			must(t, p.writeMark(markOf(info)))
			kill(t, r, p, markOf(info))
			r.fence++
			for range 2 {
				must(t, r.sandbox(t).Publish(t.Context(), c.Component))
			}
			if info, err = os.Lstat(r.path); err != nil || info.Mode().Perm() != 0o550 {
				t.Errorf("published: %v, %v", info, err)
			}
			if _, err := os.Lstat(r.sealed()); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the sealed directory is still there: %v", err)
			}
		})
	}
}

func TestPublishDoesNotReplaceAnEmptyDirectory(t *testing.T) {
	for name, rename := range map[string]func(from, to string) error{"in one step": renameNew, "checked": renameChecked} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "from/f"), "x")
		must(t, os.Mkdir(filepath.Join(dir, "to"), 0o755))
		if err := rename(filepath.Join(dir, "from"), filepath.Join(dir, "to")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: rename over an empty directory: %v, want %v", name, err, fs.ErrExist)
		}
		must(t, rename(filepath.Join(dir, "from"), filepath.Join(dir, "new")))
	}
}

func TestAMarkerGoesWithTheNextRestore(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "f"), "x")
	source, plan := open(t, config{Path: root}, shardBytes)
	c := capture(t, source, plan, nil)
	beside := t.TempDir()
	r := restore{path: filepath.Join(beside, "target"), fence: 1}
	r.fill(t, c)
	must(t, r.sandbox(t).Publish(t.Context(), c.Component))
	must(t, os.RemoveAll(r.path))
	if err := r.sandbox(t).Publish(t.Context(), c.Component); !fault.Is(err, fault.NotFound) {
		t.Errorf("publish of what was published and removed: %v", err)
	}
	next, err := openTarget(t.Context(), configFor(r.path), dataservice.Restoring{Run: "run-2", Fence: 1}, dataservice.Deps{})
	must(t, err)
	must(t, next.Prepare(t.Context(), c.Component, c.open))
	if state := stateOf(t, beside); strings.Contains(state, "run-1") {
		t.Errorf("the first run is still there:\n%s", state)
	}
}

func TestAForeignSealedDirectoryIsRefused(t *testing.T) {
	beside := t.TempDir()
	elsewhere := t.TempDir()
	r := restore{path: filepath.Join(beside, "target"), fence: 1}
	must(t, os.Symlink(elsewhere, r.sealed()))
	if err := r.target(t).Prepare(t.Context(), dataservice.Component{}, nil); !fault.Is(err, fault.Conflict) {
		t.Errorf("prepare through a symbolic link: %v", err)
	}
	if state := stateOf(t, elsewhere); state != "" {
		t.Errorf("the link was followed:\n%s", state)
	}
}

func TestAChangedTreeDiffers(t *testing.T) {
	root := t.TempDir()
	for _, p := range []string{"a/file", "b/file", "c"} {
		write(t, filepath.Join(root, p), strings.Repeat(p, 100))
	}
	must(t, os.Symlink("c", filepath.Join(root, "link")))
	source, plan := open(t, config{Path: root}, 4096)
	c := capture(t, source, plan, nil)
	for name, change := range map[string]func(t *testing.T, tree string){
		"content": func(t *testing.T, tree string) {
			info, err := os.Stat(filepath.Join(tree, "c"))
			must(t, err)
			write(t, filepath.Join(tree, "c"), strings.Repeat("C", 100))
			must(t, os.Chtimes(filepath.Join(tree, "c"), noTime, info.ModTime()))
		},
		"mode":      func(t *testing.T, tree string) { must(t, os.Chmod(filepath.Join(tree, "b/file"), 0o640)) },
		"directory": func(t *testing.T, tree string) { must(t, os.Chmod(filepath.Join(tree, "a"), 0o750)) },
		"time":      func(t *testing.T, tree string) { must(t, os.Chtimes(filepath.Join(tree, "c"), noTime, noTime.Add(1))) },
		"missing":   func(t *testing.T, tree string) { must(t, os.Remove(filepath.Join(tree, "a/file"))) },
		"more":      func(t *testing.T, tree string) { write(t, filepath.Join(tree, "d"), "") },
		"link": func(t *testing.T, tree string) {
			must(t, os.Remove(filepath.Join(tree, "link")))
			must(t, os.Symlink("C", filepath.Join(tree, "link")))
		},
		"linked": func(t *testing.T, tree string) {
			must(t, os.Link(filepath.Join(tree, "a/file"), filepath.Join(tree, "b/hard")))
		},
	} {
		r := restore{path: filepath.Join(tempDir(t), "target"), fence: 1}
		r.fill(t, c)
		change(t, filepath.Join(r.sealed(), treeDir))
		findings, err := r.sandbox(t).Inspect(t.Context(), c.Component, measureKey)
		must(t, err)
		if len(dataservice.Compare(c.Component, findings)) == 0 {
			t.Errorf("%s: no difference is found", name)
		}
	}
}

func TestASparseFileIsRestoredWithItsSize(t *testing.T) {
	root := t.TempDir()
	const size = 40 << 20
	path := filepath.Join(root, "sparse")
	write(t, path, "start")
	must(t, os.Truncate(path, size))
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte("end"), size-3)
	must(t, err)
	must(t, f.Close())
	write(t, filepath.Join(root, "small"), "x")
	source, plan := open(t, config{Path: root}, shardBytes)
	if len(plan.Units) != 2 {
		t.Errorf("%d units, want the large file in its own", len(plan.Units))
	}
	got, err := os.ReadFile(filepath.Join(restored(t, capture(t, source, plan, nil)), "sparse"))
	must(t, err)
	if len(got) != size || !bytes.HasPrefix(got, []byte("start\x00")) || !bytes.HasSuffix(got, []byte("\x00end")) {
		t.Errorf("restored %d bytes", len(got))
	}
}

// TestAMaskedTreeHoldsOnItsOwn: what a masker leaves of a tree, with the units and their details as they were, is restored
// and compared like any other.
func TestAMaskedTreeHoldsOnItsOwn(t *testing.T) {
	root := t.TempDir()
	for i := range 30 {
		write(t, filepath.Join(root, fmt.Sprintf("d%d/f%02d.txt", i%3, i)), "name")
		write(t, filepath.Join(root, fmt.Sprintf("d%d/f%02d.md", i%3, i)), "text")
	}
	source, plan := open(t, config{Path: root}, smallShard)
	whole := capture(t, source, plan, nil)
	for name, keep := range map[string]func(path string) bool{
		"some":    func(p string) bool { return !strings.HasSuffix(p, ".txt") },
		"one":     func(p string) bool { return p == "." || p == "d1" || p == "d1/f01.md" },
		"nothing": func(string) bool { return false },
	} {
		t.Run(name, func(t *testing.T) {
			masked := &captured{Component: whole.Component, streams: map[string][]byte{}}
			masked.Units, masked.Catalogue.Objects = nil, nil
			for _, o := range whole.Catalogue.Objects {
				if keep(o.ID) {
					masked.Catalogue.Objects = append(masked.Catalogue.Objects, o)
				}
			}
			for _, u := range whole.Units {
				var b bytes.Buffer
				m := dataservice.NewMeasuringWriter(&b, dataservice.Tree, measureKey, nil)
				filter(t, whole.streams[u.Unit.ID], m, keep)
				measure, err := m.Measure()
				must(t, err)
				masked.streams[u.Unit.ID] = b.Bytes()
				masked.Units = append(masked.Units, dataservice.Captured{Unit: u.Unit, Measure: measure})
			}
			restored(t, masked)
		})
	}
}

func filter(t *testing.T, b []byte, w io.Writer, keep func(string) bool) {
	t.Helper()
	out := tree.NewWriter(w)
	for r := tree.NewReader(bytes.NewReader(b)); ; {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		if !keep(e.Path) {
			continue
		}
		must(t, out.Add(e))
		if e.Kind == tree.File {
			_, err := io.Copy(out, r)
			must(t, err)
		}
	}
	must(t, out.Close())
}
