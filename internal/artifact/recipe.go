package artifact

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/zeebo/blake3"

	"github.com/tranship/tranship/internal/blob"
)

// recipe says how to put a stream together again. Its entries stay encoded, for there may be a million of them.
type recipe struct {
	artifact Artifact // without Recipe
	sessions []string
	entries  []byte
}

// recipeEntry is one chunk of a stream.
type recipeEntry struct {
	flags uint8
	place place // session is a number in recipe.sessions
	id    chunkID
}

// Flags of a recipe entry.
const (
	// flagZero: the chunk is all zeros and stored nowhere.
	flagZero uint8 = 1 << iota
	// flagContinued: the row goes on in the next chunk.
	flagContinued
)

const (
	recipeVersion   = 1
	recipeEntrySize = 1 + 2 + 4*4 + 32
	// maxRecipeChunks keeps a recipe within one object.
	maxRecipeChunks = 1 << 20
)

var errRecipe = errors.New("the recipe has a wrong form")

// chainStart is the digest of an empty stream.
var chainStart = Digest(blake3.Sum256([]byte("tranship 1 stream")))

// chain adds a chunk to the digest of a stream.
func (d Digest) chain(plain Digest) Digest {
	var both [64]byte
	copy(both[:], d[:])
	copy(both[32:], plain[:])
	return blake3.Sum256(both[:])
}

func appendEntry(b []byte, e *recipeEntry) []byte {
	b = append(b, e.flags)
	b = binary.BigEndian.AppendUint16(b, e.place.session)
	b = binary.BigEndian.AppendUint32(b, e.place.pack)
	b = binary.BigEndian.AppendUint32(b, e.place.offset)
	b = binary.BigEndian.AppendUint32(b, e.place.length)
	b = binary.BigEndian.AppendUint32(b, e.place.raw)
	return append(b, e.id[:]...)
}

// entry returns the i-th entry.
func (c *recipe) entry(i int64) recipeEntry {
	b := c.entries[i*recipeEntrySize:]
	return recipeEntry{
		flags: b[0],
		place: place{
			session: binary.BigEndian.Uint16(b[1:]),
			pack:    binary.BigEndian.Uint32(b[3:]),
			offset:  binary.BigEndian.Uint32(b[7:]),
			length:  binary.BigEndian.Uint32(b[11:]),
			raw:     binary.BigEndian.Uint32(b[15:]),
		},
		id: chunkID(b[19:]),
	}
}

func (c *recipe) encode() []byte {
	a := &c.artifact
	b := make([]byte, 0, 128+len(c.entries))
	b = append(b, recipeVersion)
	b = appendString(b, a.Stream)
	b = appendString(b, string(a.Chunking))
	b = binary.BigEndian.AppendUint64(b, uint64(a.Bytes))
	b = binary.BigEndian.AppendUint64(b, uint64(a.Stored))
	b = binary.BigEndian.AppendUint64(b, uint64(a.Chunks))
	b = append(b, a.Plain[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(c.sessions)))
	for _, s := range c.sessions {
		b = appendString(b, s)
	}
	return append(b, c.entries...)
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func decodeRecipe(b []byte) (*recipe, error) {
	c := &recipe{}
	r := byteReader{b: b}
	if r.take(1)[0] != recipeVersion {
		return nil, errRecipe
	}
	c.artifact = Artifact{Stream: r.string(), Chunking: Chunking(r.string()), Bytes: r.int64(), Stored: r.int64(), Chunks: r.int64()}
	copy(c.artifact.Plain[:], r.take(32))
	n := binary.BigEndian.Uint32(r.take(4))
	if n > maxSessions {
		return nil, errRecipe
	}
	for range n {
		if r.failed {
			break
		}
		c.sessions = append(c.sessions, r.string())
	}
	c.entries = r.b
	if r.failed || c.artifact.Chunks > maxRecipeChunks || int64(len(c.entries)) != c.artifact.Chunks*recipeEntrySize {
		return nil, errRecipe
	}
	return c, c.validate()
}

func (c *recipe) validate() error {
	var bytes int64
	for i := range c.artifact.Chunks {
		e := c.entry(i)
		if e.flags&^(flagZero|flagContinued) != 0 || e.place.raw == 0 || e.place.raw > maxChunk {
			return errRecipe
		}
		bytes += int64(e.place.raw)
		if e.flags&flagZero != 0 {
			continue
		}
		if int(e.place.session) >= len(c.sessions) || validateExtent(e.place.offset, e.place.length, e.place.raw) != nil {
			return errRecipe
		}
	}
	if bytes != c.artifact.Bytes {
		return errRecipe
	}
	for _, s := range c.sessions {
		if validateSession(s) != nil {
			return errRecipe
		}
	}
	return nil
}

// byteReader reads a binary form. After a failure it yields zeros.
type byteReader struct {
	b      []byte
	failed bool
}

func (r *byteReader) take(n int) []byte {
	if len(r.b) < n {
		r.b, r.failed = nil, true
		return make([]byte, n)
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *byteReader) string() string {
	return string(r.take(int(binary.BigEndian.Uint16(r.take(2)))))
}

func (r *byteReader) int64() int64 {
	n := binary.BigEndian.Uint64(r.take(8))
	if n > math.MaxInt64 {
		r.failed = true
		return 0
	}
	return int64(n)
}

// seal returns the object and its digest.
func (r *Repository) sealRecipe(capture string, c *recipe) (blob.Key, []byte, Digest) {
	at := captureKey(capture, c.artifact.Stream)
	object := r.domain.seal(nil, &r.keys.index, kindRecipe, at, c.encode())
	return at, object, blake3.Sum256(object)
}

// readRecipe returns the recipe of a stream and fills in its digest.
func (r *Repository) readRecipe(ctx context.Context, capture, stream string) (*recipe, error) {
	if err := validateStream(stream); err != nil {
		return nil, err
	}
	at := captureKey(capture, stream)
	object, err := r.bucket.Get(ctx, at, blob.MaxObject)
	if err != nil {
		return nil, fmt.Errorf("read the recipe of stream %s of capture %s: %w", stream, capture, err)
	}
	b, err := r.domain.open(&r.keys.index, kindRecipe, at, object)
	if err != nil {
		return nil, err
	}
	c, err := decodeRecipe(b)
	if err != nil {
		return nil, corrupt(at, "%w", err)
	}
	if c.artifact.Stream != stream {
		return nil, corrupt(at, "it is the recipe of stream %.100q", c.artifact.Stream)
	}
	c.artifact.Recipe = blake3.Sum256(object)
	return c, nil
}
