package tree_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/zeebo/blake3"

	"github.com/tranship/tranship/internal/dataservice/tree"
)

func TestIDsOfPathsAreTextAndTurnBack(t *testing.T) {
	for path, id := range map[string]string{
		".":              ".",
		"a/b":            "a/b",
		"ünï code\n":     "ünï code\n",
		"100%":           "100%",
		"100%41":         "100%2541",
		"100%4a":         "100%4a", // lower case is never an escape
		"latin\xe9":      "latin%E9",
		"%\xff":          "%%FF",
		"%4\xff":         "%4%FF",
		"%25":            "%2525",
		"cut \xe2\x82/x": "cut %E2%82/x",
		"\uFFFD":         "\uFFFD",
	} {
		if got := tree.ID(path); got != id {
			t.Errorf("ID(%q) = %q, want %q", path, got, id)
		}
		if got := tree.FromID(id); got != path {
			t.Errorf("FromID(%q) = %q, want %q", id, got, path)
		}
	}
}

func FuzzID(f *testing.F) {
	f.Add("%")
	f.Add("%%41\xff%F")
	f.Fuzz(func(t *testing.T, path string) {
		id := tree.ID(path)
		if !utf8.ValidString(id) {
			t.Errorf("ID(%q) = %q is not UTF-8", path, id)
		}
		if back := tree.FromID(id); back != path {
			t.Errorf("FromID(ID(%q)) = %q", path, back)
		}
	})
}

func TestPathsComeInTheOrderOfAWalk(t *testing.T) {
	want := []string{".", "\x01", "a", "a/x", "a/x/y", "a/x-", "a-b", "a.b", "a0", "b", "\xff"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, tree.Compare)
	if !slices.Equal(got, want) {
		t.Errorf("sorted: %q, want %q", got, want)
	}
}

// content is what the tests put into a file.
func content(e tree.Entry) []byte { return bytes.Repeat([]byte("x"), int(e.Size)) }

var entries = []tree.Entry{
	{Path: ".", Kind: tree.Directory, Mode: 0o755 | fs.ModeSticky, ModTime: time.Unix(1, 2)},
	{Path: "a", Kind: tree.File, Mode: 0o644 | fs.ModeSetuid, Size: 1, ModTime: time.Unix(-5, 999_999_999), UID: 3_000_000, GID: 7},
	{Path: "b", Kind: tree.File, Mode: 0, Size: 0, ModTime: time.Unix(4e9, 0)},
	{Path: "b b\n", Kind: tree.File, Mode: 0o600 | fs.ModeSetgid, Size: 512, ModTime: time.Unix(0, 0)},
	{Path: "c\xff/" + strings.Repeat("d", 300), Kind: tree.File, Mode: 0o600, Size: 100_000, ModTime: time.Unix(0, 1)},
	{Path: "d", Kind: tree.Symlink, Link: "../\xfe" + strings.Repeat("/x", 400), ModTime: time.Unix(9, 9)},
	{Path: "e", Kind: tree.Hardlink, Link: "b b\n"},
}

