package leak

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
)

const (
	defaultMemory = 64 << 20
	defaultMaxRow = 1<<30 + 1<<26
	// maxSuspects bounds the values that are confirmed one by one.
	maxSuspects = 1 << 18
)

// Scan compares the two captures of cfg. The verdict does not depend on the number of workers. An error means that the scan
// could not be done, and says nothing about the masked capture.
func Scan(ctx context.Context, cfg Config) (Verdict, error) {
	s, err := newScanner(cfg)
	if err != nil {
		return Verdict{}, err
	}
	for _, pass := range []func(context.Context, *Unit) error{s.collect, s.compare, s.confirm} {
		if err := s.each(ctx, pass); err != nil {
			return Verdict{}, err
		}
	}
	return s.judge(), nil
}

// place is where a value was met.
type place struct{ component, object, column string }

// scanner is the state of one scan.
type scanner struct {
	cfg         Config
	columns     map[place]*Column
	stop        map[string]bool
	strict      *filter
	identifiers *filter
	seed        maphash.Seed
	every       uint64 // one of so many identifiers is looked at

	mu       sync.Mutex
	suspects map[string]*suspect
	overflow map[place]int64
	counts   map[place]*columnCount
	paths    map[pathPlace]*pathCount
	findings []Finding
	rows     int64
}

// suspect is a value of the output that a filter of source values has.
type suspect struct {
	strict, identifier bool // confirmed as such
	hits               map[place]*hitCount
}

// hitCount is how many cells hold a suspect, by the filter that has it.
type hitCount struct{ strict, identifier int64 }

type columnCount struct {
	Column
	cells, identical, strictHits, identifierHits, addresses int64

	definitions bool   // no column, but a script
	distinct    sketch // of the identifiers that were looked at
	suspects    int64  // different identifiers of the source among them
}

type pathPlace struct {
	place
	path string
}

type pathCount struct {
	told             string
	cells, identical int64
}

func newScanner(cfg Config) (*scanner, error) {
	if cfg.Memory <= 0 {
		cfg.Memory = defaultMemory
	}
	if cfg.MaxRow <= 0 {
		cfg.MaxRow = defaultMaxRow
	}
	s := &scanner{
		cfg: cfg, columns: map[place]*Column{}, stop: map[string]bool{}, suspects: map[string]*suspect{},
		overflow: map[place]int64{}, counts: map[place]*columnCount{}, paths: map[pathPlace]*pathCount{},
	}
	for i := range cfg.Columns {
		c := &cfg.Columns[i]
		at := place{c.Component, c.Object, c.Column}
		if s.columns[at] != nil {
			return nil, fault.New(fault.Permanent, "leak.config", "two columns are %s/%s.%s", c.Component, c.Object, c.Column)
		}
		s.columns[at] = c
	}
	for _, word := range cfg.Stop {
		s.stop[strings.ToLower(strings.TrimSpace(word))] = true
	}
	var strict, identifiers int64
	unknown := false
	for i := range cfg.Units {
		u := &cfg.Units[i]
		if u.Masked == nil || (u.Unit.Format == dataservice.CopyText && u.Raw == nil) {
			return nil, fault.New(fault.Permanent, "leak.config", "unit %s of %s has no stream to read", u.Unit.ID, u.Component)
		}
		unknown = unknown || u.Unit.Format == dataservice.CopyText && u.Unit.Rows <= 0
		for _, name := range u.Unit.Columns {
			switch c := s.column(u, name); {
			case c == nil:
			case c.Class == Strict:
				strict += u.Unit.Rows
			case c.Class == Document:
				strict += 2 * u.Unit.Rows
			case c.Class == Identifier:
				identifiers += 2 * u.Unit.Rows
			}
		}
	}
	if unknown {
		strict, identifiers = cfg.Memory, cfg.Memory
	}
	// An identifier that is in the source by chance is a suspect. There must be room for all of them.
	s.seed, s.every = maphash.MakeSeed(), 1
	for !unknown && identifiers/int64(s.every) > maxSuspects/2 {
		s.every *= 2
	}
	identifiers /= int64(s.every)
	s.strict = newFilter(strict, cfg.Memory/2)
	s.identifiers = newFilter(identifiers, cfg.Memory/2)
	return s, nil
}

