package router_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/tranship/tranship/internal/bus/router"
)

func TestPanicIsARefusalAndIsObserved(t *testing.T) {
	core, logs := observer.New(zapcore.ErrorLevel)
	m := &metrics{seen: make(chan error, 3)}
	r, err := router.New(router.Config{}, router.Deps{Log: zap.New(core), Metrics: m})
	if err != nil {
		t.Fatal(err)
	}
	refusal := errors.New("not now")
	deliver := make(chan *message.Message)
	r.AddConsumerHandler("capture", "topic", subscriber(deliver), func(w *message.Message) error {
		switch string(w.Payload) {
		case "panic":
			panic("boom")
		case "refuse":
			return refusal
		}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	<-r.Running()
	for _, c := range []struct {
		payload string
		acked   bool
		check   func(error) bool
	}{
		{"panic", false, func(err error) bool { return err != nil }},
		{"refuse", false, func(err error) bool { return errors.Is(err, refusal) }},
		{"fine", true, func(err error) bool { return err == nil }},
	} {
		w := message.NewMessage("1", []byte(c.payload))
		deliver <- w
		select {
		case <-w.Acked():
			if !c.acked {
				t.Errorf("%s: acknowledged", c.payload)
			}
		case <-w.Nacked():
			if c.acked {
				t.Errorf("%s: refused", c.payload)
			}
		}
		if err := <-m.seen; !c.check(err) {
			t.Errorf("%s: observed %v", c.payload, err)
		}
	}
	cancel()
	running.Wait()
	if m.name != "capture" {
		t.Errorf("observed handler %q", m.name)
	}
	if logs.Len() < 2 {
		t.Errorf("%d errors in the log, want one per failure", logs.Len())
	}
}

type metrics struct {
	name string
	seen chan error
}

func (m *metrics) Handled(handler string, _ time.Duration, err error) {
	m.name = handler
	m.seen <- err
}

type subscriber chan *message.Message

func (s subscriber) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	out := make(chan *message.Message)
	go func() {
		defer close(out)
		for {
			select {
			case w := <-s:
				out <- w
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

func (s subscriber) Close() error { return nil }
