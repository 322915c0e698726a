package artifact

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

// SessionConfig says on whose behalf a session writes.
type SessionConfig struct {
	Run     string
	Task    string // names the task within the run
	Fence   uint64 // of the claim
	Capture ID     // that the streams belong to; of the repository's trust
	// Parents are committed captures of this repository. Their chunks are not stored again.
	Parents []ID
	// Abandoned are captures of this run that were given up. What they stored is not stored again. The sessions of dead
	// claims on Capture itself are found without being named.
	Abandoned []ID
	// OnCheckpoint is called after a pack or a stream has become durable, from one goroutine at a time. An error ends the
	// session with that error. Optional.
	OnCheckpoint func(ctx context.Context, c Checkpoint) error
	// Workers is the number of goroutines that hash, compress and seal; that of the processors when 0.
	Workers int
	// Uploads is the number of packs that are sent at once; 4 when 0. Each costs 16 MiB.
	Uploads int
	// Codec of the chunks.
	Codec Codec
}

// Checkpoint says what is durable.
type Checkpoint struct {
	Session string
	Packs   int   // of this session
	Bytes   int64 // plain, of all streams of the session, durable
	Stored  int64 // sealed, of all streams of the session, durable
	// Streams that advanced since the last checkpoint.
	Streams []StreamCheckpoint
}

// StreamCheckpoint is the durable prefix of a stream.
type StreamCheckpoint struct {
	Stream string `json:"stream"`
	Chunks int64  `json:"chunks"`
	Bytes  int64  `json:"bytes"`
	Stored int64  `json:"stored"`
	// Plain is the chained digest over the prefix.
	Plain Digest `json:"plain"`
	// Finished: the stream is closed and its recipe is in the store.
	Finished bool `json:"finished"`
}

// Stats counts the work of a session.
type Stats struct {
	Bytes   int64 // plain bytes written to its streams
	Stored  int64 // sealed bytes that it sent
	Skipped int64 // plain bytes that the store had already
	Chunks  int64
	Packs   int64
}

// Session writes streams into a capture, for one claim of a task. All its methods, and those of its writers, may be called
// from several goroutines, each writer from one. It ends with its context: then every writer fails.
type Session struct {
	repo      *Repository
	id        string
	capture   ID
	config    SessionConfig
	sealer    cipher.AEAD
	digestKey [keySize]byte
	gear      *gearTable
	// zeroBlock is the plain digest of a whole block of zeros.
	zeroBlock Digest

	jobs    chan *job
	tasks   chan func(ctx context.Context) error
	buffers chan []byte // chunks, to be used again
	done    chan struct{}
	stop    func() bool
	workers sync.WaitGroup
	uploads sync.WaitGroup

	checkpoints sync.Mutex // one call of OnCheckpoint at a time

	mu      sync.Mutex
	changed sync.Cond // a pack became durable, a job was done, a buffer came back, or the session failed
	failure error
	closed  bool
	known   *placeIndex
	fresh   map[chunkID]*slot
	own     uint16 // number of this session in known.sessions
	open    *pack
	seq     uint32
	free    [][]byte // pack buffers
	made    int      // pack buffers
	queued  int      // packs that wait for an upload or are being sent
	inWork  int      // chunks between a writer and a pack
	writers map[string]*Writer
	stats   Stats
	packs   int
	summary []byte // index segments of the durable packs
	durable struct{ bytes, stored int64 }
}

// slot is where a chunk of this session will lie.
type slot struct {
	pack           *pack // nil until it has a place
	offset, length uint32
}

const (
	defaultUploads = 4
	// linger is how long a stream that is being closed waits for others to fill the pack that it needs.
	linger = 200 * time.Millisecond
)

