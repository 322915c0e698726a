package mask

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/tranship/tranship/internal/dataservice/copytext"
	"github.com/tranship/tranship/internal/fault"
)

// blockSize is how many bytes of rows are masked and written at once. A longer row makes its block longer.
const blockSize = 1 << 20

// keepCapacity is the largest buffer that is used again: one huge row must not hold its memory for the rest of a run.
const keepCapacity = 8 * blockSize

// block is some whole rows on their way.
type block struct {
	in   []byte
	out  []byte
	rows int64 // in the block
	err  error
	done chan struct{} // with several workers: closed over by a token when out or err is there
}

// blockReader cuts a stream of rows into blocks.
type blockReader struct {
	r      io.Reader
	maxRow int
	rest   []byte // read, but not yet part of a block
	ended  error  // what the stream ended with
	atEnd  bool   // ended is set
}

// next fills b.in with whole rows. It returns io.EOF when there are none left.
func (b *blockReader) next(into []byte) ([]byte, error) {
	into = append(into[:0], b.rest...)
	b.rest = b.rest[:0]
	searched, end := 0, 0 // end is behind the last newline
	for {
		if i := bytes.LastIndexByte(into[searched:], '\n'); i >= 0 {
			end = searched + i + 1
		}
		searched = len(into)
		if end > 0 && (len(into) >= blockSize || b.atEnd) {
			b.rest = append(b.rest, into[end:]...)
			return into[:end], nil
		}
		switch {
		case errors.Is(b.ended, io.EOF) && len(into) > 0:
			return into, copytext.ErrCut
		case b.atEnd:
			return into, b.ended
		case len(into)-end > b.maxRow:
			return into, fault.New(fault.Permanent, "mask.row-size", "a row has more than %d bytes", b.maxRow)
		}
		if cap(into)-len(into) < blockSize/4 {
			into = slices.Grow(into, max(blockSize+blockSize/4-len(into), cap(into)/4, blockSize/4))
		}
		var n int
		n, b.ended = b.r.Read(into[len(into):cap(into)])
		b.atEnd = b.ended != nil
		into = into[:len(into)+n]
	}
}

// run masks a stream of rows.
func (p *rowProgram) run(ctx context.Context, r io.Reader, w io.Writer, o RunOptions, report *UnitReport) error {
	workers := max(1, o.Workers)
	runners := make([]*runner, workers)
	for i := range runners {
		runner, err := p.runner()
		if err != nil {
			return err
		}
		runners[i] = runner
		defer p.release(runner)
	}
	s := sink{w: w, progress: o.Progress}
	source := &blockReader{r: r, maxRow: o.MaxRow}
	var err error
	if workers == 1 {
		err = p.inline(ctx, runners[0], source, &s)
	} else {
		err = p.parallel(ctx, runners, source, &s)
	}
	p.report(runners, s.rows, report)
	if err != nil {
		return err
	}
	if err := unclassifiedOf(runners); err != nil {
		return err
	}
	return p.collisions(runners)
}

// sink writes masked blocks in order and knows how many rows came before.
type sink struct {
	w         io.Writer
	rows      int64
	discarded bool // a path without a rule was met: nothing more is written
	progress  func(int64)
}

func (s *sink) put(b *block) error {
	var cell *CellError
	switch {
	case errors.Is(b.err, errUnmasked):
		s.discarded = true
	case errors.As(b.err, &cell):
		cell.Row += s.rows
		if fault.ClassOf(cell.Err) == fault.Transient {
			return fault.New(fault.Permanent, "mask.row", "%w", cell)
		}
		return cell
	case b.err != nil:
		return b.err
	}
	s.rows += b.rows
	if s.discarded {
		return nil
	}
	if _, err := s.w.Write(b.out); err != nil {
		return fmt.Errorf("writing masked rows: %w", err)
	}
	s.progress(b.rows)
	return nil
}

func (p *rowProgram) inline(ctx context.Context, r *runner, source *blockReader, s *sink) error {
	b := &block{}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if b.in, err = source.next(b.in); err != nil {
			return ended(err)
		}
		r.block(b)
		if err := s.put(b); err != nil {
			return err
		}
		b.trim()
	}
}

// ended returns nil for the end of a stream.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("reading rows: %w", err)
}

// parallel masks blocks on several goroutines and writes them in order. As many blocks as there are workers, and one more,
// are in memory.
func (p *rowProgram) parallel(ctx context.Context, runners []*runner, source *blockReader, s *sink) error {
	ctx, cancel := context.WithCancel(ctx)
	work, ordered := make(chan *block), make(chan *block, len(runners))
	free := make(chan *block, len(runners)+1)
	for range cap(free) {
		free <- &block{done: make(chan struct{}, 1)}
	}
	var wg sync.WaitGroup
	for _, r := range runners {
		wg.Go(func() {
			for b := range work {
				r.block(b)
				b.done <- struct{}{}
			}
		})
	}
	var readErr error
	wg.Go(func() {
		defer close(ordered)
		defer close(work)
		readErr = distribute(ctx, source, free, work, ordered)
	})
	err := deliver(ctx, ordered, free, s)
	cancel()
	for b := range ordered { // what the reader handed out before it saw the end
		<-b.done
	}
	wg.Wait()
	if err != nil {
		return err
	}
	return readErr
}

// distribute hands each block to a worker and, in order, to whoever writes.
func distribute(ctx context.Context, source *blockReader, free <-chan *block, work, ordered chan<- *block) error {
	for {
		var b *block
		select {
		case b = <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
		var err error
		if b.in, err = source.next(b.in); err != nil {
			return ended(err)
		}
		select {
		case work <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
		ordered <- b // has room for every block but the one at hand
	}
}

func deliver(ctx context.Context, ordered <-chan *block, free chan<- *block, s *sink) error {
	for b := range ordered {
		<-b.done
		if err := s.put(b); err != nil {
			return err
		}
		b.trim()
		free <- b
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (b *block) trim() {
	if cap(b.in) > keepCapacity {
		b.in = nil
	}
	if cap(b.out) > keepCapacity {
		b.out = nil
	}
}

// block masks all rows of a block.
func (r *runner) block(b *block) {
	b.out, b.rows, b.err = b.out[:0], 0, nil
	in := b.in
	for len(in) > 0 {
		end := bytes.IndexByte(in, '\n')
		b.rows++
		out, err := r.mask(b.out, in[:end])
		if err == nil {
			b.out = out
		} else if b.err = err; !errors.Is(err, errUnmasked) {
			locate(err, b.rows)
			return
		}
		in = in[end+1:]
	}
	if cap(r.scratch) > keepCapacity {
		r.scratch = nil
	}
	if cap(r.masked) > keepCapacity {
		r.masked = nil
	}
}

// locate completes an error with the ordinal of its row.
func locate(err error, row int64) {
	var cell *CellError
	if errors.As(err, &cell) {
		cell.Row = row
	}
}
