package artifact

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zeebo/blake3"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

// StreamConfig names a stream and says where it may be cut.
type StreamConfig struct {
	// Name is unique within the capture and tells nothing of the content, for the owner of the store sees it: 1 to 100
	// lower-case letters, digits and hyphens.
	Name     string
	Chunking Chunking
}

// Writer takes the bytes of one stream. It is used from one goroutine, beside other writers of its session.
type Writer struct {
	s       *Session
	name    string
	chunker *chunker
	buf     []byte // of the chunk that is being filled
	ended   bool

	// The rest belongs to the session's mutex.
	pending []*chunkState // in order, not known to be durable yet
	recipe  recipe        // of the durable prefix; recipe.artifact counts it
	table   sessionTable
	chunks  int64 // written, durable or not
	closing bool
}

// chunkState is a chunk of a stream on its way.
type chunkState struct {
	done  bool // plain, id and where it lies, or will lie, are known
	first bool // this stream is the one that stores the chunk
	flags uint8
	raw   uint32
	id    chunkID
	plain Digest
	slot  *slot // nil: known from earlier sessions, or zeros
	place place // when slot is nil
}

// job is a chunk on its way to a worker: its plain bytes or, from a copy, its packed bytes, which are nil when the
// session has the chunk.
type job struct {
	state  *chunkState
	plain  []byte
	packed []byte
	// claimed: the digest is known and the session has decided that this chunk is the one to be stored.
	claimed bool
}

func plainDigest(b []byte) Digest { return blake3.Sum256(b) }

// Stream begins a stream. It fails with ErrExists when the session has an open stream of that name; whether an earlier
// session finished the stream is for FinishedStreams to tell.
func (s *Session) Stream(_ context.Context, c StreamConfig) (*Writer, error) {
	if err := validateStream(c.Name); err != nil {
		return nil, err
	}
	switch c.Chunking {
	case Lines, Stream, Blocks:
	default:
		return nil, fault.New(fault.Permanent, "artifact.chunking", "stream %s: chunking %.20q is not known", c.Name, string(c.Chunking))
	}
	w := &Writer{s: s, name: c.Name, chunker: newChunker(c.Chunking, s.repo.format.Chunker, s.gear)}
	w.recipe.artifact = Artifact{Stream: c.Name, Chunking: c.Chunking, Plain: chainStart}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil {
		return nil, s.failure
	}
	if s.writers[c.Name] != nil {
		return nil, fault.New(fault.Conflict, "artifact.exists", "stream %s: %w", c.Name, ErrExists)
	}
	s.writers[c.Name] = w
	return w, nil
}