// sampled reports whether an identifier is looked at, with its hash.
func (s *scanner) sampled(form []byte) (uint64, bool) {
	h := maphash.Bytes(s.seed, form)
	return h, h&(s.every-1) == 0
}

// column returns what the configuration says of a unit's column, or nil.
func (s *scanner) column(u *Unit, name string) *Column {
	if c := s.columns[place{u.Component, u.Unit.Object, name}]; c != nil {
		return c
	}
	return s.columns[place{u.Component, u.Table, name}]
}

// each runs a pass over all units, some at once.
func (s *scanner) each(ctx context.Context, pass func(context.Context, *Unit) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan *Unit)
	var wg sync.WaitGroup
	for range max(1, s.cfg.Workers) {
		wg.Go(func() {
			for u := range work {
				if err := pass(ctx, u); err != nil {
					cancel(fmt.Errorf("scanning unit %s of %s: %w", u.Unit.ID, u.Component, err))
				}
			}
		})
	}
	for i := range s.cfg.Units {
		if ctx.Err() != nil {
			break
		}
		work <- &s.cfg.Units[i]
	}
	close(work)
	wg.Wait()
	return context.Cause(ctx)
}

// sources calls yield for everything sensitive in the raw rows of a unit, in the form that filters hold.
func (s *scanner) sources(ctx context.Context, u *Unit, yield func(form []byte, class Class)) error {
	if u.Unit.Format != dataservice.CopyText {
		return nil
	}
	columns := make([]*Column, len(u.Unit.Columns))
	walkers := make([]*walker, len(columns))
	wanted := false
	for i, name := range u.Unit.Columns {
		columns[i] = s.column(u, name)
		if c := columns[i]; c != nil && (c.Class == Strict || c.Class == Identifier || c.Class == Document) {
			wanted = true
			walkers[i] = newWalker(c.KeptPaths)
		}
	}
	if !wanted {
		return nil
	}
	var buf []byte
	var leaves []leaf
	pass := func(form []byte, class Class) {
		if class == Identifier {
			if _, ok := s.sampled(form); !ok {
				return
			}
		}
		yield(form, class)
	}
	emit := func(value []byte, class Class) {
		if form := plain(buf, value); form != nil {
			if buf = form; !s.stop[string(form)] && !saysNothing(form) {
				pass(form, class)
			}
		}
		if class != Identifier {
			return
		}
		if form := digits(buf, value); form != nil {
			buf = form
			pass(form, class)
		}
	}
	return s.rowsOf(ctx, u, u.Raw, func(cells []cell) {
		for i, c := range columns {
			if walkers[i] == nil || cells[i].null {
				continue
			}
			if c.Class != Document {
				emit(cells[i].raw, c.Class)
				continue
			}
			leaves, _ = walkers[i].leaves(leaves[:0], cells[i].raw)
			for _, l := range leaves {
				if !l.kept && bytes.IndexByte(l.value, '@') > 0 {
					emit(l.value, Strict)
				}
			}
		}
	})
}

func (s *scanner) rowsOf(ctx context.Context, u *Unit, open Open, row func([]cell)) error {
	in, err := open(ctx)
	if err != nil {
		return fmt.Errorf("opening the stream: %w", err)
	}
	defer func() { _ = in.Close() }() // it was only read
	r := newRowReader(in, s.cfg.MaxRow)
	for {
		cells, err := r.next(len(u.Unit.Columns))
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if r.n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		row(cells)
	}
}

// collect is the first pass: it puts the sensitive values of the source into the filters.
func (s *scanner) collect(ctx context.Context, u *Unit) error {
	return s.sources(ctx, u, func(form []byte, class Class) {
		if class == Identifier {
			s.identifiers.add(form)
		} else {
			s.strict.add(form)
		}
	})
}

