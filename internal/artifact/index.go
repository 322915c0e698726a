package artifact

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tranship/tranship/internal/blob"
)

// place is where a sealed chunk lies. session is a number in a sessionTable.
type place struct {
	session uint16
	pack    uint32
	offset  uint32
	length  uint32 // sealed
	raw     uint32 // plain
}

// indexEntry is a line of an index segment and of a pack's footer.
type indexEntry struct {
	id                  chunkID
	offset, length, raw uint32
}

const indexEntrySize = 32 + 3*4

func encodeIndex(entries []indexEntry) []byte {
	b := make([]byte, 0, 4+len(entries)*indexEntrySize)
	b = binary.BigEndian.AppendUint32(b, uint32(len(entries)))
	for i := range entries {
		e := &entries[i]
		b = append(b, e.id[:]...)
		b = binary.BigEndian.AppendUint32(b, e.offset)
		b = binary.BigEndian.AppendUint32(b, e.length)
		b = binary.BigEndian.AppendUint32(b, e.raw)
	}
	return b
}

var errIndex = errors.New("the index has a wrong form")

// decodeIndex yields the entries. It holds no more than b.
func decodeIndex(b []byte, yield func(indexEntry)) error {
	if len(b) < 4 {
		return errIndex
	}
	n := int64(binary.BigEndian.Uint32(b))
	if b = b[4:]; int64(len(b)) != n*indexEntrySize {
		return errIndex
	}
	for ; len(b) > 0; b = b[indexEntrySize:] {
		e := indexEntry{
			id:     chunkID(b),
			offset: binary.BigEndian.Uint32(b[32:]),
			length: binary.BigEndian.Uint32(b[36:]),
			raw:    binary.BigEndian.Uint32(b[40:]),
		}
		if err := validateExtent(e.offset, e.length, e.raw); err != nil {
			return err
		}
		yield(e)
	}
	return nil
}

// validateExtent bounds what a reader allocates and asks for.
func validateExtent(offset, length, raw uint32) error {
	if length < tagSize+1 || uint64(offset)+uint64(length) > blob.MaxObject || raw == 0 || raw > maxChunk {
		return errIndex
	}
	return nil
}

func packKey(session string, seq uint32) blob.Key {
	return blob.Key("p/" + session + "/" + formatSeq(seq))
}

func sessionKey(session, part string) blob.Key { return blob.Key("s/" + session + "/" + part) }

func segmentKey(session, part string, seq uint32) blob.Key {
	return sessionKey(session, part+"/"+formatSeq(seq))
}

// formatSeq pads the number, so that keys sort by it.
func formatSeq(seq uint32) string { return fmt.Sprintf("%08x", seq) }

func parseSeq(k blob.Key) (uint32, error) {
	name := string(k[strings.LastIndexByte(string(k), '/')+1:])
	n, err := strconv.ParseUint(name, 16, 32)
	if err != nil || formatSeq(uint32(n)) != name {
		return 0, corrupt(k, "its name is not the number of a segment")
	}
	return uint32(n), nil
}

// sessionTable numbers sessions, so that a place is small.
type sessionTable struct {
	names   []string
	numbers map[string]uint16
}

const maxSessions = 1 << 16

func (t *sessionTable) number(session string) (uint16, error) {
	if n, ok := t.numbers[session]; ok {
		return n, nil
	}
	if len(t.names) == maxSessions {
		return 0, errors.New("more than 65,536 sessions: begin the chain of captures anew, without a parent")
	}
	if t.numbers == nil {
		t.numbers = map[string]uint16{}
	}
	n := uint16(len(t.names))
	t.names, t.numbers[session] = append(t.names, session), n
	return n, nil
}

// placeIndex knows where chunks lie that earlier sessions stored. It does not change after loading.
type placeIndex struct {
	sessions sessionTable
	places   map[chunkID]place
}

const loadParallel = 8

// loadIndex reads what sessions stored. A session that ended well has it in one summary; the others have an index segment
// for each pack; and a pack whose writer died before it wrote the segment tells its own content, in its footer.
func (r *Repository) loadIndex(ctx context.Context, sessions []string) (*placeIndex, error) {
	l := &indexLoader{repo: r, index: &placeIndex{places: map[chunkID]place{}}}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(loadParallel)
	for _, session := range sessions {
		number, err := l.index.sessions.number(session)
		if err != nil {
			return nil, errors.Join(err, g.Wait())
		}
		g.Go(func() error { return l.loadSession(gctx, session, number) })
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("load the index of earlier sessions: %w", err)
	}
	return l.index, nil
}

