// Package stage is what every worker has in common: how it takes a command, claims the task, keeps the claim alive, saves
// how far it is, and writes down what came of it.
//
// A service implements Handler (and, where a step leaves something to undo, Compensator) and gives it to a Worker with On
// and OnCompensate. The Worker guarantees that at most one result of a task is accepted, whoever dies or wakes up late;
// the handler guarantees that its effects are idempotent or carry the fence.
package stage

import (
	"context"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/pkg/events"
)

// Job is one attempt of a task in the hands of one worker.
type Job[In events.Command] struct {
	Command In
	Address events.Address // tenant, run, step and task
	Stage   events.Stage
	Cluster string
	Attempt int
	// Fence rises with every claim of the task. Whatever has an effect outside a store of immutable objects carries it, and
	// gives way to a higher one.
	Fence uint64
	// Claim is the random id of this claim.
	Claim string
	// Checkpoint keeps what a successor needs to go on. A handler saves after each durable piece of work.
	Checkpoint Checkpointer
	// Report tells how far the task is. It costs nothing and may be called as often as one likes, from any goroutine; people
	// and the reconciler see it with the next sign of life.
	Report func(Progress)
}

// Handler does the work of one command. It returns what it did, or an error whose class says whether another attempt can
// help. It returns soon after ctx ends, with any error: the Worker knows why it ended it.
type Handler[In events.Command] interface {
	Handle(ctx context.Context, job Job[In]) (events.Outcome, error)
}

// HandlerFunc is a function as a Handler.
type HandlerFunc[In events.Command] func(ctx context.Context, job Job[In]) (events.Outcome, error)

// Handle calls f.
func (f HandlerFunc[In]) Handle(ctx context.Context, job Job[In]) (events.Outcome, error) {
	return f(ctx, job)
}

// Compensator undoes a step that was begun, or completed. Undoing twice, or undoing what was never done, is no error.
type Compensator[In events.Command] interface {
	Compensate(ctx context.Context, job Job[In]) error
}

// CompensatorFunc is a function as a Compensator.
type CompensatorFunc[In events.Command] func(ctx context.Context, job Job[In]) error

// Compensate calls f.
func (f CompensatorFunc[In]) Compensate(ctx context.Context, job Job[In]) error { return f(ctx, job) }

// Checkpointer keeps the resume token of one task. Both methods return ErrFenced when a newer claim has taken over, after
// which the handler has lost the task.
type Checkpointer interface {
	// Load decodes the token that this attempt or a predecessor saved last, and reports whether there is one.
	Load(ctx context.Context, into any) (bool, error)
	// Save replaces the token. It is durable when Save returns. v is encoded as JSON, of at most MaxToken bytes.
	Save(ctx context.Context, v any) error
}

// MaxToken is the largest resume token, in bytes of JSON. What is larger belongs into the store, and a reference to it here.
const MaxToken = 128 << 10

// Permanent marks an error as one that another attempt cannot help. Everything that carries no class is tried again.
func Permanent(err error) error { return fault.Wrap(fault.Permanent, err) }
