package artifact

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// addVectors seeds a fuzz test with the objects of testdata/v1 whose path contains part.
func addVectors(f *testing.F, part string) {
	f.Helper()
	found := false
	err := filepath.WalkDir("testdata/v1/repository", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, part) {
			return err
		}
		b, err := os.ReadFile(path)
		f.Add(b)
		found = true
		return err
	})
	if err != nil || !found {
		f.Fatalf("no seeds for %s: %v", part, err)
	}
}

func FuzzIndex(f *testing.F) {
	f.Add(encodeIndex([]indexEntry{{offset: 0, length: 100, raw: 83}, {offset: 100, length: 17, raw: 1 << 20}}))
	f.Add([]byte{0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var entries []indexEntry
		if decodeIndex(b, func(e indexEntry) { entries = append(entries, e) }) != nil {
			return
		}
		if again := encodeIndex(entries); !bytes.Equal(again, b) {
			t.Errorf("%x is taken for %x", b, again)
		}
	})
}

func FuzzSummary(f *testing.F) {
	f.Add(appendSummary(appendSummary(nil, 0, []byte{0, 0, 0, 0}), 7, []byte("segment")))
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		if decodeSummary(b, func(seq uint32, segment []byte) error {
			again = appendSummary(again, seq, segment)
			return nil
		}) == nil && !bytes.Equal(again, b) {
			t.Errorf("%x is taken for %x", b, again)
		}
	})
}

func FuzzDigests(f *testing.F) {
	f.Add(encodeDigests([]indexEntry{{}, {}}, []Digest{{1}, {2}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		if err := decodeDigests(b, func(chunkID, Digest) { n++ }); err == nil && n*64 != len(b) {
			t.Errorf("%d pairs in %d bytes", n, len(b))
		}
	})
}

func FuzzRecipe(f *testing.F) {
	c := &recipe{sessions: []string{"capture-1-1-1-00000000"}, artifact: Artifact{Stream: "s-1", Chunking: Stream, Bytes: 30, Chunks: 2}}
	c.entries = appendEntry(c.entries, &recipeEntry{place: place{length: 40, raw: 20}})
	c.entries = appendEntry(c.entries, &recipeEntry{flags: flagZero, place: place{raw: 10}})
	f.Add(c.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeRecipe(b)
		if err != nil {
			return
		}
		if again := c.encode(); !bytes.Equal(again, b) {
			t.Errorf("%x is taken for %x", b, again)
		}
		// What the reader makes of it covers every entry once, in order.
		next := int64(0)
		c.spans(0, nil, func(s span) bool {
			if s.first != next || s.count < 1 {
				t.Errorf("a span of %d entries at %d, want one at %d", s.count, s.first, next)
			}
			for i := s.first; i < s.first+s.count; i++ {
				e := c.entry(i)
				if e.flags&flagZero == 0 && (e.place.offset < s.offset || e.place.offset+e.place.length > s.offset+s.length) {
					t.Errorf("entry %d is outside its span", i)
				}
			}
			next += s.count
			return true
		})
		if next != c.artifact.Chunks {
			t.Errorf("spans cover %d of %d entries", next, c.artifact.Chunks)
		}
	})
}

func FuzzFormat(f *testing.F) {
	addVectors(f, "format.json")
	keys := deriveKeys(&WriterKey{}, "x")
	f.Fuzz(func(t *testing.T, b []byte) {
		if format, err := parseFormat(b); err == nil && format.verify(keys, b) == nil {
			t.Error("a format without the key's authentication code was taken")
		}
	})
}

func FuzzManifest(f *testing.F) {
	addVectors(f, "manifest.json")
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEnvelope("c/x/manifest.json", b, statementType)
		if err != nil {
			return
		}
		if again, err := e.encode(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q is taken for %q, %v", b, again, err)
		}
		p, err := Statement(e.Payload).Payload()
		if err != nil {
			return
		}
		if again, err := p.Statement(); err != nil || !bytes.Equal(again, e.Payload) {
			t.Errorf("%q is taken for %q, %v", e.Payload, again, err)
		}
	})
}

func FuzzLease(f *testing.F) {
	b, err := encodeChecked(&lease{Session: "s", Run: "r", Capture: "c", Parents: []string{}, Abandoned: []string{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var l lease
		if decodeChecked("l/r/s", b, &l) != nil {
			return
		}
		if again, err := encodeChecked(&l); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q is taken for %q, %v", b, again, err)
		}
	})
}

func FuzzSealed(f *testing.F) {
	d := domain{keyset: "k", trust: Raw}
	f.Add(d.seal(nil, &[keySize]byte{}, kindFooter, "p/s/00000000", []byte("text")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if plain, err := d.open(&[keySize]byte{1}, kindFooter, "p/s/00000000", b); err == nil {
			t.Errorf("%x opens to %x with another key", b, plain)
		}
		_, _ = decode(b, 100)
	})
}