// indexLoader fills an index from several goroutines.
type indexLoader struct {
	repo  *Repository
	mu    sync.Mutex
	index *placeIndex
}

func (l *indexLoader) loadSession(ctx context.Context, session string, number uint16) error {
	found, err := l.loadSummary(ctx, session, number)
	if found || err != nil {
		return err
	}
	packs, err := l.repo.listSeqs(ctx, "p/"+session+"/")
	if err != nil {
		return err
	}
	segments, err := l.repo.listSeqs(ctx, string(sessionKey(session, "i/")))
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(loadParallel)
	for seq := range packs {
		g.Go(func() error {
			read := l.repo.readFooter
			if segments[seq] {
				read = l.repo.readSegment
			}
			b, at, err := read(gctx, session, seq)
			if err != nil {
				return err
			}
			return l.add(at, b, number, seq)
		})
	}
	return g.Wait()
}

// loadSummary reports whether the session left a summary.
func (l *indexLoader) loadSummary(ctx context.Context, session string, number uint16) (bool, error) {
	at := sessionKey(session, summaryName)
	sealed, err := l.repo.bucket.Get(ctx, at, blob.MaxObject)
	if errors.Is(err, blob.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the index of session %s: %w", session, err)
	}
	b, err := l.repo.domain.open(&l.repo.keys.index, kindIndex, at, sealed)
	if err != nil {
		return false, err
	}
	err = decodeSummary(b, func(seq uint32, segment []byte) error { return l.add(at, segment, number, seq) })
	if errors.Is(err, errIndex) {
		return false, corrupt(at, "%w", err)
	}
	return true, err
}

func (l *indexLoader) add(at blob.Key, segment []byte, number uint16, seq uint32) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := decodeIndex(segment, func(e indexEntry) {
		l.index.places[e.id] = place{number, seq, e.offset, e.length, e.raw}
	}); err != nil {
		return corrupt(at, "%w", err)
	}
	return nil
}

// summaryName is the key of a session's summary, below the session.
const summaryName = "i.all"

// appendSummary adds a pack's index segment to a summary.
func appendSummary(b []byte, seq uint32, segment []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, seq)
	b = binary.BigEndian.AppendUint32(b, uint32(len(segment)))
	return append(b, segment...)
}

func decodeSummary(b []byte, yield func(seq uint32, segment []byte) error) error {
	for len(b) > 0 {
		if len(b) < 8 {
			return errIndex
		}
		seq, n := binary.BigEndian.Uint32(b), uint64(binary.BigEndian.Uint32(b[4:]))
		if b = b[8:]; uint64(len(b)) < n {
			return errIndex
		}
		if err := yield(seq, b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// putSummary writes what the session stored into one object, so that later sessions need not read a segment for each pack.
// Nothing depends on it.
func (s *Session) putSummary(ctx context.Context) error {
	s.mu.Lock()
	summary := s.summary
	s.mu.Unlock()
	if len(summary) == 0 || len(summary) > maxSealed {
		return nil
	}
	at := sessionKey(s.id, summaryName)
	if err := s.repo.putOnce(ctx, at, s.repo.domain.seal(nil, &s.repo.keys.index, kindIndex, at, summary)); err != nil {
		return fmt.Errorf("store the index of the session: %w", err)
	}
	return nil
}

func (r *Repository) listSeqs(ctx context.Context, prefix string) (map[uint32]bool, error) {
	seqs := map[uint32]bool{}
	for info, err := range r.bucket.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", prefix, err)
		}
		seq, err := parseSeq(info.Key)
		if err != nil {
			return nil, err
		}
		seqs[seq] = true
	}
	return seqs, nil
}

func (r *Repository) readSegment(ctx context.Context, session string, seq uint32) ([]byte, blob.Key, error) {
	at := segmentKey(session, "i", seq)
	sealed, err := r.bucket.Get(ctx, at, blob.MaxObject)
	if err != nil {
		return nil, at, fmt.Errorf("read an index segment: %w", err)
	}
	b, err := r.domain.open(&r.keys.index, kindIndex, at, sealed)
	return b, at, err
}

// sortedNames returns the distinct names in order.
func sortedNames(names ...string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
