package jetstream

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/pkg/events"
)

// Publisher is a Watermill Publisher. A topic is a subject; the payload goes out as it is, with the content type and the
// trace of the message's metadata as the only headers. A message is durable when Publish returns.
type Publisher struct {
	js     natsjs.JetStream
	encode func(subject string, w *message.Message) *nats.Msg
	closed atomic.Bool
}

var _ message.Publisher = (*Publisher)(nil)

// NewPublisher returns a Publisher.
func NewPublisher(js natsjs.JetStream) *Publisher { return &Publisher{js: js, encode: encode} }

// Publish sends messages one after the other and stops at the first error.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	for _, w := range messages {
		if p.closed.Load() {
			return fault.New(fault.Permanent, "bus.closed", "publish to %s: the publisher is closed", topic)
		}
		if _, err := p.js.PublishMsg(w.Context(), p.encode(topic, w)); err != nil {
			return fmt.Errorf("publish to %s: %w", topic, classify(err))
		}
	}
	return nil
}

// Close makes further calls of Publish fail. The connection stays open: it belongs to the caller.
func (p *Publisher) Close() error {
	p.closed.Store(true)
	return nil
}

func encode(subject string, w *message.Message) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Data = w.Payload
	contentType := w.Metadata.Get(bus.MetaContentType)
	if contentType == "" {
		contentType = events.ContentType
	}
	m.Header.Set(bus.MetaContentType, contentType)
	if trace := w.Metadata.Get(bus.MetaTraceParent); trace != "" {
		m.Header.Set(bus.MetaTraceParent, trace)
	}
	return m
}

// classify gives an error of the server a class: a request that the server refuses stays refused until a person changes
// something, everything else may pass.
func classify(err error) error {
	var api *natsjs.APIError
	switch {
	case errors.Is(err, nats.ErrPermissionViolation), errors.Is(err, nats.ErrAuthorization):
		return fault.Wrap(fault.Denied, err)
	case errors.Is(err, nats.ErrMaxPayload):
		return fault.Wrap(fault.Permanent, err)
	case errors.As(err, &api) && api.Code == 404:
		return fault.Wrap(fault.NotFound, err)
	case errors.As(err, &api) && api.Code >= 400 && api.Code < 500:
		return fault.Wrap(fault.Permanent, err)
	}
	return fault.Wrap(fault.Transient, err)
}
