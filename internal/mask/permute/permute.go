// Package permute has keyed permutations of [0, n) for any n.
//
// Below one million values it is a table: a cyclic permutation drawn uniformly by Sattolo's algorithm, so that no value
// maps to itself (except for n = 1). From there on it is FF1 over the next power of two, walked until the result is back
// in range.
package permute

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/tranship/tranship/internal/mask/ff1"
)

// walkLimit bounds cycle walking. Each step is back in range with probability above one half, so a walk this long has a
// probability below 2⁻¹⁰²⁴: it means that the permutation is broken.
const walkLimit = 1024

// ErrEmpty is returned for a domain without values.
var ErrEmpty = errors.New("permute: the domain is empty")

// Permutation maps [0, n) to itself, one to one. It belongs to one goroutine.
type Permutation struct {
	n       uint64
	forward []uint32 // for small domains
	inverse []uint32 // made when Backward first needs it
	cipher  *ff1.Int // for all others
}

// New returns the permutation of [0, n) that the 32 byte key and the tweak select. A domain below one million values takes
// four bytes of memory per value and up to some ten milliseconds.
func New(key []byte, n uint64, tweak []byte) (*Permutation, error) {
	if n == 0 {
		return nil, ErrEmpty
	}
	if n < ff1.MinDomain {
		table, err := sattolo(key, int(n), tweak)
		if err != nil {
			return nil, err
		}
		return &Permutation{n: n, forward: table}, nil
	}
	c, err := ff1.NewInt(key, 2, bits.Len64(n-1), tweak)
	if err != nil {
		return nil, fmt.Errorf("permute [0, %d): %w", n, err)
	}
	return &Permutation{n: n, cipher: c}, nil
}

// Len returns n.
func (p *Permutation) Len() uint64 { return p.n }

// Forward returns where x goes. It panics when x is not below n.
func (p *Permutation) Forward(x uint64) uint64 {
	p.check(x)
	if p.forward != nil {
		return uint64(p.forward[x])
	}
	return p.walk(x, p.cipher.Encrypt)
}

// Backward is the inverse of Forward.
func (p *Permutation) Backward(x uint64) uint64 {
	p.check(x)
	if p.forward == nil {
		return p.walk(x, p.cipher.Decrypt)
	}
	if p.inverse == nil {
		p.inverse = make([]uint32, p.n)
		for from, to := range p.forward {
			p.inverse[to] = uint32(from)
		}
	}
	return uint64(p.inverse[x])
}

func (p *Permutation) check(x uint64) {
	if x >= p.n {
		panic(fmt.Sprintf("permute: a number outside [0, %d)", p.n))
	}
}

func (p *Permutation) walk(x uint64, step func(uint64) uint64) uint64 {
	for range walkLimit {
		if x = step(x); x < p.n {
			return x
		}
	}
	panic(fmt.Sprintf("permute: a cycle of [0, %d) does not come back", p.n))
}

// sattolo draws a uniform cyclic permutation from the stream that key, n and tweak select.
func sattolo(key []byte, n int, tweak []byte) ([]uint32, error) {
	s, err := newStream(key, n, tweak)
	if err != nil {
		return nil, err
	}
	table := make([]uint32, n)
	for i := range table {
		table[i] = uint32(i)
	}
	for i := n - 1; i > 0; i-- {
		j := s.below(uint32(i))
		table[i], table[j] = table[j], table[i]
	}
	return table, nil
}

// stream is AES-256 in counter mode as a source of numbers.
type stream struct {
	ctr cipher.Stream
	buf [512]byte
	at  int
}

func newStream(key []byte, n int, tweak []byte) (*stream, error) {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("sattolo 1"))
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	mac.Write(tweak)
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("permute [0, %d): %w", n, err)
	}
	s := &stream{ctr: cipher.NewCTR(block, make([]byte, aes.BlockSize))}
	s.at = len(s.buf)
	return s, nil
}

// below returns a uniform number in [0, n), without bias (Lemire's method).
func (s *stream) below(n uint32) uint32 {
	threshold := -n % n
	for {
		hi, lo := bits.Mul32(s.next(), n)
		if lo >= threshold {
			return hi
		}
	}
}

func (s *stream) next() uint32 {
	if s.at == len(s.buf) {
		clear(s.buf[:])
		s.ctr.XORKeyStream(s.buf[:], s.buf[:])
		s.at = 0
	}
	v := binary.BigEndian.Uint32(s.buf[s.at:])
	s.at += 4
	return v
}
