package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/pkg/events"
)

// Commands writes to the work queue and to the schedules of the server.
type Commands struct {
	js natsjs.JetStream
}

var _ bus.Commands = (*Commands)(nil)

// NewCommands returns the work queue behind a connection.
func NewCommands(js natsjs.JetStream) *Commands { return &Commands{js} }

// Publish implements bus.Commands. A message that the queue drops as a duplicate is no error: the first one stands.
func (c *Commands) Publish(ctx context.Context, subject, id string, e event.Event) error {
	m, err := commandOf(subject, e)
	if err != nil {
		return err
	}
	if _, err := c.js.PublishMsg(ctx, m, natsjs.WithMsgID(id), natsjs.WithExpectStream(bus.StreamWork)); err != nil {
		return fmt.Errorf("publish to %s: %w", subject, classify(err))
	}
	return nil
}

// PublishAt implements bus.Commands. A time in the past fires at once.
func (c *Commands) PublishAt(ctx context.Context, name string, at time.Time, subject string, e event.Event) error {
	if err := validSchedule(name); err != nil {
		return err
	}
	m, err := commandOf(name, e)
	if err != nil {
		return err
	}
	// The subject's earlier schedule is rolled up, that is, replaced.
	_, err = c.js.PublishMsg(ctx, m, natsjs.WithScheduleAt(at), natsjs.WithScheduleTarget(subject), natsjs.WithExpectStream(bus.StreamWork))
	if err != nil {
		return fmt.Errorf("schedule %s: %w", name, classify(err))
	}
	return nil
}

// Unschedule implements bus.Commands.
func (c *Commands) Unschedule(ctx context.Context, name string) error {
	if err := validSchedule(name); err != nil {
		return err
	}
	stream, err := c.js.Stream(ctx, bus.StreamWork)
	if err == nil {
		err = stream.Purge(ctx, natsjs.WithPurgeSubject(name))
	}
	if err != nil {
		return fmt.Errorf("remove schedule %s: %w", name, classify(err))
	}
	return nil
}

// Pending implements bus.Commands. In a work queue a message stays in the stream until it is acknowledged, and a schedule
// until it fires.
func (c *Commands) Pending(ctx context.Context, subject, name string) (bool, error) {
	stream, err := c.js.Stream(ctx, bus.StreamWork)
	if err != nil {
		return false, fmt.Errorf("look for messages on %s: %w", subject, classify(err))
	}
	for _, s := range []string{subject, name} {
		if s == "" {
			continue
		}
		_, err := stream.GetLastMsgForSubject(ctx, s)
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, natsjs.ErrMsgNotFound) {
			return false, fmt.Errorf("look for messages on %s: %w", s, classify(err))
		}
	}
	return false, nil
}

func commandOf(subject string, e event.Event) (*nats.Msg, error) {
	contentType, data, err := events.Encode(e)
	if err != nil {
		return nil, fault.Wrap(fault.Permanent, fmt.Errorf("publish to %s: %w", subject, err))
	}
	m := nats.NewMsg(subject)
	m.Data = data
	m.Header.Set(bus.MetaContentType, contentType)
	if trace, ok := e.Extensions()[events.ExtTraceParent].(string); ok {
		m.Header.Set(bus.MetaTraceParent, trace)
	}
	return m, nil
}

func validSchedule(name string) error {
	if rest, ok := strings.CutPrefix(name, schedulePrefix); !ok || rest == "" || strings.ContainsAny(rest, "*> ") {
		return fault.New(fault.Permanent, "bus.schedule", "%q is not the subject of a schedule", name)
	}
	return nil
}