// Write takes p. It waits while as many chunks are on their way as the session may hold.
func (w *Writer) Write(p []byte) (int, error) {
	if w.ended {
		return 0, fault.New(fault.Permanent, "artifact.closed", "stream %s: %w", w.name, ErrClosed)
	}
	written := 0
	for len(p) > 0 {
		n, cut, continued := w.chunker.next(p)
		if w.buf == nil {
			w.buf = w.s.buffer()
		}
		w.buf = append(w.buf, p[:n]...)
		p = p[n:]
		written += n
		if cut {
			if err := w.emit(continued); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

// buffer returns an empty buffer for a chunk.
func (s *Session) buffer() []byte {
	select {
	case b := <-s.buffers:
		return b[:0]
	default:
		return make([]byte, 0, s.repo.format.Chunker.Avg*2)
	}
}

func (s *Session) recycle(b []byte) {
	select {
	case s.buffers <- b:
	default:
	}
}

// emit hands the chunk in w.buf to a worker.
func (w *Writer) emit(continued bool) error {
	state := &chunkState{raw: uint32(len(w.buf))}
	if continued {
		state.flags |= flagContinued
	}
	plain := w.buf
	w.buf = nil
	return w.submit(&job{state: state, plain: plain})
}

// submit puts a chunk at the end of the stream. A chunk whose digest is known is claimed here, in the order of the stream,
// so that of two equal ones the first, which has the bytes, is the one that is stored.
func (w *Writer) submit(j *job) error {
	s := w.s
	s.mu.Lock()
	switch {
	case s.failure != nil:
		s.mu.Unlock()
		return s.failure
	case w.chunks == maxRecipeChunks:
		s.mu.Unlock()
		return fault.New(fault.Permanent, "artifact.too-large", "stream %s: it has more than %d chunks", w.name, maxRecipeChunks).
			WithHint("divide the source into more units")
	}
	w.chunks++
	w.pending = append(w.pending, j.state)
	if j.claimed && !s.claim(j.state) {
		s.mu.Unlock()
		return nil
	}
	s.inWork++
	s.mu.Unlock()
	select {
	case s.jobs <- j:
		return nil
	case <-s.done:
		return s.err()
	}
}

// Close ends the stream. It returns when every chunk is durable and the recipe is in the store. A recipe of the same
// content that is there already, from another claim of the task, is adopted; one of another content gives ErrExists. Until
// the capture is committed nobody sees the stream.
func (w *Writer) Close() (Artifact, error) {
	if w.ended {
		return Artifact{}, fault.New(fault.Permanent, "artifact.closed", "stream %s: %w", w.name, ErrClosed)
	}
	if len(w.buf) > 0 {
		if err := w.emit(false); err != nil {
			w.Abort()
			return Artifact{}, err
		}
	}
	w.ended = true
	defer w.forget()
	if err := w.settle(); err != nil {
		return Artifact{}, err
	}
	var a Artifact
	err := w.s.do(func(ctx context.Context) (err error) {
		a, err = w.commit(ctx)
		return err
	})
	return a, err
}

// Abort gives the stream up. It is safe to call after Close, when it does nothing.
func (w *Writer) Abort() {
	w.ended = true
	w.buf = nil
	w.forget()
}

func (w *Writer) forget() {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.s.writers[w.name] == w {
		delete(w.s.writers, w.name)
		w.s.changed.Broadcast() // others may have waited for this one to fill a pack
	}
}

// settle waits until all chunks are durable. It sees to it that the last pack is sent: at once when no other writer can
// add to it, soon otherwise.
func (w *Writer) settle() error {
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	w.closing = true
	s.changed.Broadcast()
	var timer *time.Timer
	for {
		w.advance()
		switch {
		case s.failure != nil:
			return s.failure
		case len(w.pending) == 0:
			return nil
		case s.quiet():
			s.rotate()
		case timer == nil:
			timer = time.AfterFunc(linger, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.rotate()
			})
			defer timer.Stop()
		}
		s.changed.Wait()
	}
}

// quiet reports whether nothing more will come into the open pack for now. s.mu is held.
func (s *Session) quiet() bool {
	for _, w := range s.writers {
		if !w.closing {
			return false
		}
	}
	return s.inWork == 0
}

// advance moves the durable prefix over what has become durable, and reports whether it moved. s.mu is held.
func (w *Writer) advance() bool {
	n := 0
	for _, c := range w.pending {
		if !c.done || c.slot != nil && (c.slot.pack == nil || !c.slot.pack.durable) {
			break
		}
		n++
		w.append(c)
	}
	if n == 0 {
		return false
	}
	clear(w.pending[:n])
	w.pending = w.pending[n:]
	return true
}

// append adds a durable chunk to the recipe.
func (w *Writer) append(c *chunkState) {
	s, a := w.s, &w.recipe.artifact
	e := recipeEntry{flags: c.flags, place: c.place, id: c.id}
	if c.slot != nil {
		e.place = place{session: s.own, pack: c.slot.pack.seq, offset: c.slot.offset, length: c.slot.length}
	}
	e.place.raw = c.raw
	if c.flags&flagZero == 0 {
		// There are never more sessions in a recipe than in the session's own table, which has room.
		e.place.session, _ = w.table.number(s.known.sessions.names[e.place.session])
	}
	if c.first {
		a.Stored += int64(e.place.length)
	}
	a.Chunks++
	a.Bytes += int64(c.raw)
	a.Plain = a.Plain.chain(c.plain)
	s.durable.bytes += int64(c.raw)
	w.recipe.entries = appendEntry(w.recipe.entries, &e)
}

func (w *Writer) checkpoint() StreamCheckpoint {
	a := &w.recipe.artifact
	return StreamCheckpoint{Stream: a.Stream, Chunks: a.Chunks, Bytes: a.Bytes, Stored: a.Stored, Plain: a.Plain}
}

// commit writes the recipe, or adopts the one that is there.
func (w *Writer) commit(ctx context.Context) (Artifact, error) {
	s := w.s
	w.recipe.sessions = w.table.names
	at, object, digest := s.repo.sealRecipe(s.capture.String(), &w.recipe)
	if len(object) > blob.MaxObject {
		return Artifact{}, tooLarge("stream "+w.name+": chunks", int(w.chunks))
	}
	a := w.recipe.artifact
	a.Recipe = digest
	if err := s.repo.putOnce(ctx, at, object); errors.Is(err, blob.ErrExists) {
		there, err := s.repo.readRecipe(ctx, s.capture.String(), w.name)
		if err != nil {
			return Artifact{}, err
		}
		if !sameContent(there.artifact, a) {
			return Artifact{}, fault.New(fault.Conflict, "artifact.exists", "stream %s of capture %s: %w", w.name, s.capture, ErrExists)
		}
		a = there.artifact
	} else if err != nil {
		return Artifact{}, fmt.Errorf("store the recipe of stream %s: %w", w.name, err)
	}
	s.checkpoints.Lock()
	defer s.checkpoints.Unlock()
	s.mu.Lock()
	c := Checkpoint{Session: s.id, Packs: s.packs, Bytes: s.durable.bytes, Stored: s.durable.stored}
	s.mu.Unlock()
	c.Streams = []StreamCheckpoint{{Stream: a.Stream, Chunks: a.Chunks, Bytes: a.Bytes, Stored: a.Stored, Plain: a.Plain, Finished: true}}
	if err := s.notify(ctx, c); err != nil {
		s.fail(err)
		return Artifact{}, err
	}
	return a, nil
}

func sameContent(a, b Artifact) bool {
	return a.Plain == b.Plain && a.Bytes == b.Bytes && a.Chunks == b.Chunks && a.Chunking == b.Chunking
}