// Begin starts a session: it writes a lease, then checks that the parents may be built upon, then makes a key of its own
// and loads what earlier sessions stored. It returns ErrVoid when the capture was given up, ErrRetired or ErrNotCommitted
// for a parent that cannot be built upon. It needs the public and the writer key. Close ends the session; the lease stays
// until the capture is committed or given up.
func (r *Repository) Begin(ctx context.Context, c SessionConfig) (*Session, error) {
	if err := r.validateSession(&c); err != nil {
		return nil, err
	}
	var unique [4]byte
	_, _ = rand.Read(unique[:]) // never fails
	s := &Session{
		repo: r, capture: c.Capture, config: c,
		id:      fmt.Sprintf("%s-%s-%d-%s", c.Capture, c.Task, c.Fence, hex.EncodeToString(unique[:])),
		jobs:    make(chan *job),
		tasks:   make(chan func(context.Context) error),
		buffers: make(chan []byte, c.Workers+16),
		done:    make(chan struct{}),
		fresh:   map[chunkID]*slot{},
		writers: map[string]*Writer{},
		gear:    newGearTable(&r.keys.gear),
	}
	s.changed.L = &s.mu
	s.zeroBlock = plainDigest(make([]byte, r.format.Chunker.Block))

	l := lease{
		Session: s.id, Run: c.Run, Capture: c.Capture.String(), Created: r.clock.Now().UTC(),
		Parents: idNames(c.Parents), Abandoned: idNames(c.Abandoned),
	}
	if err := r.putLease(ctx, l); err != nil {
		return nil, err
	}
	earlier, err := r.earlierSessions(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := s.makeKey(ctx); err != nil {
		return nil, err
	}
	if s.known, err = r.loadIndex(ctx, earlier); err != nil {
		return nil, err
	}
	if s.own, err = s.known.sessions.number(s.id); err != nil {
		return nil, fault.New(fault.Permanent, "artifact.sessions", "begin a session: %w", err)
	}
	s.start(ctx)
	return s, nil
}

func idNames(ids []ID) []string {
	names := make([]string, 0, len(ids))
	for _, id := range ids {
		names = append(names, id.String())
	}
	return names
}

func (r *Repository) validateSession(c *SessionConfig) error {
	if err := r.needWriter("write to the repository"); err != nil {
		return err
	}
	if err := errors.Join(validateName("run", c.Run), validateName("task", c.Task)); err != nil {
		return err
	}
	for _, id := range append(append([]ID{c.Capture}, c.Parents...), c.Abandoned...) {
		if err := r.checkTrust(id); err != nil {
			return err
		}
	}
	switch c.Codec {
	case Auto, Store, S2, Zstd:
	default:
		return fault.New(fault.Permanent, "artifact.codec", "codec %.20q is not known", string(c.Codec))
	}
	if c.Workers <= 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Uploads <= 0 {
		c.Uploads = defaultUploads
	}
	return nil
}

// earlierSessions returns the sessions whose chunks may be used: those that the parents name, and those of this run on
// this capture or an abandoned one.
func (r *Repository) earlierSessions(ctx context.Context, c SessionConfig) ([]string, error) {
	var sessions []string
	for _, id := range c.Parents {
		p, err := r.checkUsable(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("build on a parent: %w", err)
		}
		sessions = append(sessions, p.Sessions...)
	}
	// A void marker of this capture must stop a claim that came too late.
	if _, _, err := r.clear(ctx, c.Capture.String()); errors.Is(err, ErrVoid) {
		return nil, err
	} else if err != nil && !errors.Is(err, ErrNotCommitted) {
		return nil, err
	}
	mine := map[string]bool{c.Capture.String(): true}
	for _, id := range c.Abandoned {
		mine[id.String()] = true
	}
	leases, err := r.leases(ctx, c.Run)
	if err != nil {
		return nil, err
	}
	for _, l := range leases {
		if mine[l.Capture] && !l.Reads {
			sessions = append(sessions, l.Session)
		}
	}
	for _, s := range sessions {
		if err := validateSession(s); err != nil {
			return nil, err
		}
	}
	return sortedNames(sessions...), nil
}

// validateSession admits what Begin makes.
func validateSession(name string) error {
	if len(name) > 255 || len(name) == 0 {
		return fault.New(fault.Permanent, "name.invalid", "session %.20q: must have 1 to 255 characters", name)
	}
	for part := name; part != ""; part = part[min(len(part), maxName):] {
		if err := validateName("session", part[:min(len(part), maxName)]); err != nil {
			return err
		}
	}
	return nil
}

// sessionKeyName names the first, and so far only, secret of a session.
const sessionKeyName = "key.1"

// makeKey draws the session's secret and seals it to the location. From then on only this process and holders of the
// private key have it.
func (s *Session) makeKey(ctx context.Context) error {
	var secret [keySize]byte
	_, _ = rand.Read(secret[:]) // never fails
	at := sessionKey(s.id, sessionKeyName)
	sealed, err := s.repo.domain.sealTo(s.repo.public, kindSession, at, secret[:])
	if err != nil {
		return err
	}
	if err := s.repo.putOnce(ctx, at, sealed); err != nil {
		return fmt.Errorf("store the key of the session: %w", err)
	}
	s.sealer, s.digestKey = sessionKeys(secret)
	return nil
}

// sessionKeys returns what seals chunks and what seals their plain digests.
func sessionKeys(secret [keySize]byte) (chunks cipher.AEAD, digests [keySize]byte) {
	data := expand(secret[:], "chunks", "")
	return newGCM(&data), expand(secret[:], "digests", "")
}

// String returns the id: no format verb shows the session's keys.
func (s *Session) String() string { return s.id }

// GoString returns the id.
func (s *Session) GoString() string { return s.id }

// ID names the session in keys and manifests.
func (s *Session) ID() string { return s.id }

// Capture returns the capture that it writes to.
func (s *Session) Capture() ID { return s.capture }

// Stats returns the counts so far.
func (s *Session) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// start runs the workers and the uploaders until Close or until ctx ends.
func (s *Session) start(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(ctx, func() { s.fail(context.Cause(ctx)) })
	s.stop = func() bool {
		stopped := stop()
		cancel(ErrClosed)
		return stopped
	}
	for range s.config.Workers {
		s.workers.Go(func() { s.work(s.jobs) })
	}
	for range s.config.Uploads {
		s.uploads.Go(func() {
			for {
				select {
				case task := <-s.tasks:
					if err := task(ctx); err != nil {
						s.fail(err)
					}
				case <-s.done:
					return
				}
			}
		})
	}
}

// fail ends the session; the first error counts.
func (s *Session) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failLocked(err)
}

