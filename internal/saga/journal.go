// Package saga is the course of a run as a journal of events and two pure functions: Fold tells where a run stands,
// Decide tells what happens next.
//
// The package does no I/O. Journals are elsewhere (natsjournal, mem), and so is the reactor that reads one, decides and
// appends (services/scheduler).
package saga

import (
	"context"
	"errors"
	"iter"

	"github.com/cloudevents/sdk-go/v2/event"
)

// ErrConflict: somebody else appended to the subject since the sequence that the caller expected. Read it and decide
// again.
var ErrConflict = errors.New("the journal's subject has moved on")

// Seq is the place of a message in the journal's stream; 0 stands for "nothing yet".
type Seq uint64

// RunID names a run.
type RunID struct{ Tenant, Run string }

// Entry is one event with its place. The events of one message share a Seq. A message that nobody can read is an entry with
// the zero Event.
type Entry struct {
	Subject string
	Seq     Seq
	Event   event.Event
}

// Journal keeps the events of runs. An accepted Append is durable when it returns.
type Journal interface {
	// Append adds evs to subject as one message, if the subject's last message has sequence after (0: it has none), and
	// returns the new message's sequence. Otherwise it returns ErrConflict and changes nothing. Any other error leaves open
	// whether the message was appended: read Last and look for one's own events.
	Append(ctx context.Context, subject string, after Seq, evs ...event.Event) (Seq, error)
	// Last returns the last message of subject, or 0 and nil when there is none.
	Last(ctx context.Context, subject string) (Seq, []event.Event, error)
	// Load yields all entries of a run in stream order. An error ends it.
	Load(ctx context.Context, run RunID) iter.Seq2[Entry, error]
}
