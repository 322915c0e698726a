package jetstream

import (
	"reflect"
	"testing"
	"time"

	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/pkg/events"
)

func TestEnsureIsIdempotentAndKeepsWhatAnOperatorSet(t *testing.T) {
	js := serve(t, t.TempDir())
	ctx := t.Context()
	check(t, Ensure(ctx, js, Topology{}))
	s, err := js.Stream(ctx, bus.StreamSaga)
	check(t, err)
	operators := s.CachedInfo().Config
	operators.MaxBytes, operators.AllowDirect = 1<<30, false
	_, err = js.UpdateStream(ctx, operators)
	check(t, err)

	check(t, Ensure(ctx, js, Topology{Clusters: []string{events.LocalCluster, "prod"}}))
	s, err = js.Stream(ctx, bus.StreamSaga)
	check(t, err)
	if got := s.CachedInfo().Config; got.MaxBytes != 1<<30 || !got.AllowDirect || !got.DenyDelete || !got.AllowMsgTTL {
		t.Errorf("got %+v", got)
	}
	before := s.CachedInfo().Config
	check(t, Ensure(ctx, js, Topology{Clusters: []string{events.LocalCluster}}))
	s, err = js.Stream(ctx, bus.StreamSaga)
	check(t, err)
	if !reflect.DeepEqual(before, s.CachedInfo().Config) {
		t.Error("a second Ensure changed the stream")
	}
	for _, cluster := range []string{events.LocalCluster, "prod"} {
		for _, stage := range events.Stages() {
			c, err := js.Consumer(ctx, bus.StreamWork, bus.WorkConsumer(stage, cluster))
			check(t, err)
			got := c.CachedInfo().Config
			if got.AckWait != bus.AckWait || got.MaxDeliver != -1 || got.MaxAckPending != maxAckPending[stage] ||
				got.FilterSubject != bus.WorkFilter(stage, cluster) || got.AckPolicy != natsjs.AckExplicitPolicy {
				t.Errorf("%s near %s: %+v", stage, cluster, got)
			}
		}
	}
}

func TestEnsureRepairsAConsumer(t *testing.T) {
	js := serve(t, t.TempDir())
	ctx := t.Context()
	check(t, Ensure(ctx, js, Topology{}))
	c, err := js.Consumer(ctx, bus.StreamWork, captures)
	check(t, err)
	other := c.CachedInfo().Config
	other.AckWait, other.MaxAckPending = time.Hour, 1
	_, err = js.UpdateConsumer(ctx, bus.StreamWork, other)
	check(t, err)
	check(t, Ensure(ctx, js, Topology{}))
	c, err = js.Consumer(ctx, bus.StreamWork, captures)
	check(t, err)
	if got := c.CachedInfo().Config; got.AckWait != bus.AckWait || got.MaxAckPending != maxAckPending[events.StageCapture] {
		t.Errorf("got %+v", got)
	}
}

func TestEnsureRefusesAForeignStream(t *testing.T) {
	for name, foreign := range map[string]natsjs.StreamConfig{
		"in memory":          {Name: bus.StreamSaga, Subjects: []string{"saga.>"}, Storage: natsjs.MemoryStorage},
		"no queue":           {Name: bus.StreamWork, Subjects: []string{"work.>"}},
		"subjects elsewhere": {Name: "THEIRS", Subjects: []string{"work.>"}},
	} {
		t.Run(name, func(t *testing.T) {
			js := serve(t, t.TempDir())
			_, err := js.CreateStream(t.Context(), foreign)
			check(t, err)
			err = Ensure(t.Context(), js, Topology{})
			if !fault.Is(err, fault.Permanent) || fault.CodeOf(err) != "nats.stream" || fault.HintOf(err) == "" {
				t.Fatalf("got %v of class %s, want a permanent nats.stream with a hint", err, fault.ClassOf(err))
			}
		})
	}
}

func TestOldServersAreRefused(t *testing.T) {
	for version, ok := range map[string]bool{
		"2.14.0": true, "2.15.2": true, "v2.14.1-beta.1": true, "3.0.0": true,
		"2.13.9": false, "1.99.0": false, "": false, "devel": false,
	} {
		err := checkVersion(version)
		if ok != (err == nil) {
			t.Errorf("%q: got %v", version, err)
		}
		if err != nil && (!fault.Is(err, fault.Permanent) || fault.CodeOf(err) != "nats.version" || fault.HintOf(err) == "") {
			t.Errorf("%q: got %v without its class, code or hint", version, err)
		}
	}
}
