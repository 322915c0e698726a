package leak

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tranship/tranship/internal/dataservice"
)

// comparison is the second pass over one unit. It belongs to one goroutine.
type comparison struct {
	s       *scanner
	u       *Unit
	columns []comparedColumn
	rows    int64
	hits    map[hit]int64
	canary  int64
	form    []byte
	decoded []byte
	rawBuf  []leaf
	maskBuf []leaf
}

type comparedColumn struct {
	columnCount
	at     place
	walker *walker
	paths  map[string]*pathCount
}

// hit is a value in the form of a filter, where it was met and which filter has it.
type hit struct {
	form       string
	at         place
	identifier bool
}

// compare is the second pass: it reads both streams of a unit side by side.
func (s *scanner) compare(ctx context.Context, u *Unit) error {
	c := &comparison{s: s, u: u, hits: map[hit]int64{}}
	if u.Unit.Format != dataservice.CopyText {
		if err := c.bytes(ctx); err != nil {
			return err
		}
		c.merge()
		return nil
	}
	for _, name := range u.Unit.Columns {
		column := s.column(u, name)
		if column == nil {
			s.locked(func() {
				s.find(Finding{Kind: KindUnlisted, Component: u.Component, Object: u.Unit.Object, Column: name, Count: 1, Fails: true})
			})
			return nil
		}
		c.columns = append(c.columns, comparedColumn{columnCount: columnCount{Column: *column}, paths: map[string]*pathCount{},
			at: place{column.Component, column.Object, column.Column}, walker: newWalker(column.KeptPaths)})
	}
	if err := c.rowsSideBySide(ctx); err != nil {
		return err
	}
	c.merge()
	return nil
}

func (s *scanner) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (c *comparison) rowsSideBySide(ctx context.Context) error {
	rawIn, err := c.u.Raw(ctx)
	if err != nil {
		return fmt.Errorf("opening the raw stream: %w", err)
	}
	defer func() { _ = rawIn.Close() }() // it was only read
	maskedIn, err := c.u.Masked(ctx)
	if err != nil {
		return fmt.Errorf("opening the masked stream: %w", err)
	}
	defer func() { _ = maskedIn.Close() }()
	raw, masked := newRowReader(rawIn, c.s.cfg.MaxRow), newRowReader(maskedIn, c.s.cfg.MaxRow)
	for {
		m, err := masked.next(len(c.columns))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("masked stream: %w", err)
		}
		r, err := raw.next(len(c.columns))
		if errors.Is(err, io.EOF) {
			c.misaligned()
			return nil
		}
		if err != nil {
			return fmt.Errorf("raw stream: %w", err)
		}
		c.rows++
		if c.rows%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		for i := range c.columns {
			c.cell(&c.columns[i], r[i], m[i])
		}
	}
	if c.u.Dropped && c.rows == 0 {
		return nil
	}
	if _, err := raw.next(len(c.columns)); !errors.Is(err, io.EOF) {
		c.misaligned()
	}
	return nil
}

func (c *comparison) misaligned() {
	c.s.locked(func() {
		c.s.find(Finding{Kind: KindRows, Component: c.u.Component, Object: c.u.Unit.Object, Count: c.rows, Fails: true})
	})
}

func (c *comparison) cell(col *comparedColumn, raw, masked cell) {
	if masked.null {
		return
	}
	if !raw.null && len(raw.raw) > 0 && len(masked.raw) > 0 {
		col.cells++
		if col.Class != Document && same(raw.raw, masked.raw) && !crossedOut(masked.raw) && !c.stopped(masked.raw) {
			col.identical++
		}
	}
	for _, canary := range c.s.cfg.Canaries {
		if bytes.Contains(masked.raw, canary) {
			c.canary++
		}
	}
	if col.Class != Document {
		c.probe(col, masked.raw)
		return
	}
	var ok bool
	if c.maskBuf, ok = col.walker.leaves(c.maskBuf[:0], masked.raw); !ok {
		c.probe(col, masked.raw)
		return
	}
	for _, l := range c.maskBuf {
		if !l.kept {
			c.probe(col, l.value)
		}
	}
	if !raw.null {
		c.rawBuf, _ = col.walker.leaves(c.rawBuf[:0], raw.raw)
		col.compareLeaves(c.rawBuf, c.maskBuf)
	}
}

// same compares values as people do: letter case and white space at the ends do not make two of one.
func same(a, b []byte) bool {
	return bytes.Equal(a, b) || len(a) == len(b) && bytes.EqualFold(bytes.TrimSpace(a), bytes.TrimSpace(b))
}

func (c *comparison) stopped(value []byte) bool {
	return len(c.s.stop) > 0 && c.s.stop[string(bytes.ToLower(bytes.TrimSpace(value)))]
}

// compareLeaves pairs the leaves of two documents by their paths, in order; leaves that one of them lacks are passed over.
func (col *comparedColumn) compareLeaves(raw, masked []leaf) {
	next := 0
	for _, m := range masked {
		if m.key {
			continue
		}
		at := slices.IndexFunc(raw[next:], func(r leaf) bool { return r.path == m.path && !r.key })
		if at < 0 {
			continue
		}
		r := raw[next+at]
		next += at + 1
		if m.kept || len(r.value) == 0 {
			continue
		}
		n := col.paths[m.path]
		if n == nil {
			if len(col.paths) == maxPaths {
				continue
			}
			n = &pathCount{told: m.told}
			col.paths[m.path] = n
		}
		n.cells++
		if same(r.value, m.value) && !crossedOut(m.value) {
			n.identical++
		}
	}
}

