package artifact

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tranship/tranship/internal/blob"
)

// CopyStats counts what a copy did.
type CopyStats struct {
	Bytes   int64 // plain bytes of the stream
	Skipped int64 // plain bytes that the destination had, which were not read
	Read    int64 // sealed bytes read from the source
}

// CopyRaw copies a stream of a raw capture into a raw location under its own keys; see CopyMasked.
func CopyRaw(ctx context.Context, src *Repository, from RawID, a Artifact, dst *Session) (Artifact, CopyStats, error) {
	return copyStream(ctx, src, from, a, dst)
}

// CopyMasked copies a stream of a masked capture into a session of a masked location with other keys. Chunks that the
// destination has are not read; the others are opened and sealed anew without being decompressed. The cuts stay, so the
// plain digest stays, which is verified. The source needs the private key, the destination none but its writer's.
//
// Both repositories must be masked: there is no function that takes a raw capture to a masked one.
func CopyMasked(ctx context.Context, src *Repository, from MaskedID, a Artifact, dst *Session) (Artifact, CopyStats, error) {
	return copyStream(ctx, src, from, a, dst)
}

func copyStream(ctx context.Context, src *Repository, from ID, a Artifact, dst *Session) (Artifact, CopyStats, error) {
	var stats CopyStats
	if from.Trust() != dst.repo.Trust() {
		return Artifact{}, stats, trustMismatch("copy capture "+from.String(), from.Trust(), dst.repo.Trust())
	}
	c, err := src.openRecipe(ctx, from, a)
	if err != nil {
		return Artifact{}, stats, err
	}
	opener := &sessionOpener{repo: src, names: c.sessions, keys: map[uint16]*openKeys{}}
	plains, err := src.plainDigests(ctx, opener, c)
	if err != nil {
		return Artifact{}, stats, err
	}
	w, err := dst.Stream(ctx, StreamConfig{Name: a.Stream, Chunking: a.Chunking})
	if err != nil {
		return Artifact{}, stats, err
	}
	defer w.Abort()
	stats, err = src.copyChunks(ctx, opener, c, plains, w)
	if err != nil {
		return Artifact{}, stats, fmt.Errorf("copy stream %s of capture %s: %w", a.Stream, from, err)
	}
	copied, err := w.Close()
	if err != nil {
		return Artifact{}, stats, err
	}
	if !sameContent(copied, a) {
		return Artifact{}, stats, corrupt(captureKey(from.String(), a.Stream), "its digest is not that of its chunks")
	}
	return copied, stats, nil
}

