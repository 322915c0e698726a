package artifact

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/zeebo/blake3"
)

// chunkerParams are the sizes of chunks in bytes, as format.json has them.
type chunkerParams struct {
	Min   int `json:"min"`
	Avg   int `json:"avg"` // power of two
	Max   int `json:"max"`
	Lines int `json:"lines"` // most that a Lines chunk grows to until its row ends
	Block int `json:"block"`
}

var defaultChunker = chunkerParams{Min: 512 << 10, Avg: 1 << 20, Max: 4 << 20, Lines: maxChunk, Block: 1 << 20}

// maxChunk is the largest plain chunk in bytes that any repository may have.
const maxChunk = 8 << 20

func (p chunkerParams) validate() error {
	if p.Min < 64 || p.Avg <= p.Min || p.Max <= p.Avg || p.Lines < p.Max || p.Lines > maxChunk ||
		bits.OnesCount(uint(p.Avg)) != 1 || p.Block < 512 || p.Block > maxChunk {
		return fmt.Errorf("chunk sizes %+v make no sense", p)
	}
	return nil
}

// gearTable is what the rolling hash adds for each byte. It is secret, so that cuts alone do not identify a known file.
type gearTable [256]uint64

func newGearTable(key *[keySize]byte) *gearTable {
	h, err := blake3.NewKeyed(key[:])
	if err != nil {
		panic("artifact: keyed BLAKE3: " + err.Error()) // only for keys of another length
	}
	_, _ = h.WriteString("tranship 1 gear")
	stream := h.Digest()
	var t gearTable
	var b [8]byte
	for i := range t {
		_, _ = stream.Read(b[:]) // an unlimited stream
		t[i] = binary.LittleEndian.Uint64(b[:])
	}
	return &t
}

// chunker finds the cuts of one stream. It starts anew at each cut, so where a stream is cut depends on nothing but the
// bytes since the last cut. How the stream is divided into calls does not matter.
type chunker struct {
	chunking Chunking
	p        chunkerParams
	gear     *gearTable
	// The cut is looked for with a harder condition before the average size and an easier one after it, which narrows the
	// distribution of sizes.
	hard, easy uint64

	pos  int    // bytes since the last cut
	hash uint64 // of the last 64 bytes, as far as they are past p.Min
	row  bool   // a Lines cut is due at the end of the row
}

func newChunker(c Chunking, p chunkerParams, gear *gearTable) *chunker {
	avg := bits.Len(uint(p.Avg)) - 1
	return &chunker{chunking: c, p: p, gear: gear, hard: ^uint64(0) << (64 - avg - 1), easy: ^uint64(0) << (64 - avg + 1)}
}

// next consumes bytes from p up to the next cut. It returns how many it consumed, whether there is a cut after them, and
// whether the cut is within a row.
func (c *chunker) next(p []byte) (n int, cut, continued bool) {
	if c.chunking == Blocks {
		n = min(len(p), c.p.Block-c.pos)
		return c.advance(n, c.pos+n == c.p.Block, false)
	}
	if !c.row {
		var found bool
		n, found = c.scan(p)
		if !found {
			return c.advance(n, false, false)
		}
		if c.chunking != Lines || p[n-1] == '\n' {
			return c.advance(n, true, false)
		}
		c.row = true
		c.pos += n
	}
	rest := p[n:]
	room := c.p.Lines - c.pos
	if i := bytes.IndexByte(rest[:min(len(rest), room)], '\n'); i >= 0 {
		m, cut, continued := c.advance(i+1, true, false)
		return n + m, cut, continued
	}
	m := min(len(rest), room)
	_, cut, continued = c.advance(m, m == room, true)
	return n + m, cut, continued && cut
}

func (c *chunker) advance(n int, cut, continued bool) (int, bool, bool) {
	c.pos += n
	if cut {
		c.pos, c.hash, c.row = 0, 0, false
	}
	return n, cut, continued && cut
}

// scan looks for a cut by content or by size. c.pos is not changed.
func (c *chunker) scan(p []byte) (n int, found bool) {
	pos, h, gear := c.pos, c.hash, c.gear
	i := min(len(p), max(0, c.p.Min-pos))
	for _, stage := range [2]struct {
		end  int
		mask uint64
	}{{c.p.Avg, c.hard}, {c.p.Max, c.easy}} {
		end := min(len(p), stage.end-pos)
		for ; i < end; i++ {
			h = h<<1 + gear[p[i]]
			if h&stage.mask == 0 {
				return i + 1, true
			}
		}
	}
	c.hash = h
	return i, pos+i == c.p.Max
}

func isZero(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
