package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/dataservice/tree"
	"github.com/tranship/tranship/internal/fault"
)

// sandbox is the sealed tree of a run.
type sandbox struct {
	place   place
	fence   uint64
	workers int
}

func openSandbox(_ context.Context, raw json.RawMessage, r dataservice.Restoring, _ dataservice.Deps) (dataservice.Sandbox, error) {
	p, err := openPlace(raw, r)
	if err != nil {
		return nil, err
	}
	return &sandbox{place: p, fence: r.Fence, workers: max(1, r.Workers)}, nil
}

// Inspect walks the tree and measures the part of each shard, as if it were captured again.
func (s *sandbox) Inspect(ctx context.Context, c dataservice.Component, key dataservice.MeasureKey) (dataservice.Findings, error) {
	f, err := s.inspect(ctx, c, key)
	return f, s.place.failed("inspect", err)
}

func (s *sandbox) inspect(ctx context.Context, c dataservice.Component, key dataservice.MeasureKey) (dataservice.Findings, error) {
	var none dataservice.Findings
	sealed, err := s.place.sealedRoot()
	if err != nil {
		return none, err
	}
	defer sealed.Close()
	root, err := sealed.OpenRoot(treeDir)
	if err != nil {
		return none, err
	}
	defer root.Close()
	found, err := list(ctx, root, pattern{})
	if err != nil {
		return none, err
	}
	if c.Catalogue.Object(tree.Root) == nil {
		found.entries = found.entries[1:] // it is there only to hold the others
	}
	shards, err := found.shards(c.Units)
	if err != nil {
		return none, err
	}
	var mu sync.Mutex
	measures := make(map[string]dataservice.Measure, len(shards))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.workers)
	for id, entries := range shards {
		group.Go(func() error {
			m, err := measure(ctx, root, found, entries, key)
			if err != nil {
				return fmt.Errorf("measure unit %s: %w", id, err)
			}
			mu.Lock()
			defer mu.Unlock()
			measures[id] = m
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return none, err
	}
	catalogue := dataservice.Catalogue{Engine: engine, Name: filepath.Base(s.place.path), Objects: found.objects()}
	for _, g := range found.gaps {
		catalogue.Objects = append(catalogue.Objects, dataservice.Object{ID: g.Object, Name: g.Object, Kind: string(other)})
	}
	return dataservice.Findings{Catalogue: catalogue, Measures: measures}, nil
}

func measure(ctx context.Context, root *os.Root, l *listing, entries []entry, key dataservice.MeasureKey) (dataservice.Measure, error) {
	w := dataservice.NewMeasuringWriter(io.Discard, dataservice.Tree, key, nil)
	gaps, err := pack(ctx, root, l, entries, w)
	if err != nil {
		return dataservice.Measure{}, err
	}
	if len(gaps) > 0 {
		return dataservice.Measure{}, fault.New(fault.Conflict, "restore.changed", "%s: %s: somebody writes to the sealed directory", gaps[0].Object, gaps[0].Reason)
	}
	return w.Measure()
}

// shards divides a listing by the shards that units stand for.
func (l *listing) shards(units []dataservice.Captured) (map[string][]entry, error) {
	type start struct {
		unit string
		at   int
	}
	starts := make([]start, len(units))
	for i, u := range units {
		span, err := spanOf(u.Unit)
		if err != nil {
			return nil, err
		}
		at, _ := l.find(span.First)
		starts[i] = start{u.Unit.ID, at}
	}
	slices.SortStableFunc(starts, func(a, b start) int { return a.at - b.at })
	shards := make(map[string][]entry, len(units))
	for i, s := range starts {
		end := len(l.entries)
		if i+1 < len(starts) {
			end = starts[i+1].at
		}
		shards[s.unit] = l.entries[s.at:end]
	}
	return shards, nil
}

// publishing is the unit of work that Publish claims.
const publishing = "publish"

// Publish renames the tree into its place.
func (s *sandbox) Publish(context.Context, dataservice.Component) error {
	return s.place.failed("publish", s.publish())
}

func (s *sandbox) publish() error {
	m, ours, err := s.place.published()
	if err != nil {
		return err
	}
	if ours {
		return s.opened(m)
	}
	if err := s.place.free(); err != nil {
		return err
	}
	root, err := s.place.sealedRoot()
	if err != nil {
		return err
	}
	defer root.Close()
	claims := claims{root: root, fence: s.fence}
	if finished, err := claims.done(finishing); err != nil {
		return err
	} else if !finished {
		return fault.New(fault.Conflict, "restore.unfinished", "the restore is not finished")
	}
	if _, err := claims.take(publishing); err != nil {
		return err
	}
	return s.rename(root)
}

func (s *sandbox) rename(root *os.Root) error {
	f, err := root.Open(treeDir)
	if err != nil {
		return err
	}
	defer f.Close()
	// What is published must not be lost when the power is.
	if err := flush(f); err != nil {
		return fmt.Errorf("write to disk: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	m := markOf(info)
	if err := s.place.writeMark(m); err != nil {
		return fmt.Errorf("mark the directory: %w", err)
	}
	// To move a directory its owner must be allowed to write in it.
	if err := f.Chmod(m.Mode | 0o700); err != nil {
		return err
	}
	if err := renameNew(filepath.Join(s.place.sealed, treeDir), s.place.path); err != nil {
		undo := errors.Join(os.Remove(s.place.marker()), f.Chmod(m.Mode))
		if errors.Is(err, fs.ErrExist) {
			return errors.Join(exists(s.place.path), undo)
		}
		return errors.Join(err, undo)
	}
	return s.opened(m)
}

// opened completes the publication of a tree that is in its place.
func (s *sandbox) opened(m mark) error {
	if _, err := os.Lstat(s.place.sealed); errors.Is(err, fs.ErrNotExist) {
		return nil // complete, and from now on its users' own
	}
	if err := os.Chmod(s.place.path, m.Mode); err != nil {
		return err
	}
	return s.remove()
}

// Discard removes the sealed directory. What was published is not in it any more.
func (s *sandbox) Discard(context.Context) error {
	return s.place.failed("discard", s.remove())
}

func (s *sandbox) remove() error {
	err := s.place.trusted()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = os.RemoveAll(s.place.sealed)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	// The tree has directories that are closed even to their owner.
	root, err := s.place.open()
	if err != nil {
		return err
	}
	defer root.Close()
	if err := unlock(root, treeDir); err != nil {
		return err
	}
	return os.RemoveAll(s.place.sealed)
}

// unlock lets the owner into a directory and everything below.
func unlock(dir *os.Root, name string) error {
	if err := dir.Chmod(name, 0o700); err != nil {
		return err
	}
	next, err := enter(dir, name)
	if err != nil {
		return err
	}
	defer next.Close()
	names, err := namesIn(next)
	if err != nil {
		return err
	}
	for _, n := range names {
		info, err := next.Lstat(n)
		if err == nil && info.IsDir() {
			err = unlock(next, n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Close does nothing: every method closes what it opened.
func (s *sandbox) Close() error { return nil }