// copyChunks submits every entry of the recipe, in order: those that the destination has as they are, the others with
// their packed bytes.
func (r *Repository) copyChunks(ctx context.Context, opener *sessionOpener, c *recipe, plains map[chunkID]Digest, w *Writer) (CopyStats, error) {
	stats := CopyStats{Bytes: c.artifact.Bytes}
	zeros := zeroDigests{}
	// Asked once per entry, in order: the second of two equal chunks is not wanted, because the first one brings it.
	wanted := make([]bool, c.artifact.Chunks)
	coming := map[chunkID]bool{}
	for i := range c.artifact.Chunks {
		e := c.entry(i)
		if e.flags&flagZero != 0 {
			continue
		}
		id := w.s.repo.keys.chunk(plains[e.id])
		wanted[i] = !coming[id] && !w.s.has(id, e.place.raw)
		coming[id] = true
		if !wanted[i] {
			stats.Skipped += int64(e.place.raw)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	queue := make(chan chan fetched, readAhead)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() {
		defer close(queue)
		c.spans(0, func(i int64) bool { return wanted[i] }, func(s span) bool {
			result := make(chan fetched, 1)
			select {
			case queue <- result:
			case <-ctx.Done():
				return false
			}
			running.Go(func() {
				var f fetched
				f.err = again(func() (err error) {
					f, err = r.fetchPacked(ctx, opener, c, s, wanted)
					return err
				})
				result <- f
			})
			return true
		})
	})
	for result := range queue {
		f := <-result
		if f.err != nil {
			return stats, f.err
		}
		stats.Read += int64(f.span.length)
		for i := f.span.first; i < f.span.first+f.span.count; i++ {
			e := c.entry(i)
			j := &job{state: &chunkState{flags: e.flags, raw: e.place.raw}, packed: f.packed[i], claimed: true}
			if e.flags&flagZero != 0 {
				j.state.plain = zeros.of(e.place.raw)
			} else {
				j.state.plain = plains[e.id]
				j.state.id = w.s.repo.keys.chunk(j.state.plain)
			}
			if err := w.submit(j); err != nil {
				return stats, err
			}
		}
	}
	return stats, ctx.Err()
}

type fetched struct {
	span   span
	packed map[int64][]byte // codec byte and compressed chunk, by entry
	err    error
}

func (r *Repository) fetchPacked(ctx context.Context, opener *sessionOpener, c *recipe, s span, wanted []bool) (fetched, error) {
	f := fetched{span: s, packed: map[int64][]byte{}}
	if !s.fetch {
		return f, nil
	}
	keys, err := opener.open(ctx, s.session)
	if err != nil {
		return f, err
	}
	data, err := r.fetch(ctx, opener.names[s.session], s)
	if err != nil {
		return f, err
	}
	at := packKey(opener.names[s.session], s.pack)
	for i := s.first; i < s.first+s.count; i++ {
		e := c.entry(i)
		if !wanted[i] || e.flags&flagZero != 0 {
			continue
		}
		if f.packed[i], err = r.openChunk(at, keys.chunks, &e, sealedExtent(data, s, e.place)); err != nil {
			return f, err
		}
	}
	return f, nil
}

// has reports whether the session need not be given the chunk's bytes.
func (s *Session) has(id chunkID, raw uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fresh[id] != nil {
		return true
	}
	p, ok := s.known.places[id]
	return ok && p.raw == raw
}

// plainDigests returns the plain digests of a recipe's chunks, from the digest segments of the packs that hold them. That
// they belong to the ids is verified.
func (r *Repository) plainDigests(ctx context.Context, opener *sessionOpener, c *recipe) (map[chunkID]Digest, error) {
	type packID struct {
		session uint16
		seq     uint32
	}
	packs := map[packID]bool{}
	plains := map[chunkID]Digest{}
	needed := map[chunkID]bool{}
	for i := range c.artifact.Chunks {
		if e := c.entry(i); e.flags&flagZero == 0 {
			packs[packID{e.place.session, e.place.pack}] = true
			needed[e.id] = true
		}
	}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(loadParallel)
	for p := range packs {
		g.Go(func() error {
			keys, err := opener.open(gctx, p.session)
			if err != nil {
				return err
			}
			at := segmentKey(opener.names[p.session], "d", p.seq)
			sealed, err := r.bucket.Get(gctx, at, blob.MaxObject)
			if err != nil {
				return fmt.Errorf("read the digests of a pack: %w", err)
			}
			b, err := r.domain.open(&keys.digests, kindDigests, at, sealed)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if err := decodeDigests(b, func(id chunkID, plain Digest) {
				if needed[id] && r.keys.chunk(plain) == id {
					plains[id] = plain
				}
			}); err != nil {
				return corrupt(at, "%w", err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("read the digests of stream %s: %w", c.artifact.Stream, err)
	}
	for id := range needed {
		if _, ok := plains[id]; !ok {
			return nil, corrupt(blob.Key(c.artifact.Stream), "the digest of one of its chunks is missing")
		}
	}
	return plains, nil
}

// zeroDigests are the plain digests of zeros by their number.
type zeroDigests map[uint32]Digest

func (z zeroDigests) of(n uint32) Digest {
	d, ok := z[n]
	if !ok {
		d = plainDigest(make([]byte, n))
		z[n] = d
	}
	return d
}
