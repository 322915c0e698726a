package drivertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/dataservice"
)

// Run runs the suite.
func Run(t *testing.T, spec dataservice.Spec, h Harness) {
	t.Helper()
	captured := h.capture(t, spec)
	if len(captured.data()) == 0 {
		t.Fatal("the source has no data: the suite would prove nothing")
	}
	for name, test := range map[string]func(*testing.T, dataservice.Spec, *Harness, *component){
		"the same state gives the same bytes":        sameBytes,
		"a restore equals its source":                roundTrip,
		"a capture killed in any unit starts again":  killedCaptures,
		"a restore killed in any unit goes on":       killedRestores,
		"a unit that cannot be read is not restored": brokenStream,
		"an older claim gives way":                   fence,
		"an existing target is refused":              existingTarget,
		"a target that appears is not replaced":      appearingTarget,
		"discard leaves nothing":                     discard,
		"publish happens once":                       publish,
		"errors tell no secret":                      secrets,
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) { test(t, spec, &h, &captured) })
	}
}

func sameBytes(t *testing.T, spec dataservice.Spec, h *Harness, c *component) {
	again := h.capture(t, spec)
	if len(again.Units) != len(c.Units) {
		t.Fatalf("%d units, and before %d", len(again.Units), len(c.Units))
	}
	for i, u := range c.Units {
		if again.Units[i].Unit.ID != u.Unit.ID {
			t.Errorf("unit %d is %s, and before %s", i, again.Units[i].Unit.ID, u.Unit.ID)
		}
		if !bytes.Equal(again.streams[u.Unit.ID], c.streams[u.Unit.ID]) {
			t.Errorf("unit %s has other bytes than before", u.Unit.ID)
		}
	}
	catalogue := func(c *component) string {
		b, err := json.Marshal(c.Catalogue)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if catalogue(&again) != catalogue(c) {
		t.Error("the catalogue is another than before")
	}
}

func roundTrip(t *testing.T, spec dataservice.Spec, h *Harness, c *component) {
	r := h.restoring(t, spec)
	units := slices.Clone(c.Units)
	shuffle := rand.New(rand.NewPCG(1, 2))
	shuffle.Shuffle(len(units), func(i, j int) { units[i], units[j] = units[j], units[i] })
	r.all(t, c, units)
	if h.Published(t, r.config) {
		t.Error("the target is to be seen before it is published")
	}
	r.equal(t, c)
}

func killedCaptures(t *testing.T, spec dataservice.Spec, h *Harness, c *component) {
	for _, u := range c.Units {
		killed := func() {
			ctx, kill := context.WithCancel(t.Context())
			defer kill()
			source, plan := h.planned(t, spec)
			defer closing(t, source)
			s := &stream{limit: len(c.streams[u.Unit.ID]) / 2, stop: kill}
			if len(c.streams[u.Unit.ID]) == 0 {
				kill()
			}
			_, err := source.Capture(ctx, unit(t, plan, u.Unit.ID), s)
			// The last write may have been the one that killed: then the unit is whole.
			if err == nil && !bytes.Equal(s.Bytes(), c.streams[u.Unit.ID]) {
				t.Errorf("capture of unit %s was killed and reports success without all bytes", u.Unit.ID)
			}
		}
		killed()
		source, plan := h.planned(t, spec)
		s := &stream{limit: -1}
		if _, err := source.Capture(t.Context(), unit(t, plan, u.Unit.ID), s); err != nil {
			t.Errorf("capture unit %s again: %v", u.Unit.ID, err)
		} else if !bytes.Equal(s.Bytes(), c.streams[u.Unit.ID]) {
			t.Errorf("unit %s has other bytes after a killed capture", u.Unit.ID)
		}
		closing(t, source)
	}
}

func (h *Harness) planned(t *testing.T, spec dataservice.Spec) (dataservice.Source, dataservice.Plan) {
	t.Helper()
	source, err := spec.Source(t.Context(), h.Source, 2, h.Deps)
	if err != nil {
		t.Fatalf("open the source: %v", err)
	}
	plan, err := source.Plan(t.Context())
	if err != nil {
		closing(t, source)
		t.Fatalf("plan: %v", err)
	}
	return source, plan
}

func unit(t *testing.T, plan dataservice.Plan, id string) dataservice.Unit {
	t.Helper()
	for _, u := range plan.Units {
		if u.ID == id {
			return u
		}
	}
	t.Fatalf("the plan has no unit %s any more", id)
	return dataservice.Unit{}
}

func killedRestores(t *testing.T, spec dataservice.Spec, h *Harness, c *component) {
	r := h.restoring(t, spec)
	// killing does one thing in a process of its own, so to speak, and kills it within the unit.
	killing := func(what, id string, do func(ctx context.Context, target dataservice.Target, open dataservice.OpenUnit) error) {
		t.Helper()
		r.fence++
		target := r.target(t)
		defer closing(t, target)
		ctx, kill := context.WithCancel(t.Context())
		defer kill()
		err := do(ctx, target, c.opening(id, func() error {
			kill()
			return context.Canceled
		}))
		if err == nil {
			t.Errorf("%s was killed in unit %s and reports success", what, id)
		}
	}
	for _, u := range c.definitions() {
		if u.Unit.ID == c.definitions()[0].Unit.ID {
			killing("prepare", u.Unit.ID, func(ctx context.Context, target dataservice.Target, open dataservice.OpenUnit) error {
				return target.Prepare(ctx, c.Component, open)
			})
		}
	}
	again := func(what string, do func(target dataservice.Target) error) {
		t.Helper()
		r.fence++
		target := r.target(t)
		defer closing(t, target)
		for range 2 {
			if err := do(target); err != nil {
				t.Fatalf("%s again: %v", what, err)
			}
		}
	}
	again("prepare", func(target dataservice.Target) error { return target.Prepare(t.Context(), c.Component, c.open) })
	for _, u := range c.data() {
		killing("restore", u.Unit.ID, func(ctx context.Context, target dataservice.Target, open dataservice.OpenUnit) error {
			_, err := target.Restore(ctx, u, open)
			return err
		})
		first := true
		again("restore unit "+u.Unit.ID, func(target dataservice.Target) error {
			done, err := target.Restore(t.Context(), u, c.open)
			if err == nil && done != first {
				t.Errorf("restore of unit %s reports %t, want %t: it was killed before, and is to be done once", u.Unit.ID, done, first)
			}
			first = false
			return err
		})
	}
	if definitions := c.definitions(); len(definitions) > 0 {
		last := definitions[len(definitions)-1].Unit.ID
		killing("finish", last, func(ctx context.Context, target dataservice.Target, open dataservice.OpenUnit) error {
			return target.Finish(ctx, c.Component, open)
		})
	}
	again("finish", func(target dataservice.Target) error { return target.Finish(t.Context(), c.Component, c.open) })
	r.equal(t, c)
}

func brokenStream(t *testing.T, spec dataservice.Spec, h *Harness, c *component) {
	r := h.restoring(t, spec)
	target := r.target(t)
	defer closing(t, target)
	ctx := t.Context()
	if err := target.Prepare(ctx, c.Component, c.open); err != nil {
		t.Fatalf("prepare: %v", err)
	}
	broken := errors.New("the chunk has another digest")
	for _, u := range c.data() {
		if done, err := target.Restore(ctx, u, c.opening(u.Unit.ID, func() error { return broken })); done || !errors.Is(err, broken) {
			t.Errorf("restore of unit %s from a broken stream: %t, %v; want the stream's error", u.Unit.ID, done, err)
		}
		refused := func(context.Context, dataservice.Captured) (io.ReadCloser, error) { return nil, broken }
		if done, err := target.Restore(ctx, u, refused); done || !errors.Is(err, broken) {
			t.Errorf("restore of unit %s without a stream: %t, %v; want the error of opening", u.Unit.ID, done, err)
		}
		if done, err := target.Restore(ctx, u, c.open); !done || err != nil {
			t.Errorf("restore of unit %s from a whole stream: %t, %v", u.Unit.ID, done, err)
		}
	}
	if err := target.Finish(ctx, c.Component, c.open); err != nil {
		t.Fatalf("finish: %v", err)
	}
	r.equal(t, c)
}

// fence freezes a worker within a unit, lets another take over, and wakes the first.
func fence(t *testing.T, spec dataservice.Spec, h *Harness, c *component) {
	ctx := t.Context()
	r := h.restoring(t, spec)
	older := r.target(t)
	defer closing(t, older)
	if err := older.Prepare(ctx, c.Component, c.open); err != nil {
		t.Fatalf("prepare: %v", err)
	}
	r.fence++
	newer := r.target(t)
	defer closing(t, newer)

	units := c.data()
	frozen, wake := make(chan struct{}), make(chan struct{})
	type outcome struct {
		done bool
		err  error
	}
	woken := make(chan outcome)
	go func() {
		done, err := older.Restore(ctx, units[0], c.opening(units[0].Unit.ID, func() error {
			close(frozen)
			<-wake
			return nil
		}))
		woken <- outcome{done, err}
	}()
	<-frozen
	done, err := newer.Restore(ctx, units[0], c.open)
	close(wake)
	old := <-woken
	if err != nil || !done {
		t.Errorf("takeover of unit %s: %t, %v; want it done", units[0].Unit.ID, done, err)
	}
	if old.done {
		t.Errorf("the older claim reports that it restored unit %s, which the newer did", units[0].Unit.ID)
	}
	if done, err := older.Restore(ctx, units[0], c.open); done || err != nil && !errors.Is(err, dataservice.ErrFenced) {
		t.Errorf("the older claim restores unit %s: %t, %v; want nothing done, and no error but %v", units[0].Unit.ID, done, err, dataservice.ErrFenced)
	}
	for _, u := range units[1:] {
		if _, err := newer.Restore(ctx, u, c.open); err != nil {
			t.Fatalf("restore unit %s: %v", u.Unit.ID, err)
		}
	}
	if err := newer.Finish(ctx, c.Component, c.open); err != nil {
		t.Fatalf("finish: %v", err)
	}
	r.equal(t, c)
}

func existingTarget(t *testing.T, spec dataservice.Spec, h *Harness, c *component) {
	r := h.restoring(t, spec)
	h.Occupy(t, r.config)
	before := h.State(t, r.config)
	target := r.target(t)
	defer closing(t, target)
	if err := target.Prepare(t.Context(), c.Component, c.open); !errors.Is(err, dataservice.ErrTargetExists) {
		t.Errorf("prepare over an existing target: %v, want %v", err, dataservice.ErrTargetExists)
	}
	if after := h.State(t, r.config); after != before {
		t.Errorf("the refused restore changed the target:\n%s\nbefore:\n%s", after, before)
	}
}

func appearingTarget(t *testing.T, spec dataservice.Spec, h *Harness, c *component) {
	r := h.restoring(t, spec)
	r.all(t, c, c.Units)
	h.Occupy(t, r.config)
	before := h.State(t, r.config)
	sandbox := r.sandbox(t)
	defer closing(t, sandbox)
	if err := sandbox.Publish(t.Context(), c.Component); !errors.Is(err, dataservice.ErrTargetExists) {
		t.Errorf("publish over an existing target: %v, want %v", err, dataservice.ErrTargetExists)
	}
	if after := h.State(t, r.config); after != before {
		t.Errorf("the refused publish changed the target:\n%s\nbefore:\n%s", after, before)
	}
}

func discard(t *testing.T, spec dataservice.Spec, h *Harness, c *component) {
	r := h.restoring(t, spec)
	before := h.State(t, r.config)
	sandbox := r.sandbox(t)
	defer closing(t, sandbox)
	if err := sandbox.Discard(t.Context()); err != nil {
		t.Fatalf("discard what was never prepared: %v", err)
	}
	r.all(t, c, c.Units)
	if h.State(t, r.config) == before {
		t.Fatal("the harness does not see the sealed target")
	}
	for range 2 {
		if err := sandbox.Discard(t.Context()); err != nil {
			t.Fatalf("discard: %v", err)
		}
	}
	if after := h.State(t, r.config); after != before {
		t.Errorf("discard left something:\n%s\nbefore:\n%s", after, before)
	}
}

func publish(t *testing.T, spec dataservice.Spec, h *Harness, c *component) {
	r := h.restoring(t, spec)
	sandbox := r.sandbox(t)
	defer closing(t, sandbox)
	if err := sandbox.Publish(t.Context(), c.Component); err == nil {
		t.Error("publish of what was never restored reports success")
	}
	r.all(t, c, c.Units)
	if h.Published(t, r.config) {
		t.Error("the target is to be seen before it is published")
	}
	for range 2 {
		if err := sandbox.Publish(t.Context(), c.Component); err != nil {
			t.Fatalf("publish: %v", err)
		}
	}
	if !h.Published(t, r.config) {
		t.Fatal("the target is not to be seen after it was published")
	}
	before := h.State(t, r.config)
	if err := sandbox.Discard(t.Context()); err != nil {
		t.Errorf("discard after publish: %v", err)
	}
	// Who wakes up only now must change nothing.
	target := r.target(t)
	defer closing(t, target)
	if err := target.Prepare(t.Context(), c.Component, c.open); err == nil {
		t.Error("prepare of a published target reports success")
	}
	if done, err := target.Restore(t.Context(), c.data()[0], c.open); done || err == nil {
		t.Errorf("restore of a unit of a published target: %t, %v; want an error", done, err)
	}
	if after := h.State(t, r.config); after != before {
		t.Errorf("the published target changed:\n%s\nbefore:\n%s", after, before)
	}
}

func secrets(t *testing.T, spec dataservice.Spec, h *Harness, c *component) {
	if len(h.Refused) == 0 {
		t.Skip("the driver's configurations hold no secret")
	}
	ctx := t.Context()
	told := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s with a refused configuration reports success", what)
			return
		}
		for ; err != nil; err = errors.Unwrap(err) {
			for _, s := range h.Secrets {
				if strings.Contains(err.Error(), s) {
					t.Errorf("%s tells a secret in an error of type %T", what, err)
				}
			}
		}
	}
	as := dataservice.Restoring{Run: "r", Fence: 1, Workers: 1}
	for _, config := range h.Refused {
		source, err := spec.Source(ctx, config, 1, h.Deps)
		if err == nil {
			_, err = source.Plan(ctx)
			closing(t, source)
		}
		told("capture", err)
		target, err := spec.Target(ctx, config, as, h.Deps)
		if err == nil {
			err = target.Prepare(ctx, c.Component, c.open)
			closing(t, target)
		}
		told("restore", err)
		sandbox, err := spec.Sandbox(ctx, config, as, h.Deps)
		if err == nil {
			err = sandbox.Publish(ctx, c.Component)
			closing(t, sandbox)
		}
		told("publish", err)
	}
}
