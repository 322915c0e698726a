package artifact

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/zeebo/blake3"
)

// smallChunker has sizes that let a test cut often.
var smallChunker = chunkerParams{Min: 64, Avg: 256, Max: 1024, Lines: 2048, Block: 512}

func testData(n int, newlines int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b)
	if newlines > 0 {
		for i := range b {
			if b[i] == '\n' {
				b[i] = ' '
			}
			if (i+1)%newlines == 0 {
				b[i] = '\n'
			}
		}
	}
	return b
}

type cutAt struct {
	end       int
	continued bool
}

// cuts feeds data in pieces of the given size.
func cuts(c *chunker, data []byte, piece int) []cutAt {
	var out []cutAt
	for pos := 0; pos < len(data); {
		n, cut, continued := c.next(data[pos:min(pos+piece, len(data))])
		pos += n
		if cut {
			out = append(out, cutAt{pos, continued})
		}
	}
	return out
}

func TestCutsDoNotDependOnHowTheStreamIsWritten(t *testing.T) {
	gear := newGearTable(&[keySize]byte{1})
	data := testData(200_000, 300)
	for _, chunking := range []Chunking{Lines, Stream, Blocks} {
		want := cuts(newChunker(chunking, smallChunker, gear), data, len(data))
		if len(want) < 50 {
			t.Fatalf("%s: only %d cuts", chunking, len(want))
		}
		for _, piece := range []int{1, 7, 63, 64, 65, 1000, 1023} {
			if got := cuts(newChunker(chunking, smallChunker, gear), data, piece); !slices.Equal(got, want) {
				t.Errorf("%s in pieces of %d: the cuts differ", chunking, piece)
			}
		}
		// Cutting goes on from a cut as if it were the start.
		for _, from := range want[:20] {
			rest := cuts(newChunker(chunking, smallChunker, gear), data[from.end:], 100)
			for i := range rest {
				rest[i].end += from.end
			}
			if i := slices.Index(want, from); !slices.Equal(rest, want[i+1:]) {
				t.Errorf("%s: cutting from the cut at %d finds others", chunking, from.end)
			}
		}
	}
}

func TestChunksKeepTheirSizes(t *testing.T) {
	gear := newGearTable(&[keySize]byte{1})
	sizes := func(chunking Chunking, data []byte) (smallest, largest, n int) {
		smallest, last := len(data), 0
		for _, c := range cuts(newChunker(chunking, smallChunker, gear), data, 4096) {
			smallest, largest, last, n = min(smallest, c.end-last), max(largest, c.end-last), c.end, n+1
		}
		return smallest, largest, n
	}
	random, constant := testData(500_000, 0), bytes.Repeat([]byte{'x'}, 500_000)
	if smallest, largest, n := sizes(Stream, random); smallest <= smallChunker.Min || largest > smallChunker.Max || n < len(random)/400 || n > len(random)/150 {
		t.Errorf("%d chunks of %d to %d bytes", n, smallest, largest)
	}
	if smallest, largest, _ := sizes(Stream, constant); smallest != smallChunker.Max || largest != smallChunker.Max {
		t.Errorf("a stream without any cut has chunks of %d to %d bytes, want %d", smallest, largest, smallChunker.Max)
	}
	if smallest, largest, _ := sizes(Blocks, random); smallest != smallChunker.Block || largest != smallChunker.Block {
		t.Errorf("blocks of %d to %d bytes, want %d", smallest, largest, smallChunker.Block)
	}
}

func TestLinesAreCutBehindRowsAndLongRowsGoOn(t *testing.T) {
	gear := newGearTable(&[keySize]byte{1})
	rows := testData(300_000, 200)
	for _, c := range cuts(newChunker(Lines, smallChunker, gear), rows, 500) {
		if rows[c.end-1] != '\n' || c.continued {
			t.Fatalf("a cut at %d is within a row", c.end)
		}
	}
	long := append(append(testData(100, 10), bytes.Repeat([]byte{'x'}, 5000)...), '\n')
	long = append(long, testData(1000, 10)...)
	var continued int
	last := 0
	for _, c := range cuts(newChunker(Lines, smallChunker, gear), long, 333) {
		if c.continued {
			continued++
		}
		if c.continued == (long[c.end-1] == '\n') {
			t.Errorf("the cut at %d says continued %v after byte %q", c.end, c.continued, long[c.end-1])
		}
		if c.end-last > smallChunker.Lines {
			t.Errorf("a chunk of %d bytes", c.end-last)
		}
		last = c.end
	}
	if continued < 2 {
		t.Errorf("a row of 5,000 bytes has %d cuts in it, want at least 2", continued)
	}
}

