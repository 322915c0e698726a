package copytext_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tranship/tranship/internal/dataservice/copytext"
)

func TestUnescapeReadsWhatPostgreSQLReads(t *testing.T) {
	for field, want := range map[string]string{
		``: "", `plain`: "plain", `a\tb\nc\rd\\e`: "a\tb\nc\rd\\e", `\b\f\v`: "\b\f\v",
		`\x41\x4`: "A\x04", `\x4142`: "A42", `\xg`: "xg", `\x`: "x", `\101`: "A", `\1012`: "A2", `\7`: "\a", `\08`: "\x008", `\777`: "\xff",
		`\q\"\.`: `q".`, `\\N`: `\N`, `\Nx`: "Nx", `N`: "N", `ü\\ü`: `ü\ü`,
	} {
		value, null, err := copytext.Unescape(nil, []byte(field))
		if err != nil || null || string(value) != want {
			t.Errorf("%s is %q, null %t, %v; want %q", field, value, null, err, want)
		}
	}
	if value, null, err := copytext.Unescape(nil, []byte(`\N`)); !null || value != nil || err != nil {
		t.Errorf(`\N is %q, null %t, %v`, value, null, err)
	}
	for _, field := range []string{`\`, `a\`, `\\\`} {
		if _, _, err := copytext.Unescape(nil, []byte(field)); !errors.Is(err, copytext.ErrEscape) {
			t.Errorf("%s: %v, want %v", field, err, copytext.ErrEscape)
		}
	}
}

func TestUnescapeSharesMemoryOnlyWithWhatItMay(t *testing.T) {
	field := []byte("plain")
	if value, _, _ := copytext.Unescape(nil, field); &value[0] != &field[0] {
		t.Error("a cell without escapes was copied")
	}
	field, scratch := []byte(`a\\b`), make([]byte, 8)
	value, _, _ := copytext.Unescape(scratch, field)
	if &value[0] != &scratch[0] || string(field) != `a\\b` {
		t.Errorf("value %q is not in the scratch memory, or the cell changed to %s", value, field)
	}
}

func TestRowsAndCells(t *testing.T) {
	in := "1\t\\N\ta\\tb\n\n\t\nlast\n"
	for name, source := range map[string]io.Reader{"whole": strings.NewReader(in), "byte by byte": iotest.OneByteReader(strings.NewReader(in))} {
		var out []byte
		var counts []int
		r := copytext.NewReader(source, 0)
		for {
			row, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			fields := copytext.Fields(row, nil)
			counts = append(counts, len(fields))
			out = copytext.AppendRow(out, fields)
		}
		if string(out) != in || r.Rows() != 4 || len(counts) != 4 || counts[0] != 3 || counts[1] != 1 || counts[2] != 2 {
			t.Errorf("%s: %q with cells %v, want %q", name, out, counts, in)
		}
	}
}

func TestReaderBoundsRows(t *testing.T) {
	row := strings.Repeat("x", 600<<10) // longer than the reader's buffer
	r := copytext.NewReader(strings.NewReader(row+"\nshort\n"+row+"y\n"), len(row))
	for _, want := range []string{row, "short"} {
		if got, err := r.Next(); err != nil || string(got) != want {
			t.Fatalf("%d bytes, %v; want %d", len(got), err, len(want))
		}
	}
	_, err := r.Next()
	if !errors.Is(err, copytext.ErrRowTooLong) || !strings.Contains(err.Error(), "row 3") {
		t.Errorf("a row over the limit: %v", err)
	}
	if _, err := copytext.NewReader(strings.NewReader("toolong\n"), 3).Next(); !errors.Is(err, copytext.ErrRowTooLong) {
		t.Errorf("a row over a small limit: %v", err)
	}
}

func TestReaderTellsCutAndBrokenStreams(t *testing.T) {
	r := copytext.NewReader(strings.NewReader("a\nb"), 0)
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); !errors.Is(err, copytext.ErrCut) {
		t.Errorf("a cut stream: %v", err)
	}
	broken := errors.New("broken")
	r = copytext.NewReader(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken)), 0)
	_, _ = r.Next()
	if _, err := r.Next(); !errors.Is(err, broken) {
		t.Errorf("a broken stream: %v", err)
	}
}

func TestCheckFields(t *testing.T) {
	for _, c := range []struct {
		row     string
		columns int
		ok      bool
	}{{"", 0, true}, {"a", 0, false}, {"", 1, true}, {"a\tb", 2, true}, {"a\tb", 1, false}, {"a", 2, false}} {
		if err := copytext.CheckFields(copytext.Fields([]byte(c.row), nil), c.columns); (err == nil) != c.ok {
			t.Errorf("%q with %d columns: %v", c.row, c.columns, err)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", `\N`, `\.`, "a\tb\nc\\", "\x00\xff\b\f\v\r", `\\\x41\101`, "ü"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		cell := copytext.Escape(nil, value)
		if bytes.ContainsAny(cell, "\t\n\r") || copytext.IsNull(cell) {
			t.Fatalf("%q is no cell: %q", value, cell)
		}
		back, null, err := copytext.Unescape(nil, cell)
		if err != nil || null || !bytes.Equal(back, value) {
			t.Fatalf("%q came back as %q, null %t, %v", value, back, null, err)
		}
		// Any line can be read as cells, and a cell that can be read means the same when it is written again.
		if v, null, err := copytext.Unescape(nil, value); err == nil && !null && !bytes.Contains(value, []byte("\n")) {
			again, _, err := copytext.Unescape(nil, copytext.Escape(nil, v))
			if err != nil || !bytes.Equal(again, v) {
				t.Fatalf("%q means %q and then %q, %v", value, v, again, err)
			}
		}
	})
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("a\tb\n\\N\n"), 3)
	f.Add([]byte("a\n\nb"), 1)
	f.Fuzz(func(t *testing.T, stream []byte, limit int) {
		limit = 1 + max(0, limit)%64
		r := copytext.NewReader(iotest.OneByteReader(bytes.NewReader(stream)), limit)
		var out []byte
		for {
			row, err := r.Next()
			if err != nil {
				if errors.Is(err, io.EOF) && !bytes.Equal(out, stream) {
					t.Fatalf("%q was read as %q", stream, out)
				}
				return
			}
			if len(row) > limit {
				t.Fatalf("a row of %d bytes, over the limit of %d", len(row), limit)
			}
			out = copytext.AppendRow(out, copytext.Fields(row, nil))
		}
	})
}

func BenchmarkCells(b *testing.B) {
	row := []byte("123456\tsomebody@example.org\tA name\\twith a tab\t\\N\t2024-01-01")
	var fields [][]byte
	var scratch, out []byte
	b.SetBytes(int64(len(row)))
	b.ReportAllocs()
	for b.Loop() {
		fields = copytext.Fields(row, fields[:0])
		out = out[:0]
		for _, f := range fields {
			if v, null, err := copytext.Unescape(scratch, f); err == nil && !null {
				out = copytext.Escape(out, v)
			}
		}
	}
}
