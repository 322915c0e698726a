package jetstream_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/bus/bustest"
	"github.com/tranship/tranship/internal/bus/jetstream"
	"github.com/tranship/tranship/internal/fault"
)

// openResources uses the permissions of the gateway, the one writer.
func openResources(t *testing.T) *jetstream.Resources {
	t.Helper()
	r, err := jetstream.NewResources(t.Context(), bustest.Start(t, bustest.Options{}).JetStream(bus.ServiceGateway))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestResourceIsReplacedOnlyAtItsRevision(t *testing.T) {
	r, ctx := openResources(t), t.Context()
	const key = "default.policy.nightly"
	if _, err := r.Get(ctx, key); !fault.Is(err, fault.NotFound) {
		t.Fatalf("get before put: %v", err)
	}
	put := func(value string, revision uint64) uint64 {
		t.Helper()
		next, err := r.Put(ctx, key, []byte(value), revision)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	first := put("a", 0)
	second := put("b", first)
	for _, revision := range []uint64{0, first} {
		if _, err := r.Put(ctx, key, []byte("c"), revision); !fault.Is(err, fault.Conflict) {
			t.Errorf("put at %d: %v, want a conflict", revision, err)
		}
	}
	if err := r.Delete(ctx, key, first); !fault.Is(err, fault.Conflict) {
		t.Errorf("delete at %d: %v, want a conflict", first, err)
	}
	if got, err := r.Get(ctx, key); err != nil || string(got.Value) != "b" || got.Revision != second {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := r.Delete(ctx, key, second); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Get(ctx, key); !fault.Is(err, fault.NotFound) {
		t.Errorf("get after delete: %v", err)
	}
	put("d", 0)
	history, err := r.History(ctx, key)
	var got []string
	for _, h := range history {
		got = append(got, fmt.Sprintf("%s %t", h.Value, h.Value == nil))
	}
	if want := []string{"a false", "b false", " true", "d false"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("history %q, %v; want %q", got, err, want)
	}
	if _, err := r.Put(ctx, "no such * key", nil, 0); !fault.Is(err, fault.Permanent) {
		t.Errorf("bad key: %v", err)
	}
}

func TestResourcesAreListedAndWatchedBelowAPrefix(t *testing.T) {
	r := openResources(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, key := range []string{"default.policy.a", "default.location.b", "other.policy.c", "default.policy.gone"} {
		revision, err := r.Put(ctx, key, []byte(key), 0)
		if err == nil && key == "default.policy.gone" {
			err = r.Delete(ctx, key, revision)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for prefix, want := range map[string][]string{
		"default": {"default.location.b", "default.policy.a"}, "default.policy": {"default.policy.a"}, "none": nil,
		"": {"default.location.b", "default.policy.a", "other.policy.c"},
	} {
		var got []string
		for v, err := range r.List(ctx, prefix) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, v.Key)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("below %q: got %v, want %v", prefix, got, want)
		}
	}
	var got []string
	for v, err := range r.Watch(ctx, "default.policy") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %t", v.Key, v.Value == nil))
		switch len(got) {
		case 1:
			if err := r.Delete(ctx, "default.policy.a", v.Revision); err != nil {
				t.Fatal(err)
			}
			continue
		case 2:
			if _, err := r.Put(ctx, "default.policy.new", []byte("x"), 0); err != nil {
				t.Fatal(err)
			}
			continue
		}
		break
	}
	if want := []string{"default.policy.a false", "default.policy.a true", "default.policy.new false"}; !slices.Equal(got, want) {
		t.Errorf("watched %v, want %v", got, want)
	}
}

func TestKeyIsSeenUntilItsTimeToLive(t *testing.T) {
	o := bustest.Options{Dir: t.TempDir(), Keys: t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s, err := jetstream.NewSeen(ctx, bustest.Start(t, o).JetStream(bus.ServiceGateway))
		if err != nil {
			t.Fatal(err)
		}
		mark := func(key string, want bool) {
			t.Helper()
			if got, err := s.Mark(ctx, key, 12*time.Hour); err != nil || got != want {
				t.Errorf("mark %q: new is %t, %v; want %t", key, got, err, want)
			}
		}
		mark("delivery 1 / with * odd > letters", true)
		mark("delivery 1 / with * odd > letters", false)
		mark("delivery 2", true)
		if err := s.Forget(ctx, "delivery 2"); err != nil {
			t.Fatal(err)
		}
		mark("delivery 2", true)
		time.Sleep(11 * time.Hour)
		mark("delivery 2", false)
		time.Sleep(2 * time.Hour)
		mark("delivery 1 / with * odd > letters", true)
		mark("delivery 2", true)
		if _, err := s.Mark(ctx, "x", time.Millisecond); !fault.Is(err, fault.Permanent) {
			t.Errorf("a time to live below a second: %v", err)
		}
	})
}
