package retry

import (
	"context"
	"errors"
	"io"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

// Get implements blob.Store.
func (s *store) Get(ctx context.Context, k blob.Key, off, n int64) (io.ReadCloser, error) {
	r := &reader{ctx: ctx, store: s, key: k, off: off, left: n}
	if err := s.do(ctx, r.open); err != nil {
		return nil, err
	}
	return r, nil
}

// reader is a Get that survives broken streams. off and left describe what is still to read; left is -1 for all.
type reader struct {
	ctx     context.Context //nolint:containedctx // the context of one Get, as in net/http's response body
	store   *store
	key     blob.Key
	off     int64
	left    int64
	started bool          // bytes have been read, so off is not where the caller began
	stream  io.ReadCloser // nil after it broke
	failed  int           // failures since the last byte
	end     error         // what every further Read returns
}

func (r *reader) open() error {
	stream, err := r.store.store.Get(r.ctx, r.key, r.off, r.left)
	if err == nil {
		r.stream = stream
	}
	return err
}

// Read implements io.Reader. It returns what it has as soon as it has some.
func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 || r.end != nil {
		return 0, r.end
	}
	for {
		n, err := r.once(p)
		if n > 0 {
			r.off += int64(n)
			r.started, r.failed = true, 0
			if r.left > 0 {
				r.left -= int64(n)
			}
		}
		switch {
		case err == nil && n > 0:
			return n, nil
		case err == nil:
			continue
		case errors.Is(err, io.EOF), r.left == 0:
			r.end = io.EOF
			return n, io.EOF
		case errors.Is(err, blob.ErrChecksum):
			// What was read so far is wrong somewhere: to go on from here would hide it.
			r.end = err
			return n, err
		}
		r.shut()
		if n > 0 {
			return n, nil // the next Read goes on where this one broke off
		}
		r.failed++
		if again, wait := r.store.again(r.ctx, r.failed, err); !again {
			r.end = err
			return 0, err
		} else if !sleep(r.ctx, wait) {
			r.end = canceled(r.ctx, err)
			return 0, r.end
		}
	}
}

// once reads from the stream, opening it anew where it broke.
func (r *reader) once(p []byte) (int, error) {
	if r.stream == nil {
		if err := r.open(); err != nil {
			if r.started && errors.Is(err, blob.ErrRange) {
				return 0, io.EOF // it broke after the last byte
			}
			return 0, err
		}
	}
	return r.stream.Read(p)
}

func (r *reader) shut() {
	if r.stream != nil {
		_ = r.stream.Close() // it is broken already
		r.stream = nil
	}
}

// Close implements io.Closer.
func (r *reader) Close() error {
	if r.end == nil {
		r.end = fault.New(fault.Permanent, "blob.closed", "get object %s: read after close", r.key)
	}
	if r.stream == nil {
		return nil
	}
	err := r.stream.Close()
	r.stream = nil
	return err
}