// probe asks the filters for a value and for its pieces, as they are and without what encodes them.
func (c *comparison) probe(col *comparedColumn, value []byte) {
	c.ask(col, value, true)
	pieces(value, func(piece []byte) {
		if len(piece) < len(value) {
			c.ask(col, piece, false)
		}
	})
	c.addresses(col, value)
	if col.Class == Identifier {
		return // digits are hex, too
	}
	decodings(value, &c.decoded, func(decoded []byte) {
		c.ask(col, decoded, false)
		c.addresses(col, decoded)
	})
}

func (c *comparison) addresses(col *comparedColumn, value []byte) {
	if bytes.IndexByte(value, '@') < 0 {
		return
	}
	addresses(value, func(domain []byte) {
		if !reserved(domain) && !slices.ContainsFunc(c.s.cfg.KeptDomains, func(d string) bool { return bytes.EqualFold([]byte(d), domain) }) {
			col.addresses++
		}
	})
}

// ask asks the filters for a value, or for a piece of one. Identifiers of a column of their own are whole values.
func (c *comparison) ask(col *comparedColumn, value []byte, whole bool) {
	form := plain(c.form, value)
	if form != nil {
		c.form = form
		if c.s.strict.has(form) {
			c.suspect(form, col.at, false)
		}
	}
	if col.Class != Identifier {
		if form != nil && c.askIdentifier(col, form) {
			return
		}
	} else if !whole {
		return
	}
	if number := digits(c.form, value); number != nil {
		c.form = number
		c.askIdentifier(col, number)
	} else if form != nil && col.Class == Identifier {
		c.askIdentifier(col, plain(c.form, value))
	}
}

// askIdentifier reports whether the filter of identifiers may hold a form. They are looked for in columns of their own
// class, and in others when they are so long that chance plays no part.
func (c *comparison) askIdentifier(col *comparedColumn, form []byte) bool {
	switch col.Class {
	case Strict, Constant, Kept:
		return false
	case Identifier:
	default:
		if len(form) < longIdentifier {
			return false
		}
	}
	hash, sampled := c.s.sampled(form)
	if !sampled {
		return false
	}
	col.distinct.add(hash)
	if !c.s.identifiers.has(form) {
		return false
	}
	c.suspect(form, col.at, true)
	return true
}

func (c *comparison) suspect(form []byte, at place, identifier bool) {
	if len(c.hits) >= maxSuspects {
		if h := (hit{string(form), at, identifier}); c.hits[h] == 0 {
			c.s.locked(func() { c.s.overflow[at]++ })
			return
		}
	}
	c.hits[hit{string(form), at, identifier}]++
}

// bytes scans a stream that is no rows: for canaries, and a script of definitions for values of the source as well.
func (c *comparison) bytes(ctx context.Context) error {
	in, err := c.u.Masked(ctx)
	if err != nil {
		return fmt.Errorf("opening the masked stream: %w", err)
	}
	defer func() { _ = in.Close() }() // it was only read
	at := place{c.u.Component, c.u.Unit.ID, ""}
	column := comparedColumn{columnCount: columnCount{Column: Column{Component: at.component, Object: at.object, Class: Text}, definitions: true}, at: at}
	longest := 0
	for _, canary := range c.s.cfg.Canaries {
		longest = max(longest, len(canary))
	}
	r := bufio.NewReaderSize(in, 1<<18)
	var window []byte
	block := make([]byte, 1<<16)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(block)
		window = append(window, block[:n]...)
		// A part is cut where a line ends, so that no word is, unless a line is very long.
		cut := bytes.LastIndexByte(window, '\n') + 1
		if err != nil || len(window) > maxLine {
			cut = len(window)
		}
		c.canaries(window[:cut])
		if c.u.Unit.Format == dataservice.SQL {
			column.cells++
			c.probe(&column, window[:cut])
		}
		keep := 0
		if cut == len(window) {
			keep = min(max(longest-1, 0), cut)
		}
		window = append(window[:0], window[cut-keep:]...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	c.columns = append(c.columns, column)
	return nil
}

// maxLine is the longest line of a stream without rows that is held as a whole.
const maxLine = 1 << 20

func (c *comparison) canaries(b []byte) {
	for _, canary := range c.s.cfg.Canaries {
		if bytes.Contains(b, canary) {
			c.canary++
		}
	}
}

// merge adds what was counted to the scanner's.
func (c *comparison) merge() {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows += c.rows
	if c.canary > 0 {
		s.find(Finding{Kind: KindCanary, Component: c.u.Component, Object: c.u.Unit.ID, Count: c.canary, Fails: true})
	}
	for i := range c.columns {
		col := &c.columns[i]
		total := s.counts[col.at]
		if total == nil {
			total = &columnCount{Column: col.Column}
			s.counts[col.at] = total
		}
		total.cells += col.cells
		total.identical += col.identical
		total.addresses += col.addresses
		total.distinct.merge(col.distinct)
		total.definitions = total.definitions || col.definitions
		for path, n := range col.paths {
			at := pathPlace{col.at, path}
			if s.paths[at] == nil {
				s.paths[at] = &pathCount{told: n.told}
			}
			s.paths[at].cells += n.cells
			s.paths[at].identical += n.identical
		}
	}
	for h, n := range c.hits {
		x := s.suspects[h.form]
		if x == nil {
			if len(s.suspects) >= maxSuspects {
				s.overflow[h.at] += n
				continue
			}
			x = &suspect{hits: map[place]*hitCount{}}
			s.suspects[h.form] = x
		}
		if x.hits[h.at] == nil {
			x.hits[h.at] = &hitCount{}
		}
		if h.identifier {
			x.hits[h.at].identifier += n
		} else {
			x.hits[h.at].strict += n
		}
	}
}
