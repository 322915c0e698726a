// Package bus is how services meet: commands and timers travel as CloudEvents in Watermill messages over a work queue.
//
// The ports are here; bus/jetstream implements them on NATS JetStream, bus/embedded runs a server in this process.
package bus

import (
	"context"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
)

// Commands is the work queue as its one writer, the scheduler, sees it.
type Commands interface {
	// Publish puts a command on subject. The queue drops a second message of the same id within its duplicate window.
	Publish(ctx context.Context, subject, id string, e event.Event) error
	// PublishAt sets the schedule named by name (see events.ScheduleSubject): at the given time, up to a second early, the
	// server puts e on subject. Setting a schedule again replaces it.
	PublishAt(ctx context.Context, name string, at time.Time, subject string, e event.Event) error
	// Unschedule removes a schedule. A schedule that has fired or never stood is no error.
	Unschedule(ctx context.Context, name string) error
	// Pending reports whether a message waits, or is being worked on, under subject, or a schedule under name.
	Pending(ctx context.Context, subject, name string) (bool, error)
}

// Watch tells how a resource changed.
type Watch struct {
	Key      string
	Value    []byte // nil: deleted
	Revision uint64
}
