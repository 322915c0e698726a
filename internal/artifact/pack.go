package artifact

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

const (
	// packSize is what the chunks of a pack take at most, in bytes.
	packSize = 16 << 20
	// maxPackChunks bounds the footer.
	maxPackChunks = 4096
	footerRoom    = 4 + maxPackChunks*indexEntrySize + sealExtra + 4
)

// pack gathers sealed chunks. Its fields belong to the session's mutex, but the bytes of an extent belong to whoever
// reserved it until it is sealed.
type pack struct {
	seq     uint32
	buf     []byte // of length packSize and some room for the footer
	used    int
	entries []indexEntry
	plains  []Digest // of entries
	sealing int      // extents that are reserved and not sealed yet
	closed  bool     // takes no more chunks
	durable bool     // is in the store, with its index segment
}

func newPackBuffer() []byte { return make([]byte, packSize+footerRoom) }

func (p *pack) fits(n int) bool {
	return p.used+n <= packSize && len(p.entries) < maxPackChunks
}

// reserve takes n bytes, which must fit, for a chunk.
func (p *pack) reserve(id chunkID, plain Digest, n int, raw uint32) (offset uint32) {
	offset = uint32(p.used)
	p.used += n
	p.entries = append(p.entries, indexEntry{id: id, offset: offset, length: uint32(n), raw: raw})
	p.plains = append(p.plains, plain)
	p.sealing++
	return offset
}

// chunkNonce is unique under a session key: an extent of a pack is sealed once.
func chunkNonce(seq, offset uint32) [12]byte {
	var n [12]byte
	binary.BigEndian.PutUint32(n[:], seq)
	binary.BigEndian.PutUint32(n[8:], offset)
	return n
}

// chunkAAD binds a sealed chunk to keyset, trust and id.
func (d domain) chunkAAD(id chunkID) []byte {
	return append([]byte("tranship 1\x00"+d.keyset+"\x00"+string(d.trust)+"\x00chunk\x00"), id[:]...)
}

// finish appends the sealed footer and its length, and returns the object.
func (p *pack) finish(d domain, indexKey *[keySize]byte, at blob.Key, index []byte) []byte {
	b := d.seal(p.buf[:p.used], indexKey, kindFooter, at, index)
	return binary.BigEndian.AppendUint32(b, uint32(len(b)-p.used))
}

func encodeDigests(entries []indexEntry, plains []Digest) []byte {
	b := make([]byte, 0, len(entries)*2*32)
	for i := range entries {
		b = append(append(b, entries[i].id[:]...), plains[i][:]...)
	}
	return b
}

// decodeDigests yields the pairs of id and plain digest.
func decodeDigests(b []byte, yield func(chunkID, Digest)) error {
	if len(b)%64 != 0 {
		return fmt.Errorf("%d bytes are not pairs of digests", len(b))
	}
	for ; len(b) > 0; b = b[64:] {
		yield(chunkID(b), Digest(b[32:64]))
	}
	return nil
}

// store makes the pack durable: first the digests, which mean nothing without the pack; then the pack, from when on its
// chunks can be found; then the index segment, which spares readers the footer.
func (s *Session) store(ctx context.Context, p *pack) error {
	r := s.repo
	at := segmentKey(s.id, "d", p.seq)
	digests := r.domain.seal(nil, &s.digestKey, kindDigests, at, encodeDigests(p.entries, p.plains))
	if err := r.putOnce(ctx, at, digests); err != nil {
		return fmt.Errorf("store the digests of a pack: %w", err)
	}
	index := encodeIndex(p.entries)
	at = packKey(s.id, p.seq)
	object := p.finish(r.domain, &r.keys.index, at, index)
	sum := crc32.Checksum(object, blob.Castagnoli)
	if err := r.bucket.Put(ctx, at, object, blob.PutOptions{IfNotExists: true, CRC32C: &sum}); err != nil {
		return fmt.Errorf("store a pack: %w", err)
	}
	at = segmentKey(s.id, "i", p.seq)
	if err := r.putOnce(ctx, at, r.domain.seal(nil, &r.keys.index, kindIndex, at, index)); err != nil {
		return fmt.Errorf("store an index segment: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.summary = appendSummary(s.summary, p.seq, index)
	return nil
}

// readFooter returns the index of a pack from the pack itself.
func (r *Repository) readFooter(ctx context.Context, session string, seq uint32) ([]byte, blob.Key, error) {
	at := packKey(session, seq)
	info, err := r.bucket.Stat(ctx, at)
	if err != nil {
		return nil, at, fmt.Errorf("read the footer of a pack: %w", err)
	}
	if info.Size < 4 {
		return nil, at, corrupt(at, "it is too short for a pack")
	}
	tail, err := r.bucket.Range(ctx, at, info.Size-4, 4)
	if err != nil {
		return nil, at, fmt.Errorf("read the footer of a pack: %w", err)
	}
	n := int64(binary.BigEndian.Uint32(tail))
	if n > int64(footerRoom) || n > info.Size-4 || n == 0 {
		return nil, at, corrupt(at, "its footer has no sensible length")
	}
	sealed, err := r.bucket.Range(ctx, at, info.Size-4-n, n)
	if err != nil {
		return nil, at, fmt.Errorf("read the footer of a pack: %w", err)
	}
	b, err := r.domain.open(&r.keys.index, kindFooter, at, sealed)
	return b, at, err
}

func tooLarge(what string, n int) error {
	return fault.New(fault.Permanent, "artifact.too-large", "%s: %d are too many", what, n)
}
