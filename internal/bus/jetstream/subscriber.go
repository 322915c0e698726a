package jetstream

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/fault"
)

const (
	headerScheduler = "Nats-Scheduler" // on what a schedule emitted: the schedule's own subject
	schedulePrefix  = "at."
	retryDelay      = 2 * time.Second
)

// SubscriberConfig says what to subscribe to and how much to take at once.
type SubscriberConfig struct {
	Stream    string        // empty: bus.StreamWork
	Slots     int           // messages in work at once per subscription; 0: 1
	Heartbeat time.Duration // of messages in work; 0: bus.Heartbeat. At most a third of the consumer's AckWait
	Grace     time.Duration // how long Close waits for running handlers; 0: without limit
}

// SubscriberDeps are what a Subscriber needs.
type SubscriberDeps struct {
	JetStream natsjs.JetStream
	Log       *zap.Logger
}

// Subscriber is a Watermill Subscriber. A topic is the name of a durable pull consumer, which somebody else creates: while
// it does not exist, the subscriber waits for it.
//
// Every free slot asks for one message. The server hears that a message is in work every Heartbeat until its handler
// returns. An acknowledged message is removed, and the server confirms that, before the slot takes the next one. One that
// the handler refuses (an error under Watermill's Router) is left alone: the server delivers it again after AckWait, so a
// refusal cannot spin. Only while the subscriber closes is a refused message, or one that no handler has taken, handed
// back at once.
type Subscriber struct {
	cfg     SubscriberConfig
	js      natsjs.JetStream
	log     *zap.Logger
	decode  func(natsjs.Msg) (*message.Message, error)
	closing chan struct{}
	abandon chan struct{} // closed when the grace period is over
	mu      sync.Mutex    // orders slots.Add before the Wait of Close
	closed  bool
	giveUp  sync.Once
	slots   sync.WaitGroup
}

var _ message.Subscriber = (*Subscriber)(nil)

// NewSubscriber returns a Subscriber.
func NewSubscriber(cfg SubscriberConfig, deps SubscriberDeps) *Subscriber {
	if cfg.Stream == "" {
		cfg.Stream = bus.StreamWork
	}
	cfg.Slots = max(cfg.Slots, 1)
	if cfg.Heartbeat <= 0 {
		cfg.Heartbeat = bus.Heartbeat
	}
	return &Subscriber{cfg: cfg, js: deps.JetStream, log: deps.Log, decode: decode, closing: make(chan struct{}), abandon: make(chan struct{})}
}

// Subscribe delivers the messages of the durable consumer called topic until ctx ends or Close is called. The context of
// each message ends then, or when its handler is through.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fault.New(fault.Permanent, "bus.closed", "subscribe to %s: the subscriber is closed", topic)
	}
	ctx, cancel := context.WithCancel(ctx)
	out := make(chan *message.Message)
	var open sync.WaitGroup
	open.Add(s.cfg.Slots)
	s.slots.Add(1)
	for range s.cfg.Slots {
		go func() {
			defer open.Done()
			s.slot(ctx, topic, out)
		}()
	}
	go func() {
		defer s.slots.Done()
		drained := make(chan struct{})
		go func() { open.Wait(); close(drained) }()
		select {
		case <-s.closing:
			cancel()
		case <-drained:
		}
		<-drained
		cancel()
		close(out)
	}()
	return out, nil
}

// Close stops pulling, ends the contexts of the messages in work and waits for their handlers. After the grace period it
// gives them up and returns an error: their messages go to other workers after AckWait.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.slots.Wait(); close(done) }()
	if s.cfg.Grace <= 0 {
		<-done
		return nil
	}
	grace := time.NewTimer(s.cfg.Grace)
	defer grace.Stop()
	select {
	case <-done:
		return nil
	case <-grace.C:
		s.giveUp.Do(func() { close(s.abandon) })
		<-done
		return fault.New(fault.Transient, "bus.drain", "close the subscriber: handlers still run after %s", s.cfg.Grace)
	}
}