func TestCodecsGiveBackWhatTheyTook(t *testing.T) {
	texts := map[string][]byte{
		"text":   bytes.Repeat([]byte("a row of a table, again and again\n"), 20_000),
		"random": testData(300_000, 0), "one byte": {1}, "small text": bytes.Repeat([]byte("ab"), 100),
	}
	for _, codec := range []Codec{Auto, Store, S2, Zstd} {
		e := &encoder{codec: codec}
		for name, plain := range texts {
			for _, uploadsWait := range []bool{false, true} {
				packed := e.encode(plain, uploadsWait)
				if len(packed) > len(plain)+1 {
					t.Errorf("%s of %q: %d bytes became %d", codec, name, len(plain), len(packed))
				}
				if name == "text" && codec != Store && len(packed) > len(plain)/2 {
					t.Errorf("%s of %q: %d bytes became %d", codec, name, len(plain), len(packed))
				}
				got, err := decode(packed, len(plain))
				if err != nil || !bytes.Equal(got, plain) {
					t.Errorf("%s of %q: %d bytes came back, %v", codec, name, len(got), err)
				}
				if _, err := decode(packed, len(plain)+1); err == nil {
					t.Errorf("%s of %q: a wrong length is taken", codec, name)
				}
			}
		}
	}
}

// describedCuts cuts as FORMAT.md says, a byte at a time.
func describedCuts(chunking Chunking, p chunkerParams, key [keySize]byte, data []byte) (ends []int) {
	h, _ := blake3.NewKeyed(key[:])
	_, _ = h.WriteString("tranship 1 gear")
	output := make([]byte, 256*8)
	_, _ = h.Digest().Read(output)
	a := bits.TrailingZeros(uint(p.Avg))
	start, hash, due := 0, uint64(0), false
	for i, b := range data {
		n := i - start // number of the byte in its chunk, from 0
		if !due && n >= p.Min {
			hash = 2*hash + binary.LittleEndian.Uint64(output[8*int(b):])
			highest := a + 1
			if n >= p.Avg {
				highest = a - 1
			}
			due = hash>>(64-highest) == 0
		}
		due = due || n+1 == p.Max
		if due && (chunking == Stream || b == '\n') || n+1 == p.Lines {
			ends = append(ends, i+1)
			start, hash, due = i+1, 0, false
		}
	}
	return ends
}

// TestCutsAreWhereTheFormatPutsThem holds the cuts of version 1: others would end deduplication with every earlier capture.
func TestCutsAreWhereTheFormatPutsThem(t *testing.T) {
	key := [keySize]byte{1, 2, 3}
	for _, chunking := range []Chunking{Stream, Lines} {
		data := testData(300_000, 700)
		want := describedCuts(chunking, smallChunker, key, data)
		got := cuts(newChunker(chunking, smallChunker, newGearTable(&key)), data, 1000)
		if len(got) != len(want) || len(want) < 100 {
			t.Fatalf("%s: %d cuts, want %d", chunking, len(got), len(want))
		}
		for i := range got {
			if got[i].end != want[i] {
				t.Fatalf("%s: cut %d is at %d, want %d", chunking, i, got[i].end, want[i])
			}
		}
	}
	// With the real sizes, over a stream that is easy to make elsewhere.
	h := blake3.New()
	_, _ = h.WriteString("tranship test vector")
	data := make([]byte, 6<<20)
	_, _ = h.Digest().Read(data)
	var ends []int
	for _, c := range cuts(newChunker(Stream, defaultChunker, newGearTable(&key)), data, len(data)) {
		ends = append(ends, c.end)
	}
	if want := describedCuts(Stream, defaultChunker, key, data); !slices.Equal(ends, want) {
		t.Errorf("cuts at %v, described at %v", ends, want)
	}
	if want := []int{1330207, 2060811, 2912212, 4797182, 5586341}; !slices.Equal(ends, want) {
		t.Errorf("cuts at %v, want %v", ends, want)
	}
}
