package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/dataservice/tree"
	"github.com/tranship/tranship/internal/fault"
)

// open opens a source and plans it.
func open(t *testing.T, c config, shard int64) (dataservice.Source, dataservice.Plan) {
	t.Helper()
	source, err := openSource(t.Context(), marshal(t, c), dataservice.Deps{}, shard)
	must(t, err)
	t.Cleanup(func() { _ = source.Close() })
	plan, err := source.Plan(t.Context())
	must(t, err)
	return source, plan
}

// captured is a capture in memory.
type captured struct {
	dataservice.Component
	streams map[string][]byte
}

// spy sees bytes of a capture as they come.
type spy struct {
	bytes.Buffer
	sees func(p []byte)
}

func (s *spy) Write(p []byte) (int, error) {
	if s.sees != nil {
		s.sees(p)
	}
	return s.Buffer.Write(p)
}

var measureKey = dataservice.MeasureKey{7}

func capture(t *testing.T, source dataservice.Source, plan dataservice.Plan, sees func(p []byte)) *captured {
	t.Helper()
	c := &captured{
		Component: dataservice.Component{Name: "c", Driver: "files", Point: plan.Point, Catalogue: plan.Catalogue, Gaps: plan.Gaps},
		streams:   map[string][]byte{},
	}
	for _, u := range plan.Units {
		out := &spy{sees: sees}
		w := dataservice.NewMeasuringWriter(out, u.Format, measureKey, nil)
		gaps, err := source.Capture(t.Context(), u, w)
		if err != nil {
			t.Fatalf("capture %s: %v", u.ID, err)
		}
		m, err := w.Measure()
		must(t, err)
		c.Gaps = append(c.Gaps, gaps...)
		c.streams[u.ID] = out.Bytes()
		c.Units = append(c.Units, dataservice.Captured{Unit: u, Measure: m})
	}
	return c
}

// contents reads back what streams hold: the content of files, what links lead to, and the kinds of the rest.
func (c *captured) contents(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, b := range c.streams {
		for r := tree.NewReader(bytes.NewReader(b)); ; {
			e, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			must(t, err)
			content, err := io.ReadAll(r)
			must(t, err)
			switch e.Kind {
			case tree.File:
				found[e.Path] = string(content)
			case tree.Directory:
				found[e.Path] = "directory"
			default:
				found[e.Path] = string(e.Kind) + " " + e.Link
			}
		}
	}
	return found
}

func gapsIn(gaps []dataservice.Gap) string {
	lines := make([]string, len(gaps))
	for i, g := range gaps {
		lines[i] = g.Object + " " + g.Code
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestIncludeTakesWhatIsInADirectoryAndTheDirectoriesAbove(t *testing.T) {
	root := t.TempDir()
	for _, p := range []string{"a/keep/x.txt", "a/keep/deep/y.pdf", "a/other/z.txt", "b/c/report.pdf", "b/c/report.tmp", "top.pdf", "empty/e.txt"} {
		write(t, filepath.Join(root, p), p)
	}
	for name, test := range map[string]struct {
		config config
		want   string
	}{
		"everything":  {config{}, ". a a/keep a/keep/deep a/keep/deep/y.pdf a/keep/x.txt a/other a/other/z.txt b b/c b/c/report.pdf b/c/report.tmp empty empty/e.txt top.pdf"},
		"directory":   {config{Include: []string{"a/keep"}}, ". a a/keep a/keep/deep a/keep/deep/y.pdf a/keep/x.txt"},
		"pattern":     {config{Include: []string{"**/*.pdf"}}, ". a a/keep a/keep/deep a/keep/deep/y.pdf b b/c b/c/report.pdf top.pdf"},
		"left out":    {config{Exclude: []string{"a", "**/*.tmp"}}, ". b b/c b/c/report.pdf empty empty/e.txt top.pdf"},
		"both":        {config{Include: []string{"a"}, Exclude: []string{"**/deep"}}, ". a a/keep a/keep/x.txt a/other a/other/z.txt"},
		"nothing":     {config{Include: []string{"no/such"}}, "."},
		"not by part": {config{Include: []string{"*.pdf"}}, ". top.pdf"},
	} {
		test.config.Path = root
		_, plan := open(t, test.config, shardBytes)
		var got []string
		for _, o := range plan.Catalogue.Objects {
			got = append(got, o.ID)
		}
		if s := strings.Join(got, " "); s != test.want {
			t.Errorf("%s: %s\nwant %s", name, s, test.want)
		}
	}
}

func TestTheSameTreeIsCutInTheSameWay(t *testing.T) {
	root := t.TempDir()
	for i := range 50 {
		write(t, filepath.Join(root, fmt.Sprintf("d%d/f%d", i%7, i)), strings.Repeat("x", 100*i))
	}
	_, a := open(t, config{Path: root}, smallShard)
	_, b := open(t, config{Path: root}, smallShard)
	if len(a.Units) < 5 {
		t.Fatalf("%d units", len(a.Units))
	}
	if x, y := fmt.Sprintf("%+v", a.Units), fmt.Sprintf("%+v", b.Units); x != y {
		t.Errorf("units differ:\n%s\n%s", x, y)
	}
	for _, u := range a.Units {
		if u.Bytes > smallShard && u.Rows > 1 {
			t.Errorf("unit %s has %d bytes in %d entries", u.ID, u.Bytes, u.Rows)
		}
	}
}

func TestWhatIsNoFileIsReported(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "file"), "x")
	must(t, syscall.Mkfifo(filepath.Join(root, "pipe\xff"), 0o600))
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	must(t, err)
	defer syscall.Close(fd)
	t.Chdir(root) // names of sockets are short
	must(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: "socket"}))
	source, plan := open(t, config{Path: root}, shardBytes)
	c := capture(t, source, plan, nil)
	if got, want := gapsIn(c.Gaps), "pipe%FF unsupported\nsocket unsupported"; got != want {
		t.Errorf("gaps:\n%s\nwant:\n%s", got, want)
	}
	if got := c.contents(t); len(got) != 2 || got["file"] != "x" {
		t.Errorf("captured %v", got)
	}
	restored(t, c)
}