func (s *Subscriber) slot(ctx context.Context, topic string, out chan<- *message.Message) {
	log := s.log.With(zap.String("stream", s.cfg.Stream), zap.String("consumer", topic))
	var consumer natsjs.Consumer
	for ctx.Err() == nil {
		if consumer == nil {
			c, err := s.js.Consumer(ctx, s.cfg.Stream, topic)
			if err != nil {
				if ctx.Err() == nil {
					log.Warn("the consumer cannot be used yet, waiting for it", zap.Error(err))
					pause(ctx, retryDelay)
				}
				continue
			}
			consumer = c
		}
		m, err := consumer.Next(natsjs.FetchContext(ctx))
		switch {
		case err == nil:
			s.deliver(ctx, log, m, out)
		case ctx.Err() != nil, errors.Is(err, nats.ErrTimeout), errors.Is(err, natsjs.ErrNoMessages):
		case errors.Is(err, natsjs.ErrConsumerDeleted), errors.Is(err, natsjs.ErrConsumerNotFound), errors.Is(err, nats.ErrNoResponders):
			log.Warn("the consumer is gone, waiting for it", zap.Error(err))
			consumer = nil
			pause(ctx, retryDelay)
		default:
			log.Warn("cannot ask for the next message, trying again", zap.Error(err))
			pause(ctx, retryDelay)
		}
	}
}

// deliver hands one message to a handler and settles it with the server.
func (s *Subscriber) deliver(ctx context.Context, log *zap.Logger, m natsjs.Msg, out chan<- *message.Message) {
	log = log.With(zap.String("subject", m.Subject()))
	w, err := s.decode(m)
	if err != nil {
		log.Error("a message that nobody may act on was removed", zap.Error(err))
		settled(log, "remove", m.TermWithReason(err.Error()))
		return
	}
	mctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.SetContext(mctx)

	beat := time.NewTicker(s.cfg.Heartbeat)
	defer beat.Stop()
	for taken := false; !taken; {
		select {
		case out <- w:
			taken = true
		case <-beat.C:
			settled(log, "keep alive", m.InProgress())
		case <-ctx.Done():
			settled(log, "hand back", m.Nak())
			return
		}
	}
	for {
		select {
		case <-beat.C:
			settled(log, "keep alive", m.InProgress())
		case <-w.Acked():
			if reason := w.Metadata.Get(bus.MetaTerminate); reason != "" {
				settled(log, "remove", m.TermWithReason(reason))
				return
			}
			settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Heartbeat)
			defer cancel()
			settled(log, "acknowledge", m.DoubleAck(settle))
			return
		case <-s.abandon:
			return
		case <-w.Nacked():
			if ctx.Err() != nil {
				settled(log, "hand back", m.Nak())
			}
			return
		}
	}
}

// settled logs a failure to tell the server what became of a message. Nothing else is to be done about one: the server
// delivers the message again, and the journal decides what that delivery means.
func settled(log *zap.Logger, what string, err error) {
	if err != nil {
		log.Warn("cannot settle a message", zap.String("action", what), zap.Error(err))
	}
}

func decode(m natsjs.Msg) (*message.Message, error) {
	meta, err := m.Metadata()
	if err != nil {
		return nil, fault.New(fault.Permanent, "bus.message", "read the metadata of a message: %w", err)
	}
	// Any message of the stream may carry the header of a schedule and so make the server emit a command. Who may write
	// only requests must not command workers that way: the scheduler's own subjects are the one source of schedules.
	for _, by := range m.Headers().Values(headerScheduler) {
		if !strings.HasPrefix(by, schedulePrefix) {
			return nil, fault.New(fault.Denied, "bus.schedule", "the message was emitted by a schedule outside %s>", schedulePrefix)
		}
	}
	seq := strconv.FormatUint(meta.Sequence.Stream, 10)
	w := message.NewMessage(meta.Stream+"/"+seq, m.Data())
	w.Metadata.Set(bus.MetaSubject, m.Subject())
	w.Metadata.Set(bus.MetaSequence, seq)
	w.Metadata.Set(bus.MetaDelivered, strconv.FormatUint(meta.NumDelivered, 10))
	for _, k := range []string{bus.MetaTraceParent, bus.MetaContentType} {
		if v := m.Headers().Get(k); v != "" {
			w.Metadata.Set(k, v)
		}
	}
	return w, nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
