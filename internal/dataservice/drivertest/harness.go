package drivertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/dataservice"
)

// Harness is what the suite needs to know of a driver's world. All functions are called from the test's goroutine.
type Harness struct {
	// Source is the configuration of a source whose state does not change during the suite.
	Source json.RawMessage
	// Target returns the configuration of a place where nothing stands, another one at each call.
	Target func(t *testing.T) json.RawMessage
	// Occupy puts something of somebody else's at the place that a target's configuration names.
	Occupy func(t *testing.T, target json.RawMessage)
	// Published reports whether something stands at the place that a target's configuration names.
	Published func(t *testing.T, target json.RawMessage) bool
	// State describes everything that stands at and beside that place, sealed or not, with its content. Equal text means
	// that nothing was added, changed or removed.
	State func(t *testing.T, target json.RawMessage) string
	// Measure measures a unit whose format is neither CopyText nor SQL. A driver without such units leaves it nil.
	Measure func(u dataservice.Unit, b []byte, key dataservice.MeasureKey) (dataservice.Measure, error)
	// Deps are given to the driver.
	Deps dataservice.Deps
	// Secrets must not appear in any error.
	Secrets []string
	// Refused are configurations that hold secrets and whose use fails: a wrong password, a mangled address.
	Refused []json.RawMessage
}

var measureKey = dataservice.MeasureKey{1, 2, 3}

// component is a capture in memory.
type component struct {
	dataservice.Component
	streams map[string][]byte // by unit id
}

// stream takes the bytes of a unit. When limit is not negative, stop is called as soon as more than limit bytes came.
type stream struct {
	bytes.Buffer
	rows  int64
	limit int
	stop  func()
}

func (s *stream) Write(p []byte) (int, error) {
	n, err := s.Buffer.Write(p)
	if s.limit >= 0 && s.Len() > s.limit {
		s.stop()
	}
	return n, err
}

func (s *stream) AddRows(n int64) { s.rows += n }

// capture captures everything through a source of its own.
func (h *Harness) capture(t *testing.T, spec dataservice.Spec) component {
	t.Helper()
	ctx := t.Context()
	source, err := spec.Source(ctx, h.Source, 2, h.Deps)
	if err != nil {
		t.Fatalf("open the source: %v", err)
	}
	defer closing(t, source)
	plan, err := source.Plan(ctx)
	if err != nil {
		t.Fatalf("plan: %v", err)
	}
	c := component{
		Component: dataservice.Component{Name: "subject", Driver: spec.Name, Point: plan.Point, Catalogue: plan.Catalogue, Gaps: plan.Gaps},
		streams:   map[string][]byte{},
	}
	for _, u := range plan.Units {
		s := &stream{limit: -1}
		gaps, err := source.Capture(ctx, u, s)
		if err != nil {
			t.Fatalf("capture unit %s: %v", u.ID, err)
		}
		c.Gaps = append(c.Gaps, gaps...)
		c.add(t, h, u, s)
	}
	return c
}

func (c *component) add(t *testing.T, h *Harness, u dataservice.Unit, s *stream) {
	t.Helper()
	if _, twice := c.streams[u.ID]; twice {
		t.Fatalf("two units have the id %s", u.ID)
	}
	measure, err := h.measure(u, s.Bytes())
	if err != nil {
		t.Fatalf("measure unit %s: %v", u.ID, err)
	}
	if u.Format == dataservice.CopyText && measure.Rows != s.rows {
		t.Errorf("unit %s has %d rows, and the driver counted %d", u.ID, measure.Rows, s.rows)
	}
	c.streams[u.ID] = s.Bytes()
	c.Units = append(c.Units, dataservice.Captured{
		Unit: u, Artifact: artifact.Artifact{Stream: u.ID, Bytes: int64(s.Len())}, Measure: measure,
	})
}

func (h *Harness) measure(u dataservice.Unit, b []byte) (dataservice.Measure, error) {
	switch {
	case u.Format == dataservice.SQL:
		return dataservice.Measure{}, nil
	case u.Format == dataservice.CopyText:
		m := dataservice.NewMeter(measureKey)
		_, _ = m.Write(b)
		return m.Measure()
	case h.Measure == nil:
		return dataservice.Measure{}, fmt.Errorf("the harness cannot measure format %s", u.Format)
	}
	return h.Measure(u, b, measureKey)
}

