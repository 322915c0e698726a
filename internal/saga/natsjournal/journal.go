// Package natsjournal keeps the journals of all runs in one JetStream stream, one subject per run and one per task.
//
// The guard of every append is the server's compare-and-set on the last sequence of the subject. Message ids would be a
// second guard that is wrong: within the duplicate window they swallow an event that legitimately happens twice.
//
// Reads are direct gets, which need no consumer and no permission beyond the subjects that are read.
package natsjournal

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

// Config says how long to wait for the server.
type Config struct {
	Timeout time.Duration // of one request; 0: 5 s
}

// Deps are what a Journal needs.
type Deps struct {
	JetStream natsjs.JetStream
}

// Journal is a saga.Journal and a saga.Feed. It is safe for concurrent use.
type Journal struct {
	js      natsjs.JetStream
	nc      *nats.Conn
	getAPI  string // subject of direct gets
	timeout time.Duration
}

var (
	_ saga.Journal = (*Journal)(nil)
	_ saga.Feed    = (*Journal)(nil)
)

const defaultTimeout = 5 * time.Second

// Codes of the server for a lost compare-and-set: of a stream with one replica and of one with more.
const (
	codeWrongLastSequence           natsjs.ErrorCode = natsjs.JSErrCodeStreamWrongLastSequence
	codeWrongLastSequenceReplicated natsjs.ErrorCode = natsjs.JSErrCodeStreamWrongLastSequenceConstant
)

// New returns the journal behind a connection.
func New(cfg Config, deps Deps) *Journal {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	return &Journal{
		js: deps.JetStream, nc: deps.JetStream.Conn(), timeout: cfg.Timeout,
		getAPI: apiPrefix(deps.JetStream.Options()) + "DIRECT.GET." + bus.StreamSaga,
	}
}

// Append implements saga.Journal.
func (j *Journal) Append(ctx context.Context, subject string, after saga.Seq, evs ...event.Event) (saga.Seq, error) {
	contentType, data, err := events.Encode(evs...)
	if err != nil {
		return 0, fault.Wrap(fault.Permanent, fmt.Errorf("append to %s: %w", subject, err))
	}
	m := nats.NewMsg(subject)
	m.Data = data
	m.Header.Set(bus.MetaContentType, contentType)
	if trace, ok := evs[0].Extensions()[events.ExtTraceParent].(string); ok {
		m.Header.Set(bus.MetaTraceParent, trace)
	}
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	ack, err := j.js.PublishMsg(ctx, m,
		natsjs.WithExpectLastSequencePerSubject(uint64(after)), natsjs.WithExpectStream(bus.StreamSaga))
	switch {
	case conflicted(err):
		return 0, fault.Wrap(fault.Conflict, fmt.Errorf("append to %s after %d: %w", subject, after, saga.ErrConflict))
	case err != nil:
		return 0, fmt.Errorf("append to %s: %w", subject, classify(err))
	case ack.Duplicate:
		return 0, fault.New(fault.Permanent, "journal.duplicate", "append to %s: the server took the message for a duplicate", subject)
	}
	return saga.Seq(ack.Sequence), nil
}

// Last implements saga.Journal.
func (j *Journal) Last(ctx context.Context, subject string) (saga.Seq, []event.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	m, err := j.nc.RequestWithContext(ctx, j.getAPI+"."+subject, nil)
	if err == nil {
		err = statusOf(m)
	}
	if errors.Is(err, errNoMessage) {
		return 0, nil, nil
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read the last message of %s: %w", subject, classify(err))
	}
	r, err := parse(m)
	if err != nil {
		return 0, nil, fmt.Errorf("read the last message of %s: %w", subject, err)
	}
	return r.seq, r.events, nil
}

// Load implements saga.Journal. It ends at the message that was the last one when it began.
func (j *Journal) Load(ctx context.Context, run saga.RunID) iter.Seq2[saga.Entry, error] {
	return func(yield func(saga.Entry, error) bool) {
		var from saga.Seq = 1
		for left := -1; left != 0; {
			b, err := j.batch(ctx, events.RunFilter(run.Tenant, run.Run), from)
			if err != nil {
				yield(saga.Entry{}, fmt.Errorf("load run %s: %w", run.Run, err))
				return
			}
			if len(b.records) == 0 {
				return
			}
			if left < 0 {
				left = len(b.records) + b.pending
			}
			for _, r := range b.records[:min(left, len(b.records))] {
				if !r.yield(yield) {
					return
				}
				from = r.seq + 1
				left--
			}
		}
	}
}

func conflicted(err error) bool {
	var api *natsjs.APIError
	return errors.As(err, &api) && (api.ErrorCode == codeWrongLastSequence || api.ErrorCode == codeWrongLastSequenceReplicated)
}

// classify gives an error of the server a class. Time-outs are transient: nobody knows whether the request was carried out.
func classify(err error) error {
	var api *natsjs.APIError
	switch {
	case errors.Is(err, nats.ErrPermissionViolation):
		return fault.Wrap(fault.Denied, err)
	case errors.As(err, &api) && api.Code >= 400 && api.Code < 500, errors.Is(err, nats.ErrMaxPayload):
		return fault.Wrap(fault.Permanent, err)
	}
	return fault.Wrap(fault.Transient, err)
}

func apiPrefix(o natsjs.JetStreamOptions) string {
	switch {
	case o.APIPrefix != "":
		return strings.TrimSuffix(o.APIPrefix, ".") + "."
	case o.Domain != "":
		return "$JS." + o.Domain + ".API."
	}
	return natsjs.DefaultAPIPrefix
}
