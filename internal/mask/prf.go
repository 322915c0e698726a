package mask

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math/bits"
)

// PRF is the keyed function below every mask: HMAC-SHA-256 over identity, mask, formatter version and canonical value, each
// with its length before it, so that no two different inputs share a message. It reuses its state and allocates nothing per
// call; it belongs to one goroutine.
type PRF struct {
	mac    hash.Hash
	prefix []byte
	out    [sha256.Size]byte
	length [4]byte
}

// NewPRF returns the PRF of an identity under a mask and a version of its formatter.
func NewPRF(key Key, identity, mask string, version int) *PRF {
	var prefix []byte
	for _, part := range []string{identity, mask} {
		prefix = binary.BigEndian.AppendUint32(prefix, uint32(len(part)))
		prefix = append(prefix, part...)
	}
	prefix = binary.BigEndian.AppendUint32(prefix, uint32(version))
	return &PRF{mac: hmac.New(sha256.New, key.Bytes()), prefix: prefix}
}

// PRF returns the PRF of cfg's identity under a mask.
func (e *Epoch) PRF(identity, mask string, version int) *PRF {
	return NewPRF(e.Key(identity, mask), identity, mask, version)
}

// Sum returns the 32 bytes for canon. They stay valid until the next call of any method.
func (p *PRF) Sum(canon []byte) []byte { return p.sum(canon, 0) }

// Redraw returns other 32 bytes for the same canon; round counts from 1. A mask redraws when the first draw is the input.
func (p *PRF) Redraw(canon []byte, round int) []byte { return p.sum(canon, round) }

func (p *PRF) sum(canon []byte, round int) []byte {
	p.mac.Reset()
	p.mac.Write(p.prefix)
	binary.BigEndian.PutUint32(p.length[:], uint32(len(canon)))
	p.mac.Write(p.length[:])
	p.mac.Write(canon)
	if round > 0 {
		binary.BigEndian.PutUint32(p.length[:], uint32(round))
		p.mac.Write(p.length[:])
	}
	return p.mac.Sum(p.out[:0])
}

// Index maps the first 8 bytes of sum to [0, n). The bias is below n/2⁶⁴.
func Index(sum []byte, n int) int {
	hi, _ := bits.Mul64(binary.BigEndian.Uint64(sum), uint64(n))
	return int(hi)
}
