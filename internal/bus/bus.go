// Package bus is how services meet: commands and timers travel as CloudEvents in Watermill messages over a work queue.
//
// The ports are here; bus/jetstream implements them on NATS JetStream, bus/embedded runs a server in this process.
package bus

import (
	"context"
	"iter"
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

// Resource is one version of a resource.
type Resource struct {
	Key      string
	Value    []byte
	Revision uint64
}

// Resources keeps resources where no Kubernetes holds them: by key (tokens of letters, digits, "-" and "_", joined by
// dots), with the last ten versions of each.
type Resources interface {
	// Get returns the current version, or an error of class fault.NotFound.
	Get(ctx context.Context, key string) (Resource, error)
	// Put replaces a revision (0: creates) and returns the new one, or an error of class fault.Conflict when the resource is
	// at another revision.
	Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	// Delete removes a revision, or returns an error of class fault.Conflict when the resource is at another one.
	Delete(ctx context.Context, key string, revision uint64) error
	// List yields the current version of every resource whose key starts with the tokens of prefix; all of them for "".
	List(ctx context.Context, prefix string) iter.Seq2[Resource, error]
	// Watch yields what List would, then every change, until ctx ends or the caller stops. An error ends it.
	Watch(ctx context.Context, prefix string) iter.Seq2[Watch, error]
	// History returns the versions that are kept, oldest first; deletions have no Value.
	History(ctx context.Context, key string) ([]Resource, error)
}

// Seen remembers keys for a while: inbound deliveries and idempotency keys.
type Seen interface {
	// Mark remembers key for ttl, at least a second, and reports whether it was new. Of several callers at once, one is told
	// that it was.
	Mark(ctx context.Context, key string, ttl time.Duration) (bool, error)
	// Forget lets a key be new again: for a caller whose work under the key failed.
	Forget(ctx context.Context, key string) error
}