func archive(t testing.TB, entries []tree.Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tree.NewWriter(&b)
	for _, e := range entries {
		if err := w.Add(e); err != nil {
			t.Fatalf("add %q: %v", e.Path, err)
		}
		if e.Kind == tree.File {
			if _, err := w.Write(content(e)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestEntriesSurviveAnArchive(t *testing.T) {
	r := tree.NewReader(bytes.NewReader(archive(t, entries)))
	for _, want := range entries {
		got, err := r.Next()
		if err != nil {
			t.Fatalf("before %q: %v", want.Path, err)
		}
		if want.Kind != tree.Hardlink && !got.ModTime.Equal(want.ModTime) {
			t.Errorf("%q: time %v, want %v", want.Path, got.ModTime, want.ModTime)
		}
		got.ModTime = want.ModTime
		if got != want {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
		b, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(b, content(want)) {
			t.Errorf("%q: %d bytes of content, %v", want.Path, len(b), err)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last entry: %v", err)
	}
}

func lines(b []byte, piece int) (string, error) {
	var out strings.Builder
	l := tree.NewLines(&out)
	for chunk := range slices.Chunk(b, piece) {
		if _, err := l.Write(chunk); err != nil {
			return out.String(), err
		}
	}
	return out.String(), l.Close()
}

func TestLinesAreTheSameHoweverTheBytesCome(t *testing.T) {
	b := archive(t, entries)
	var want []byte
	for _, e := range entries {
		want = tree.AppendLine(want, &e, blake3.Sum256(content(e)))
	}
	if n := bytes.Count(want, []byte("\n")); n != len(entries) {
		t.Fatalf("%d lines for %d entries:\n%s", n, len(entries), want)
	}
	for _, piece := range []int{1, 7, 511, 512, 513, 4096, len(b)} {
		got, err := lines(b, piece)
		if err != nil || got != string(want) {
			t.Errorf("in pieces of %d: %v\n%s\nwant\n%s", piece, err, got, want)
		}
	}
}

func TestEveryAttributeIsPartOfItsLine(t *testing.T) {
	file := tree.Entry{Path: "p", Kind: tree.File, Mode: 0o644, Size: 3, ModTime: time.Unix(1, 1)}
	link := tree.Entry{Path: "p", Kind: tree.Symlink, Link: "l", ModTime: time.Unix(1, 1)}
	seen := map[string]string{}
	line := func(what string, e tree.Entry, d tree.Digest) {
		s := string(tree.AppendLine(nil, &e, d))
		if before, ok := seen[s]; ok {
			t.Errorf("%s and %s have the same line %q", what, before, s)
		}
		seen[s] = what
	}
	changed := func(e tree.Entry, change func(*tree.Entry)) tree.Entry { change(&e); return e }
	line("file", file, tree.Digest{})
	line("content", file, tree.Digest{1})
	line("path", changed(file, func(e *tree.Entry) { e.Path = "q" }), tree.Digest{})
	line("mode", changed(file, func(e *tree.Entry) { e.Mode |= fs.ModeSticky }), tree.Digest{})
	line("size", changed(file, func(e *tree.Entry) { e.Size = 4 }), tree.Digest{})
	line("seconds", changed(file, func(e *tree.Entry) { e.ModTime = time.Unix(2, 1) }), tree.Digest{})
	line("nanoseconds", changed(file, func(e *tree.Entry) { e.ModTime = time.Unix(1, 2) }), tree.Digest{})
	line("directory", changed(file, func(e *tree.Entry) { e.Kind = tree.Directory }), tree.Digest{})
	line("hard link", changed(link, func(e *tree.Entry) { e.Kind = tree.Hardlink }), tree.Digest{})
	line("symbolic link", link, tree.Digest{})
	line("target", changed(link, func(e *tree.Entry) { e.Link = "m" }), tree.Digest{})
	line("time of link", changed(link, func(e *tree.Entry) { e.ModTime = time.Unix(1, 2) }), tree.Digest{})
	line("space in path", changed(link, func(e *tree.Entry) { e.Path, e.Link = "p l", "x" }), tree.Digest{})
	line("space in target", changed(link, func(e *tree.Entry) { e.Path, e.Link = "p", "l x" }), tree.Digest{})
}

// raw writes an archive without the rules of Writer.
func raw(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, h.Size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func hostile(t testing.TB) map[string][]byte {
	file := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600} }
	good := archive(t, entries)
	return map[string][]byte{
		"above the tree":       raw(t, file("../x")),
		"above, in the middle": raw(t, file("a/../../x")),
		"absolute":             raw(t, file("/x")),
		"here":                 raw(t, file("./x")),
		"nothing":              raw(t, file("a//x")),
		"root as a link":       raw(t, tar.Header{Typeflag: tar.TypeSymlink, Name: "..", Linkname: "/"}),
		"twice":                raw(t, file("x"), file("x")),
		"out of order":         raw(t, file("y"), file("x")),
		"link, then below it":  raw(t, tar.Header{Typeflag: tar.TypeSymlink, Name: "x", Linkname: "/"}, file("w/y")),
		"hard link out":        raw(t, tar.Header{Typeflag: tar.TypeLink, Name: "x", Linkname: "../../etc/passwd"}),
		"absolute hard link":   raw(t, tar.Header{Typeflag: tar.TypeLink, Name: "x", Linkname: "/etc/passwd"}),
		"device":               raw(t, tar.Header{Typeflag: tar.TypeChar, Name: "x"}),
		"pipe":                 raw(t, tar.Header{Typeflag: tar.TypeFifo, Name: "x"}),
		"nonsense":             bytes.Repeat([]byte("nonsense"), 512),
		"cut":                  good[:len(good)/2],
		"cut in a header":      good[:700],
		"without an end":       good[:len(good)-1024],
		"cut in its end":       good[:len(good)-512],
		"sum of header":        append([]byte("?"), good[1:]...),
	}
}

func TestWhatNoWriterWritesIsRefused(t *testing.T) {
	for name, b := range hostile(t) {
		if _, err := lines(b, 1000); !errors.Is(err, tree.ErrInvalid) {
			t.Errorf("lines of %s: %v, want %v", name, err, tree.ErrInvalid)
		}
		if err := readAll(b); !errors.Is(err, tree.ErrInvalid) {
			t.Errorf("reading %s: %v, want %v", name, err, tree.ErrInvalid)
		}
	}
}

func TestLinesRefuseWhatFollowsTheEnd(t *testing.T) {
	if _, err := lines(append(archive(t, entries), 'x'), 1000); !errors.Is(err, tree.ErrInvalid) {
		t.Errorf("a byte behind the end: %v, want %v", err, tree.ErrInvalid)
	}
	if _, err := lines(nil, 1); !errors.Is(err, tree.ErrInvalid) {
		t.Errorf("nothing at all: %v, want %v", err, tree.ErrInvalid)
	}
}

func readAll(b []byte) error {
	r := tree.NewReader(bytes.NewReader(b))
	for {
		if _, err := r.Next(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			return fmt.Errorf("%w: %w", tree.ErrInvalid, err)
		}
	}
}

func TestWriterRefusesWhatItsReaderWould(t *testing.T) {
	for name, e := range map[string]tree.Entry{
		"above":         {Path: "../x", Kind: tree.File},
		"absolute":      {Path: "/x", Kind: tree.File},
		"empty":         {Path: "", Kind: tree.File},
		"hard link out": {Path: "x", Kind: tree.Hardlink, Link: ".."},
		"no kind":       {Path: "x"},
		"no target":     {Path: "x", Kind: tree.Symlink},
	} {
		if err := tree.NewWriter(io.Discard).Add(e); !errors.Is(err, tree.ErrInvalid) {
			t.Errorf("%s: %v, want %v", name, err, tree.ErrInvalid)
		}
	}
}

// FuzzLines: whatever the bytes, Lines and Reader agree on what they hold.
func FuzzLines(f *testing.F) {
	f.Add(archive(f, entries))
	for _, b := range hostile(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := lines(b, 100)
		if err != nil {
			return
		}
		var want []byte
		for r := tree.NewReader(bytes.NewReader(b)); ; {
			e, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("lines takes what a reader refuses: %v", err)
			}
			h := blake3.New()
			if _, err := io.Copy(h, r); err != nil {
				t.Fatal(err)
			}
			want = tree.AppendLine(want, &e, tree.Digest(h.Sum(nil)))
		}
		if got != string(want) {
			t.Errorf("lines:\n%s\nreader:\n%s", got, want)
		}
	})
}