func (s *Session) failLocked(err error) {
	if s.failure == nil {
		s.failure = err
		close(s.done)
		s.changed.Broadcast()
	}
}

func (s *Session) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}

// Close ends the session and waits for its goroutines. Writers that were not closed are aborted: what they wrote is not
// part of the capture, though a later session finds their durable chunks. It returns the error that ended the session
// before, if any.
func (s *Session) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	err := s.failure
	orderly := err == nil && len(s.writers) == 0
	s.mu.Unlock()
	if orderly {
		err = s.do(s.putSummary)
	}
	s.fail(fault.New(fault.Permanent, "artifact.closed", "session %s: %w", s.id, ErrClosed))
	s.stop()
	s.workers.Wait()
	s.uploads.Wait()
	s.mu.Lock()
	s.free, s.open = nil, nil // a closed session that is still referred to holds no packs
	s.mu.Unlock()
	return err
}

// do runs f in an uploader and waits for it, or for the end of the session.
func (s *Session) do(f func(ctx context.Context) error) error {
	result := make(chan error, 1)
	select {
	case s.tasks <- func(ctx context.Context) error {
		err := f(ctx)
		result <- err
		return nil
	}:
	case <-s.done:
		return s.err()
	}
	// The uploader always answers: f ends when the session's context does.
	return <-result
}

// rotate closes the open pack and sends it once all its chunks are sealed. s.mu is held.
func (s *Session) rotate() {
	p := s.open
	if p == nil || len(p.entries) == 0 {
		return
	}
	s.open = nil
	p.closed = true
	if p.sealing == 0 {
		s.send(p)
	}
}

// send hands a pack to an uploader. s.mu is held, so it does not wait: one goroutine per pack in flight does, and pack
// buffers bound their number.
func (s *Session) send(p *pack) {
	if s.failure != nil {
		return
	}
	s.queued++
	s.uploads.Go(func() {
		select {
		case s.tasks <- func(ctx context.Context) error { return s.upload(ctx, p) }:
		case <-s.done:
		}
	})
}

// upload makes a pack durable and saves what that makes durable of the streams.
func (s *Session) upload(ctx context.Context, p *pack) error {
	if err := s.store(ctx, p); err != nil {
		return err
	}
	s.checkpoints.Lock()
	defer s.checkpoints.Unlock()
	s.mu.Lock()
	p.durable = true
	s.free = append(s.free, p.buf)
	p.buf, p.plains = nil, nil
	s.queued--
	s.packs++
	s.stats.Packs++
	for i := range p.entries {
		s.durable.stored += int64(p.entries[i].length)
	}
	p.entries = nil
	c := s.advanceAll()
	s.changed.Broadcast()
	s.mu.Unlock()
	for i := range c.Streams {
		if err := s.putCheckpoint(ctx, p.seq, &c.Streams[i]); err != nil {
			return err
		}
	}
	return s.notify(ctx, c)
}

// advanceAll moves the durable prefix of every open stream and returns those that moved. s.mu is held.
func (s *Session) advanceAll() Checkpoint {
	c := Checkpoint{Session: s.id, Packs: s.packs}
	for _, w := range s.writers {
		if w.advance() {
			c.Streams = append(c.Streams, w.checkpoint())
		}
	}
	c.Bytes, c.Stored = s.durable.bytes, s.durable.stored
	return c
}

func (s *Session) notify(ctx context.Context, c Checkpoint) error {
	if s.config.OnCheckpoint == nil {
		return nil
	}
	return s.config.OnCheckpoint(ctx, c)
}

func (s *Session) putCheckpoint(ctx context.Context, seq uint32, c *StreamCheckpoint) error {
	at := segmentKey(s.id, "k/"+c.Stream, seq)
	b, err := encodeJSON(c)
	if err != nil {
		return err
	}
	sealed := s.repo.domain.seal(nil, &s.repo.keys.index, kindCheckpoint, at, b)
	if err := s.repo.putOnce(ctx, at, sealed); err != nil && !errors.Is(err, blob.ErrExists) {
		return fmt.Errorf("store checkpoint %s of stream %s: %w", strconv.Itoa(int(seq)), c.Stream, err)
	}
	return nil
}
