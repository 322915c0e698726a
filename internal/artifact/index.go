package artifact

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
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

// loadIndex reads the index segments of sessions. A pack whose writer died before it wrote the segment tells its own
// content, in its footer.
func (r *Repository) loadIndex(ctx context.Context, sessions []string) (*placeIndex, error) {
	index := &placeIndex{places: map[chunkID]place{}}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(loadParallel)
	for _, session := range sessions {
		number, err := index.sessions.number(session)
		if err != nil {
			return nil, err
		}
		packs, err := r.listSeqs(gctx, "p/"+session+"/")
		if err != nil {
			return nil, errors.Join(err, g.Wait())
		}
		segments, err := r.listSeqs(gctx, string(sessionKey(session, "i/")))
		if err != nil {
			return nil, errors.Join(err, g.Wait())
		}
		for seq := range maps.Keys(packs) {
			g.Go(func() error {
				read := r.readFooter
				if segments[seq] {
					read = r.readSegment
				}
				b, at, err := read(gctx, session, seq)
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				if err := decodeIndex(b, func(e indexEntry) {
					index.places[e.id] = place{number, seq, e.offset, e.length, e.raw}
				}); err != nil {
					return corrupt(at, "%w", err)
				}
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("load the index of earlier sessions: %w", err)
	}
	return index, nil
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
