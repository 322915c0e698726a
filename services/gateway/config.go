package gateway

import (
	"context"
	"iter"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/location"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/internal/secret"
	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/pkg/events"
)

// Config says who may ask and how long answers may take.
type Config struct {
	Version string
	// Token that every request carries; required.
	Token secret.Value
	// Hosts are the names, without port, under which the API may be asked, besides localhost and the loopback addresses; "*"
	// admits any. The list keeps a web page from reaching the API under a name that it made point here.
	Hosts []string

	Wait       time.Duration // for the effect of a request in the journal; 0: 10 s
	Request    time.Duration // the longest that any other request may take; 0: 30 s
	Progress   time.Duration // between two looks at the progress of a streamed run; 0: 500 ms
	Heartbeat  time.Duration // between two signs of life on a silent stream; 0: 15 s
	SlowClient time.Duration // how long a client may leave an answer unread; 0: 30 s
	MaxStreams int           // open event streams; 0: 256
}

// Deps are what a Server needs.
type Deps struct {
	Journal     Journal
	Requests    Requests
	Resources   bus.Resources
	Checkpoints Checkpoints
	Locations   Locations
	// Ready reports why requests cannot be served now, or nil. Optional.
	Ready func(context.Context) error
	Clock clock.Clock
	Log   *zap.Logger
}

// Journal is the journal as the gateway reads it.
type Journal interface {
	saga.Feed
	// Load is that of saga.Journal.
	Load(ctx context.Context, run saga.RunID) iter.Seq2[saga.Entry, error]
}

// Requests is where requests to the scheduler go.
type Requests interface {
	// Publish is that of bus.Commands.
	Publish(ctx context.Context, subject, id string, e event.Event) error
}

// Checkpoints is where tasks say how far they are.
type Checkpoints interface {
	// Get is that of stage.Checkpoints.
	Get(ctx context.Context, key string) (stage.Checkpoint, uint64, error)
}

// Locations opens locations.
type Locations interface {
	// Open is that of location.Opener.
	Open(ctx context.Context, resource events.Resource, tenant, application string, access location.Access) (*location.Location, error)
}

var _ Locations = (*location.Opener)(nil)

func (c Config) withDefaults() Config {
	set(&c.Wait, 10*time.Second)
	set(&c.Request, 30*time.Second)
	set(&c.Progress, 500*time.Millisecond)
	set(&c.Heartbeat, 15*time.Second)
	set(&c.SlowClient, 30*time.Second)
	set(&c.MaxStreams, 256)
	return c
}

// set gives a field that is not positive its default.
func set[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}