func TestWhatVanishesAfterThePlanIsReported(t *testing.T) {
	root := t.TempDir()
	for _, p := range []string{"a/gone", "a/stays", "b/c/gone-with-its-directory", "becomes-a-directory", "becomes-a-pipe", "becomes-a-link", "link", "z"} {
		write(t, filepath.Join(root, p), p)
	}
	must(t, os.Remove(filepath.Join(root, "link")))
	must(t, os.Symlink("z", filepath.Join(root, "link")))
	write(t, filepath.Join(root, "outside/secret"), "secret")
	write(t, filepath.Join(root, "outside/c/gone-with-its-directory"), "secret")
	source, plan := open(t, config{Path: root, Exclude: []string{"outside"}}, smallShard)
	in := func(p string) string { return filepath.Join(root, p) }
	must(t, os.Remove(in("a/gone")))
	must(t, os.RemoveAll(in("b")))
	must(t, os.Symlink("outside", in("b"))) // leads to files of the same names
	must(t, os.Remove(in("becomes-a-directory")))
	must(t, os.Mkdir(in("becomes-a-directory"), 0o755))
	must(t, os.Remove(in("becomes-a-pipe")))
	must(t, syscall.Mkfifo(in("becomes-a-pipe"), 0o600))
	must(t, os.Remove(in("becomes-a-link")))
	must(t, os.Symlink("outside/secret", in("becomes-a-link")))
	must(t, os.Remove(in("link")))
	write(t, in("new"), "came later")
	c := capture(t, source, plan, nil)
	want := "a/gone vanished\nb vanished\nb/c vanished\nb/c/gone-with-its-directory vanished\n" +
		"becomes-a-directory vanished\nbecomes-a-link vanished\nbecomes-a-pipe vanished\nlink vanished"
	if got := gapsIn(c.Gaps); got != want {
		t.Errorf("gaps:\n%s\nwant:\n%s", got, want)
	}
	if got, want := fmt.Sprint(c.contents(t)), "map[.:directory a:directory a/stays:a/stays z:z]"; got != want {
		t.Errorf("captured %s, want %s", got, want)
	}
	restored(t, c)
}

