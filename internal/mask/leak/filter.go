package leak

import (
	"hash/maphash"
	"math"
	"math/bits"
	"sync/atomic"
)

// filter is a Bloom filter of values. Its hash is keyed by a seed that this process draws and never shows, so nothing can
// be learned from its bits elsewhere. It is safe for concurrent use.
type filter struct {
	seed   maphash.Seed
	words  []atomic.Uint64
	probes int
}

// newFilter sizes a filter for n values within a bound of memory. Short of memory it has more false positives, which cost
// time and change no verdict. n may be a poor estimate, so there is always room for some.
func newFilter(n, memory int64) *filter {
	const bitsPerValue, room = 16, 1 << 20
	size := min(max(n, room)*bitsPerValue/8, memory) // bytes
	words := 1 << bits.Len64(uint64(max(size/8, 128)-1))
	if int64(words)*8 > max(memory, 1024) {
		words /= 2
	}
	probes := int(math.Round(math.Ln2 * float64(words) * 64 / float64(max(n, 1))))
	return &filter{seed: maphash.MakeSeed(), words: make([]atomic.Uint64, words), probes: min(max(probes, 1), 8)}
}

func (f *filter) add(value []byte) {
	h := maphash.Bytes(f.seed, value)
	step := h>>17 | 1
	for range f.probes {
		f.words[h>>6&uint64(len(f.words)-1)].Or(1 << (h & 63))
		h = bits.RotateLeft64(h, 21) + step
	}
}

func (f *filter) has(value []byte) bool {
	h := maphash.Bytes(f.seed, value)
	step := h>>17 | 1
	for range f.probes {
		if f.words[h>>6&uint64(len(f.words)-1)].Load()&(1<<(h&63)) == 0 {
			return false
		}
		h = bits.RotateLeft64(h, 21) + step
	}
	return true
}
