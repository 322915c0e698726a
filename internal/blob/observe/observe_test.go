package observe_test

import (
	"context"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/blob/blobtest"
	"github.com/tranship/tranship/internal/blob/check"
	"github.com/tranship/tranship/internal/blob/mem"
	"github.com/tranship/tranship/internal/blob/observe"
	"github.com/tranship/tranship/internal/clock"
)

type calls chan observe.Call

func (c calls) Observe(call observe.Call) { c <- call }

type nobody struct{}

func (nobody) Observe(observe.Call) {}

func TestConformance(t *testing.T) {
	s := observe.Wrap(mem.New(clock.Real{}), observe.Config{}, observe.Deps{Observer: nobody{}, Clock: clock.Real{}})
	blobtest.Run(t, func(*testing.T) blob.Store { return s }, check.Features{})
}

func TestEveryCallIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := make(calls, 20)
		ctx := t.Context()
		b := blob.NewBucket(observe.Wrap(mem.New(clock.Real{}), observe.Config{}, observe.Deps{Observer: seen, Clock: clock.Real{}}), "")
		must(t, b.Put(ctx, "p/1", make([]byte, 100), blob.PutOptions{IfNotExists: true}))
		if b.Put(ctx, "p/1", make([]byte, 100), blob.PutOptions{IfNotExists: true}) == nil {
			t.Fatal("created twice")
		}
		r, err := b.Open(ctx, "p/1", 20, -1)
		must(t, err)
		_, err = io.ReadFull(r, make([]byte, 30))
		must(t, err)
		time.Sleep(3 * time.Second) // the bubble's time
		must(t, r.Close())
		if _, err := b.Stat(ctx, "format.json"); err == nil {
			t.Fatal("found what is not there")
		}
		for range b.List(ctx, "p/") {
			time.Sleep(time.Second)
		}
		must(t, b.Delete(ctx, "p/1"))
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if b.Delete(ended, "p/1") == nil {
			t.Fatal("deleted although canceled")
		}
		close(seen)
		want := []observe.Call{
			{Op: observe.Put, KeyClass: "p", Bytes: 100, Outcome: "ok"},
			{Op: observe.Put, KeyClass: "p", Outcome: "conflict"},
			{Op: observe.Get, KeyClass: "p", Bytes: 30, Duration: 3 * time.Second, Outcome: "ok"},
			{Op: observe.Stat, KeyClass: "", Outcome: "not-found"},
			{Op: observe.List, KeyClass: "p", Duration: time.Second, Outcome: "ok"},
			{Op: observe.Delete, KeyClass: "p", Outcome: "ok"},
			{Op: observe.Delete, KeyClass: "p", Outcome: "canceled"},
		}
		var got []observe.Call
		for c := range seen {
			got = append(got, c)
		}
		if !slices.Equal(got, want) {
			t.Errorf("told\n%+v, want\n%+v", got, want)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
