package jetstream

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/fault"
)

// Watermill's own suite. It wants four things that the product does not: that ids and any metadata travel (here in the
// payload), that subscribing creates a consumer, a refused
// message back soon (here a short AckWait), and to close while nobody settles a message (here a short grace period).
func TestWatermillConformance(t *testing.T) {
	js := serve(t, t.TempDir())
	_, err := js.CreateStream(t.Context(), natsjs.StreamConfig{Name: "S", Subjects: []string{"topic.>"}})
	check(t, err)
	features := tests.Features{
		ConsumerGroups: true, GuaranteedOrder: true, GuaranteedOrderWithSingleSubscriber: true, Persistent: true, ForceShort: true,
		GenerateTopicFunc: func(c tests.TestContext) string { return "topic." + c.TestID.String() },
	}
	open := func(group string) (message.Publisher, message.Subscriber) {
		p := NewPublisher(js)
		p.encode = func(subject string, w *message.Message) *nats.Msg {
			data, err := json.Marshal(wire{w.UUID, w.Metadata, w.Payload})
			if err != nil {
				t.Error(err)
			}
			m := nats.NewMsg(subject)
			m.Data = data
			return m
		}
		s := NewSubscriber(SubscriberConfig{Stream: "S", Heartbeat: 300 * time.Millisecond, Grace: 500 * time.Millisecond},
			SubscriberDeps{JetStream: js, Log: zap.NewNop()})
		s.decode = func(m natsjs.Msg) (*message.Message, error) {
			var v wire
			if err := json.Unmarshal(m.Data(), &v); err != nil {
				return nil, err
			}
			w := message.NewMessage(v.UUID, v.Payload)
			w.Metadata = v.Metadata
			return w, nil
		}
		return p, creating{s, js, group}
	}
	tests.TestPubSub(t, features,
		func(*testing.T) (message.Publisher, message.Subscriber) { return open("default") },
		func(_ *testing.T, group string) (message.Publisher, message.Subscriber) { return open(group) })
}

type wire struct {
	UUID     string
	Metadata message.Metadata
	Payload  []byte
}

// creating makes the consumer of a topic before it subscribes to it.
type creating struct {
	*Subscriber
	js    natsjs.JetStream
	group string
}

func (c creating) Close() error {
	if err := c.Subscriber.Close(); err != nil && fault.CodeOf(err) != "bus.drain" {
		return err
	}
	return nil
}

func (c creating) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	name := strings.NewReplacer(".", "_").Replace(c.group + "_" + topic)
	_, err := c.js.CreateOrUpdateConsumer(ctx, "S", natsjs.ConsumerConfig{
		Durable: name, FilterSubject: topic, AckPolicy: natsjs.AckExplicitPolicy, AckWait: time.Second,
	})
	if err != nil {
		return nil, fmt.Errorf("create consumer %s: %w", name, err)
	}
	return c.Subscriber.Subscribe(ctx, name)
}