// confirm is the third pass: it tells which suspects are values of the source indeed.
func (s *scanner) confirm(ctx context.Context, u *Unit) error {
	if len(s.suspects) == 0 {
		return nil
	}
	return s.sources(ctx, u, func(form []byte, class Class) {
		x := s.suspects[string(form)]
		if x == nil {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if class == Identifier {
			x.identifier = true
		} else {
			x.strict = true
		}
	})
}

// judge weighs what the passes counted.
func (s *scanner) judge() Verdict {
	v := Verdict{Version: Version, RawRoot: s.cfg.RawRoot, MaskedRoot: s.cfg.MaskedRoot, Rows: s.rows, Units: len(s.cfg.Units)}
	for _, x := range s.suspects {
		for at, hits := range x.hits {
			c := s.counts[at]
			if x.strict {
				c.strictHits += hits.strict
			}
			if x.identifier {
				c.identifierHits += hits.identifier
				if hits.identifier > 0 {
					c.suspects++
				}
			}
		}
	}
	sources := s.identifierRows()
	for at, c := range s.counts {
		s.judgeColumn(at, c, sources)
		v.Columns = append(v.Columns, ColumnCount{Component: at.component, Object: at.object, Column: at.column, Class: c.Class, Cells: c.cells,
			Identical: c.identical, Expected: c.chance() * float64(c.cells), Hits: c.strictHits + c.identifierHits})
	}
	for at, p := range s.paths {
		if beyondChance(p.identical, p.cells, defaultChance(Document)) {
			s.find(Finding{Kind: KindSameRow, Component: at.component, Object: at.object, Column: at.column, Path: p.told, Count: p.identical, Fails: true})
		}
	}
	for at, n := range s.overflow {
		s.find(Finding{Kind: KindOverflow, Component: at.component, Object: at.object, Column: at.column, Count: n, Fails: s.counts[at].Class != Kept})
	}
	v.Findings = s.findings
	slices.SortFunc(v.Findings, compareFindings)
	slices.SortFunc(v.Columns, compareCounts)
	v.Passed = !slices.ContainsFunc(v.Findings, func(f Finding) bool { return f.Fails })
	return v
}

func (c *columnCount) chance() float64 {
	switch {
	case c.Chance > 0:
		return c.Chance
	case c.Class == Identifier && c.Domain > 0:
		return 1 / c.Domain
	}
	return defaultChance(c.Class)
}

// identifierRows is an upper bound of how many different identifiers the source has.
func (s *scanner) identifierRows() float64 {
	var n int64
	for _, c := range s.counts {
		if c.Class == Identifier {
			n += c.cells
		}
	}
	return float64(n)
}

func (s *scanner) judgeColumn(at place, c *columnCount, sources float64) {
	f := Finding{Component: at.component, Object: at.object, Column: at.column, Fails: c.Class != Kept}
	report := func(kind string, n int64, fails bool) {
		if n > 0 {
			f.Kind, f.Count, f.Fails = kind, n, fails
			s.find(f)
		}
	}
	kept := c.Class == Kept
	report(KindSource, c.strictHits, !kept)
	report(KindAddress, c.addresses, !kept && !c.definitions)
	switch {
	case kept || c.Class == Constant:
	case c.Class == Strict:
		report(KindSameRow, c.identical, true)
	case beyondChance(c.identical, c.cells, c.chance()):
		report(KindSameRow, c.identical, true)
	}
	p := 1e-6 // a long number of the source in a column of another class
	switch {
	case c.Class == Identifier && c.Domain == 0:
		p = 0.5
	case c.Class == Identifier:
		p = sources / c.Domain
	case c.Class == Document:
		p = 1e-3 // its leaves may be masked identifiers, which meet others by chance
	}
	// Values, not cells: one that is in half of the rows meets another by chance once, not a million times.
	if beyondChance(c.suspects, max(c.distinct.count(), c.suspects), p) {
		report(KindSource, c.identifierHits, !kept)
	}
}

func (s *scanner) find(f Finding) { s.findings = append(s.findings, f) }

func compareFindings(a, b Finding) int {
	return strings.Compare(strings.Join([]string{a.Component, a.Object, a.Column, a.Path, a.Kind, fmt.Sprintf("%020d", a.Count)}, "\x00"),
		strings.Join([]string{b.Component, b.Object, b.Column, b.Path, b.Kind, fmt.Sprintf("%020d", b.Count)}, "\x00"))
}

func compareCounts(a, b ColumnCount) int {
	return strings.Compare(a.Component+"\x00"+a.Object+"\x00"+a.Column, b.Component+"\x00"+b.Object+"\x00"+b.Column)
}