// open opens streams of the capture.
func (c *component) open(ctx context.Context, u dataservice.Captured) (io.ReadCloser, error) {
	b, ok := c.streams[u.Unit.ID]
	if !ok {
		return nil, fmt.Errorf("no stream %s", u.Unit.ID)
	}
	return io.NopCloser(&reader{ctx: ctx, b: b, chunk: 1000}), nil
}

// opening returns an OpenUnit that, for one unit, gives half of the bytes and then does what then does.
func (c *component) opening(unit string, then func() error) dataservice.OpenUnit {
	return func(ctx context.Context, u dataservice.Captured) (io.ReadCloser, error) {
		if u.Unit.ID != unit {
			return c.open(ctx, u)
		}
		b := c.streams[unit]
		return io.NopCloser(&reader{ctx: ctx, b: b, chunk: 1000, half: len(b) / 2, then: then}), nil
	}
}

// reader reads bytes in pieces, as from a store.
type reader struct {
	ctx   context.Context // of the call that opened the stream
	b     []byte
	at    int
	chunk int
	half  int
	then  func() error
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	end := len(r.b)
	if r.then != nil {
		if end = r.half; r.at >= r.half {
			then := r.then
			r.then = nil
			if err := then(); err != nil {
				return 0, err
			}
			end = len(r.b)
		}
	}
	if r.at >= len(r.b) {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.chunk)], r.b[r.at:end])
	r.at += n
	return n, nil
}

// restore is a run of the suite against one target.
type restore struct {
	h      *Harness
	spec   dataservice.Spec
	config json.RawMessage
	run    string
	fence  uint64
}

func (h *Harness) restoring(t *testing.T, spec dataservice.Spec) *restore {
	t.Helper()
	return &restore{h: h, spec: spec, config: h.Target(t), run: "0190a5f0-0000-7000-8000-00000000002a", fence: 10}
}

func (r *restore) as() dataservice.Restoring {
	return dataservice.Restoring{Run: r.run, Fence: r.fence, Workers: 2}
}

func (r *restore) target(t *testing.T) dataservice.Target {
	t.Helper()
	target, err := r.spec.Target(t.Context(), r.config, r.as(), r.h.Deps)
	if err != nil {
		t.Fatalf("open the target: %v", err)
	}
	return target
}

func (r *restore) sandbox(t *testing.T) dataservice.Sandbox {
	t.Helper()
	sandbox, err := r.spec.Sandbox(t.Context(), r.config, r.as(), r.h.Deps)
	if err != nil {
		t.Fatalf("open the sandbox: %v", err)
	}
	return sandbox
}

// all restores everything, with the units in the order given.
func (r *restore) all(t *testing.T, c *component, units []dataservice.Captured) {
	t.Helper()
	ctx := t.Context()
	target := r.target(t)
	defer closing(t, target)
	if err := target.Prepare(ctx, c.Component, c.open); err != nil {
		t.Fatalf("prepare: %v", err)
	}
	for _, u := range units {
		if _, err := target.Restore(ctx, u, c.open); err != nil {
			t.Fatalf("restore unit %s: %v", u.Unit.ID, err)
		}
	}
	if err := target.Finish(ctx, c.Component, c.open); err != nil {
		t.Fatalf("finish: %v", err)
	}
}

// equal fails the test unless the sealed target holds what the component does.
func (r *restore) equal(t *testing.T, c *component) {
	t.Helper()
	sandbox := r.sandbox(t)
	defer closing(t, sandbox)
	findings, err := sandbox.Inspect(t.Context(), c.Component, measureKey)
	if err != nil {
		t.Fatalf("inspect: %v", err)
	}
	for _, d := range dataservice.Compare(c.Component, findings) {
		t.Errorf("the restored target differs: %s", d)
	}
}

// data are the units that Restore takes: all but definitions.
func (c *component) data() []dataservice.Captured {
	return slices.DeleteFunc(slices.Clone(c.Units), func(u dataservice.Captured) bool { return u.Unit.Format == dataservice.SQL })
}

func (c *component) definitions() []dataservice.Captured {
	return slices.DeleteFunc(slices.Clone(c.Units), func(u dataservice.Captured) bool { return u.Unit.Format != dataservice.SQL })
}

func closing(t *testing.T, c io.Closer) {
	t.Helper()
	for range 2 {
		if err := c.Close(); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("close: %v", err)
		}
	}
}
