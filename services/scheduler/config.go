package scheduler

import (
	"context"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/pkg/events"
)

// Config holds what runs get where their policy says nothing, and how the scheduler keeps watch.
type Config struct {
	Window      int                // tasks of one step in flight at once; 0: 4
	StepTimeout time.Duration      // of one attempt of a task; 0: 6 h
	Retry       events.RetryPolicy // zero fields: 8 attempts, from 2 s up to 5 min apart: about two minutes, in which a database or a store comes back
	Reconcile   time.Duration      // between two looks at all open runs; 0: one minute
	Silence     time.Duration      // how old a worker's last sign of life may be; 0: 30 s
	CachedRuns  int                // folded runs kept in memory; 0: 256
	Clusters    []string           // for whose workers the work queue has consumers; empty: not checked
}

// Deps are what a Scheduler needs.
type Deps struct {
	Journal     saga.Journal
	Feed        saga.Feed
	Commands    bus.Commands
	Checkpoints stage.Checkpoints
	Resources   Resources
	Saga        message.Subscriber // on the journal's stream
	Work        message.Subscriber // on the work queue's stream
	Clock       clock.Clock
	Log         *zap.Logger
}

// Resources is where a trigger's policy, and all that it names, are looked up.
type Resources interface {
	// Tenant returns all resources of a tenant that can be read. One that cannot is left out: it counts as missing.
	Tenant(ctx context.Context, tenant string) (*api.Set, error)
}

func (c Config) withDefaults() Config {
	set(&c.Window, 4)
	set(&c.StepTimeout, 6*time.Hour)
	set(&c.Retry.MaxAttempts, 8)
	set(&c.Retry.Base, events.Duration(2*time.Second))
	set(&c.Retry.Cap, events.Duration(5*time.Minute))
	set(&c.Reconcile, time.Minute)
	set(&c.Silence, 30*time.Second)
	set(&c.CachedRuns, 256)
	return c
}

// set gives a field that is not positive its default.
func set[T int | time.Duration | events.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}
