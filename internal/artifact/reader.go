package artifact

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

const (
	// readAhead is how many spans are fetched and opened at once.
	readAhead = 4
	// spanSize is what a span fetches at most, unless a single chunk is larger, in bytes.
	spanSize = 4 << 20
	// spanGap is what a span fetches in vain rather than ask twice, in bytes.
	spanGap = 128 << 10
	// spanRaw is what a span expands to at most, unless a single chunk is larger, in bytes.
	spanRaw = 8 << 20
	// spanChunks bounds the chunks of a span.
	spanChunks = 4096
)

// span is a run of chunks of a stream that lie close to each other in one pack: one request.
type span struct {
	first, count int64 // entries of the recipe
	raw          int64 // plain bytes of the entries that are wanted
	session      uint16
	pack         uint32
	offset       uint32
	length       uint32
	fetch        bool // false: nothing of it is wanted and lies in the store
}

// spans divides a recipe from entry first on; want says which entries are needed, all when nil. It yields spans in order;
// entries that are not wanted, or not stored, belong to a span too.
func (c *recipe) spans(first int64, want func(i int64) bool, yield func(span) bool) {
	s := span{first: first}
	for i := first; i < c.artifact.Chunks; i++ {
		e := c.entry(i)
		wanted := want == nil || want(i)
		raw := int64(0)
		if wanted {
			raw = int64(e.place.raw)
		}
		stored := wanted && e.flags&flagZero == 0
		if s.count > 0 && (s.count == spanChunks || s.raw+raw > spanRaw || stored && s.fetch && !s.joins(e.place)) {
			if !yield(s) {
				return
			}
			s = span{first: i}
		}
		s.count++
		s.raw += raw
		switch {
		case !stored:
		case s.fetch:
			s.length = e.place.offset + e.place.length - s.offset
		default:
			s.session, s.pack, s.offset, s.length, s.fetch = e.place.session, e.place.pack, e.place.offset, e.place.length, true
		}
	}
	if s.count > 0 {
		yield(s)
	}
}

func (s *span) joins(p place) bool {
	end := s.offset + s.length
	return p.session == s.session && p.pack == s.pack && p.offset >= end && p.offset-end <= spanGap && p.offset+p.length-s.offset <= spanSize
}

// Chunk is a piece of a stream. For Lines it holds whole rows, unless it says otherwise.
type Chunk struct {
	Index int64  // in the stream
	Plain Digest // of Data
	Data  []byte // the receiver's to keep
	// Continued: the last row goes on in the next chunk.
	Continued bool
}

// ChunkReader reads a stream chunk by chunk. It is used from one goroutine, and must be closed.
type ChunkReader struct {
	repo   *Repository
	recipe *recipe
	want   Artifact
	whole  bool // from the first chunk on, so that the chain can be verified
	chain  Digest
	next   int64

	queue  chan chan opened
	ready  []Chunk
	cancel context.CancelCauseFunc
	done   sync.WaitGroup
	ended  error // why reading ahead ended early; read after queue is closed
	err    error
}

type opened struct {
	chunks []Chunk
	err    error
}

// sessionOpener opens chunks of sessions, whose keys it reads once each.
type sessionOpener struct {
	repo  *Repository
	names []string
	mu    sync.Mutex
	keys  map[uint16]*openKeys
}

type openKeys struct {
	chunks  cipher.AEAD
	digests [keySize]byte
}

func (o *sessionOpener) open(ctx context.Context, number uint16) (*openKeys, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if k := o.keys[number]; k != nil {
		return k, nil
	}
	k, err := o.repo.openSessionKey(ctx, o.names[number])
	if err != nil {
		return nil, err
	}
	o.keys[number] = k
	return k, nil
}

// openSessionKey is the only way to the key of another session. It needs the private key.
func (r *Repository) openSessionKey(ctx context.Context, session string) (*openKeys, error) {
	if err := r.needPrivate("read contents"); err != nil {
		return nil, err
	}
	at := sessionKey(session, sessionKeyName)
	sealed, err := r.bucket.Get(ctx, at, maxFormat)
	if err != nil {
		return nil, fmt.Errorf("read the key of session %s: %w", session, err)
	}
	secret, err := r.domain.openWith(r.private, kindSession, at, sealed)
	if err != nil {
		return nil, err
	}
	if len(secret) != keySize {
		return nil, corrupt(at, "it has %d bytes", len(secret))
	}
	k := &openKeys{}
	k.chunks, k.digests = sessionKeys([keySize]byte(secret))
	return k, nil
}