func TestWhatChangesWhileItIsReadIsReported(t *testing.T) {
	const size = 3 << 20 // several reads
	for name, test := range map[string]struct {
		change func(t *testing.T, path string)
		zeros  bool
	}{
		"shorter":   {func(t *testing.T, path string) { must(t, os.Truncate(path, size/2)) }, true},
		"empty":     {func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) }, true},
		"longer":    {func(t *testing.T, path string) { must(t, os.Truncate(path, 2*size)) }, false},
		"rewritten": {func(t *testing.T, path string) { write(t, path, strings.Repeat("y", size)) }, false},
		"touched":   {func(t *testing.T, path string) { must(t, os.Chtimes(path, noTime, time.Unix(5, 5))) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			path := filepath.Join(root, "file")
			write(t, path, strings.Repeat("x", size))
			write(t, filepath.Join(root, "next"), "intact")
			must(t, os.Chtimes(path, noTime, time.Unix(1, 1)))
			source, plan := open(t, config{Path: root}, shardBytes)
			changed := false
			c := capture(t, source, plan, func(p []byte) {
				if !changed && bytes.Contains(p, []byte("xxxx")) {
					changed = true
					test.change(t, path)
				}
			})
			if got, want := gapsIn(c.Gaps), "file changed-while-read"; got != want {
				t.Errorf("gaps: %s, want %s", got, want)
			}
			got := c.contents(t)
			if len(got["file"]) != size || got["next"] != "intact" {
				t.Errorf("captured %d bytes and %q, want %d and intact", len(got["file"]), got["next"], size)
			}
			if zeros := strings.HasSuffix(got["file"], "\x00\x00"); zeros != test.zeros {
				t.Errorf("ends with zeros: %t, want %t", zeros, test.zeros)
			}
			restored(t, c)
		})
	}
}

func TestHardLinksThatComeApartAreFiles(t *testing.T) {
	root := t.TempDir()
	in := func(p string) string { return filepath.Join(root, p) }
	for _, p := range []string{"a", "c", "e"} {
		write(t, in(p), "old "+p)
	}
	must(t, os.Link(in("a"), in("b")))
	must(t, os.Link(in("c"), in("d")))
	must(t, os.Link(in("e"), in("f")))
	source, plan := open(t, config{Path: root}, shardBytes)
	must(t, os.Remove(in("a"))) // b is the only name now
	must(t, os.Remove(in("c")))
	write(t, in("c"), "new c")
	c := capture(t, source, plan, nil)
	if got, want := gapsIn(c.Gaps), "a vanished\nb changed-while-read\nc changed-while-read\nd changed-while-read"; got != want {
		t.Errorf("gaps:\n%s\nwant:\n%s", got, want)
	}
	if got, want := fmt.Sprint(c.contents(t)), "map[.:directory b:old a c:new c d:old c e:old e f:hardlink e]"; got != want {
		t.Errorf("captured %s, want %s", got, want)
	}
	restored(t, c)
}

func TestErrorsOfTheStreamAreNotTakenForGaps(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "file"), strings.Repeat("x", 1<<20))
	source, plan := open(t, config{Path: root}, shardBytes)
	_, err := source.Capture(t.Context(), plan.Units[0], failing{os.ErrNotExist})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("capture into a stream that fails: %v, want its error", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
func (failing) AddRows(int64)               {}

func TestAMissingDirectoryIsNotFound(t *testing.T) {
	_, err := openSource(t.Context(), configFor(filepath.Join(t.TempDir(), "no")), dataservice.Deps{}, shardBytes)
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("class %s of %v, want %s", fault.ClassOf(err), err, fault.NotFound)
	}
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "x")
	if _, err := openSource(t.Context(), configFor(file), dataservice.Deps{}, shardBytes); err == nil {
		t.Error("a file is taken for a directory")
	}
}

func TestManySmallFilesAreReadInBoundedMemory(t *testing.T) {
	const files, size = 20_000, 4 << 10
	root := t.TempDir()
	content := bytes.Repeat([]byte("small "), size/6)
	for i := range files {
		dir := filepath.Join(root, fmt.Sprintf("d%03d", i/200))
		if i%200 == 0 {
			must(t, os.Mkdir(dir, 0o755))
		}
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("file-%05d", i)), content, 0o644))
	}
	source, plan := open(t, config{Path: root}, shardBytes)
	if len(plan.Units) < 3 {
		t.Fatalf("%d units", len(plan.Units))
	}
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	var most uint64
	var entries int64
	for _, u := range plan.Units {
		n := 0
		w := dataservice.NewMeasuringWriter(writerFunc(func(p []byte) (int, error) {
			if n++; n%50 == 0 {
				runtime.GC()
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc)
			}
			return len(p), nil
		}), u.Format, measureKey, nil)
		if _, err := source.Capture(t.Context(), u, w); err != nil {
			t.Fatal(err)
		}
		m, err := w.Measure()
		must(t, err)
		entries += m.Rows
	}
	if entries != files+files/200+1 {
		t.Errorf("%d entries, want %d", entries, files+files/200+1)
	}
	if grown := int64(most) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("the heap grew by %d bytes during the capture", grown)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
