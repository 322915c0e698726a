package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/dataservice/tree"
	"github.com/tranship/tranship/internal/fault"
)

// source reads one directory.
type source struct {
	path    string
	pattern pattern
	shard   int64
	root    *os.Root
	listing *listing
}

func openSource(_ context.Context, raw json.RawMessage, _ dataservice.Deps, shard int64) (dataservice.Source, error) {
	c, err := decode(raw)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(c.Path)
	if err != nil {
		return nil, classify(fmt.Errorf("open the directory: %w", err))
	}
	return &source{path: c.Path, pattern: newPattern(c), shard: shard, root: root}, nil
}

// Plan walks the tree and cuts it into shards.
func (s *source) Plan(ctx context.Context) (dataservice.Plan, error) {
	found, err := list(ctx, s.root, s.pattern)
	if err != nil {
		return dataservice.Plan{}, classify(fmt.Errorf("walk %s: %w", s.path, err))
	}
	s.listing = found
	return dataservice.Plan{
		Point:     dataservice.Point{Kind: dataservice.PointPerStream},
		Catalogue: dataservice.Catalogue{Engine: engine, Name: filepath.Base(s.path), Objects: found.objects()},
		Units:     cut(found.entries, s.shard),
		Gaps:      found.gaps,
	}, nil
}

// cut makes units of entries that together do not exceed a size.
func cut(entries []entry, atMost int64) []dataservice.Unit {
	var units []dataservice.Unit
	for from := 0; from < len(entries); {
		to, size := from, int64(0)
		for to < len(entries) && (to == from || size+entries[to].archiveBytes() <= atMost) {
			size += entries[to].archiveBytes()
			to++
		}
		detail, err := json.Marshal(span{First: tree.ID(entries[from].path), Last: tree.ID(entries[to-1].path)})
		if err != nil {
			panic(err) // two strings
		}
		units = append(units, dataservice.Unit{
			ID: fmt.Sprintf("shard-%04d", len(units)+1), Kind: kindShard, Format: dataservice.Tree,
			Rows: int64(to - from), Bytes: size, Detail: detail,
		})
		from = to
	}
	return units
}

// Capture writes the entries of a shard that Plan found. What has come since is not part of it.
func (s *source) Capture(ctx context.Context, u dataservice.Unit, w dataservice.StreamWriter) ([]dataservice.Gap, error) {
	if s.listing == nil {
		return nil, fault.Wrap(fault.Permanent, errors.New("capture before plan"))
	}
	at, err := spanOf(u)
	if err != nil {
		return nil, err
	}
	from, found := s.listing.find(at.First)
	to, foundLast := s.listing.find(at.Last)
	if !found || !foundLast || to < from {
		return nil, fault.New(fault.Permanent, "component.invalid", "unit %s is not of this plan", u.ID)
	}
	gaps, err := pack(ctx, s.root, s.listing, s.listing.entries[from:to+1], w)
	if err != nil {
		return nil, classify(fmt.Errorf("capture unit %s: %w", u.ID, err))
	}
	return gaps, nil
}

// find returns the index of the first entry that does not come before path, and whether it is path's own.
func (l *listing) find(path string) (int, bool) {
	return slices.BinarySearchFunc(l.entries, path, func(e entry, path string) int { return tree.Compare(e.path, path) })
}

// Close closes the directory.
func (s *source) Close() error { return s.root.Close() }