// OpenChunks reads a stream of a capture from chunk first on. The artifact comes from a manifest, or from the session that
// wrote it. It needs the private key. Reading goes ahead in parallel until ctx ends or the reader is closed; memory is
// bounded by a few spans of 4 MiB and what they expand to.
func (r *Repository) OpenChunks(ctx context.Context, capture ID, a Artifact, first int64) (*ChunkReader, error) {
	c, err := r.openRecipe(ctx, capture, a)
	if err != nil {
		return nil, err
	}
	if first < 0 || first > c.artifact.Chunks {
		return nil, fault.New(fault.Permanent, "artifact.range", "stream %s: it has %d chunks, so none to start from at %d", a.Stream, a.Chunks, first)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	cr := &ChunkReader{
		repo: r, recipe: c, want: a, whole: first == 0, chain: chainStart, next: first,
		queue: make(chan chan opened, readAhead), cancel: cancel,
	}
	opener := &sessionOpener{repo: r, names: c.sessions, keys: map[uint16]*openKeys{}}
	cr.done.Go(func() { cr.readAhead(ctx, opener, first) })
	return cr, nil
}

// openRecipe reads the recipe of an artifact and checks that it is the one that the artifact names.
func (r *Repository) openRecipe(ctx context.Context, capture ID, a Artifact) (*recipe, error) {
	if err := r.checkTrust(capture); err != nil {
		return nil, err
	}
	if err := r.needPrivate("read stream " + a.Stream); err != nil {
		return nil, err
	}
	c, err := r.readRecipe(ctx, capture.String(), a.Stream)
	if err != nil {
		return nil, err
	}
	if c.artifact != a {
		return nil, corrupt(captureKey(capture.String(), a.Stream), "it is not the recipe that the manifest names")
	}
	return c, nil
}

// readAhead fetches spans, a few at a time, and queues their results in order.
func (cr *ChunkReader) readAhead(ctx context.Context, opener *sessionOpener, first int64) {
	defer close(cr.queue)
	cr.recipe.spans(first, nil, func(s span) bool {
		result := make(chan opened, 1)
		select {
		case cr.queue <- result:
		case <-ctx.Done():
			cr.ended = context.Cause(ctx)
			return false
		}
		cr.done.Go(func() {
			var o opened
			o.err = again(func() (err error) {
				o.chunks, err = cr.openSpan(ctx, opener, s)
				return err
			})
			result <- o
		})
		return true
	})
}

// again repeats what found a damaged object once: a store does not verify a part of an object that it sends, so the damage
// may have happened on the way.
func again(read func() error) error {
	err := read()
	if errors.Is(err, ErrCorrupt) {
		err = read()
	}
	return err
}

func (cr *ChunkReader) openSpan(ctx context.Context, opener *sessionOpener, s span) ([]Chunk, error) {
	var data []byte
	var keys *openKeys
	if s.fetch {
		var err error
		if keys, err = opener.open(ctx, s.session); err != nil {
			return nil, err
		}
		if data, err = cr.repo.fetch(ctx, opener.names[s.session], s); err != nil {
			return nil, err
		}
	}
	chunks := make([]Chunk, 0, s.count)
	for i := s.first; i < s.first+s.count; i++ {
		e := cr.recipe.entry(i)
		chunk := Chunk{Index: i, Continued: e.flags&flagContinued != 0}
		if e.flags&flagZero != 0 {
			chunk.Data = make([]byte, e.place.raw)
			chunk.Plain = plainDigest(chunk.Data)
		} else {
			at := packKey(opener.names[e.place.session], e.place.pack)
			packed, err := cr.repo.openChunk(at, keys.chunks, &e, sealedExtent(data, s, e.place))
			if err != nil {
				return nil, err
			}
			if chunk.Data, err = decode(packed, int(e.place.raw)); err != nil {
				return nil, corrupt(at, "chunk at %d: %w", e.place.offset, err)
			}
			if chunk.Plain = plainDigest(chunk.Data); cr.repo.keys.chunk(chunk.Plain) != e.id {
				return nil, corrupt(at, "chunk at %d: its content does not have its id", e.place.offset)
			}
		}
		chunks = append(chunks, chunk)
	}
	return chunks, nil
}

// fetch reads the bytes of a span.
func (r *Repository) fetch(ctx context.Context, session string, s span) ([]byte, error) {
	b, err := r.bucket.Range(ctx, packKey(session, s.pack), int64(s.offset), int64(s.length))
	if err != nil {
		return nil, fmt.Errorf("read a pack: %w", err)
	}
	return b, nil
}

// sealedExtent is the part of a span's bytes that belongs to one chunk, and no more of it.
func sealedExtent(data []byte, s span, p place) []byte {
	from := p.offset - s.offset
	to := from + p.length
	return data[from:to:to]
}

// openChunk returns the packed chunk, in place of the sealed one.
func (r *Repository) openChunk(at blob.Key, keys cipher.AEAD, e *recipeEntry, sealed []byte) ([]byte, error) {
	nonce := chunkNonce(e.place.pack, e.place.offset)
	packed, err := keys.Open(sealed[:0], nonce[:], sealed, r.domain.chunkAAD(e.id))
	if err != nil {
		return nil, corrupt(at, "chunk at %d does not open", e.place.offset)
	}
	return packed, nil
}

// Next returns the next chunk, or io.EOF after the last one, once the digest of the whole stream was found right.
func (cr *ChunkReader) Next() (Chunk, error) {
	for len(cr.ready) == 0 && cr.err == nil {
		result, more := <-cr.queue
		if !more {
			cr.err = cr.finish()
			break
		}
		o := <-result
		cr.ready, cr.err = o.chunks, o.err
	}
	if cr.err != nil {
		return Chunk{}, cr.err
	}
	chunk := cr.ready[0]
	cr.ready[0] = Chunk{}
	cr.ready = cr.ready[1:]
	cr.next++
	cr.chain = cr.chain.chain(chunk.Plain)
	if cr.next == cr.want.Chunks && cr.whole && cr.chain != cr.want.Plain {
		cr.err = corrupt(blob.Key(cr.want.Stream), "the digest of the stream is wrong")
		return Chunk{}, cr.err
	}
	return chunk, nil
}

// finish tells the end of the stream from the end of the context.
func (cr *ChunkReader) finish() error {
	if cr.next < cr.want.Chunks {
		return fmt.Errorf("read stream %s: it ended at chunk %d of %d: %w", cr.want.Stream, cr.next, cr.want.Chunks, cr.ended)
	}
	if cr.whole && cr.chain != cr.want.Plain {
		return corrupt(blob.Key(cr.want.Stream), "the digest of the stream is wrong")
	}
	return io.EOF
}

// Close ends reading ahead and waits for it.
func (cr *ChunkReader) Close() error {
	cr.cancel(ErrClosed)
	cr.done.Wait()
	if cr.err == nil {
		cr.err = fault.New(fault.Permanent, "artifact.closed", "stream %s: %w", cr.want.Stream, ErrClosed)
	}
	return nil
}

// OpenStream reads a whole stream; see OpenChunks. Every byte that Read returns was verified; io.EOF means that the stream
// is complete.
func (r *Repository) OpenStream(ctx context.Context, capture ID, a Artifact) (io.ReadCloser, error) {
	cr, err := r.OpenChunks(ctx, capture, a, 0)
	if err != nil {
		return nil, err
	}
	return &streamReader{chunks: cr}, nil
}

type streamReader struct {
	chunks *ChunkReader
	rest   []byte
}

// Read implements io.Reader.
func (s *streamReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(s.rest) == 0 {
		c, err := s.chunks.Next()
		if err != nil {
			return 0, err
		}
		s.rest = c.Data
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// WriteTo implements io.WriterTo: it saves io.Copy its buffer.
func (s *streamReader) WriteTo(w io.Writer) (n int64, err error) {
	for {
		if len(s.rest) > 0 {
			m, err := w.Write(s.rest)
			s.rest = s.rest[m:]
			n += int64(m)
			if err != nil {
				return n, err
			}
		}
		c, err := s.chunks.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		s.rest = c.Data
	}
}

// Close implements io.Closer.
func (s *streamReader) Close() error { return s.chunks.Close() }
