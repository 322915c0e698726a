package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

// Event is one frame of a run's event stream: exactly one of Journal and Progress is set.
type Event struct {
	// ID is the place in the stream: an EventsOptions.After of it goes on behind this event. Progress has none.
	ID       string
	Journal  *event.Event
	Progress *Progress
}

// Progress tells how far a run is between two events of its journal.
type Progress struct {
	Status saga.RunStatus `json:"status"`
	Steps  []StepProgress `json:"steps"` // that were begun
}

// Names of the frames that are no events of the journal.
const (
	FrameProgress = "progress"
	FrameEnd      = "end" // the run is over, and so is the stream
)

// EventsOptions select the events of a run.
type EventsOptions struct {
	After  string // ID of the last event that is known; empty: from the first one
	Always bool   // go on after the run's end: it may be retried
}

const (
	firstReconnect  = 250 * time.Millisecond
	seldomReconnect = 5 * time.Second
	maxReconnects   = 15 // in a row without a frame: about a minute
)

// Events yields the events of a run, those that stand and those to come, each once and in order, with progress between
// them. It ends when the run does, with ctx (then without an error), or with an error that the server answered. A broken
// connection is built anew, and the stream goes on where it broke.
func (c *Client) Events(ctx context.Context, run string, o EventsOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		pause, broken := firstReconnect, 0
		for {
			err := c.stream(ctx, run, &o, func(e Event) bool {
				pause, broken = firstReconnect, 0
				return yield(e, nil)
			})
			if errors.Is(err, errStop) || ctx.Err() != nil {
				return
			}
			if broken++; !reconnectable(err) || broken > maxReconnects {
				yield(Event{}, err)
				return
			}
			if !sleep(ctx, pause) {
				return
			}
			pause = min(2*pause, seldomReconnect)
		}
	}
}

// errStop: the stream is over, or whoever reads it has enough.
var errStop = errors.New("the stream is over")

// reconnectable reports whether the stream broke, rather than being refused.
func reconnectable(err error) bool {
	var p *Problem
	if errors.As(err, &p) {
		return fault.ClassOf(err).Retryable()
	}
	return !fault.Is(err, fault.Permanent)
}

// stream reads one connection to its end, which is never without an error. It moves o.After on.
func (c *Client) stream(ctx context.Context, run string, o *EventsOptions, yield func(Event) bool) error {
	r := request{method: http.MethodGet, path: "/v1/runs/" + url.PathEscape(run) + "/events", header: map[string]string{"Accept": "text/event-stream"}}
	if o.Always {
		r.query = url.Values{"follow": {"always"}}
	}
	if o.After != "" {
		r.header["Last-Event-ID"] = o.After
	}
	resp, err := c.send(ctx, r)
	if err != nil {
		return c.unreachable(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return c.problem(resp)
	}
	frames := newFrameReader(resp.Body)
	for {
		f, err := frames.next()
		if err != nil {
			return fault.New(fault.Transient, CodeUnreachable, "read the events of run %s: %w", run, err)
		}
		e, err := f.event()
		if err != nil {
			return err
		}
		if f.id != "" {
			o.After = f.id
		}
		if !yield(e) {
			return errStop
		}
	}
}

// frame is one message of a stream of server-sent events.
type frame struct {
	id, name string
	data     []byte
}

// event decodes a frame, or returns errStop for the last one.
func (f frame) event() (Event, error) {
	switch f.name {
	case FrameEnd:
		return Event{}, errStop
	case FrameProgress:
		var p Progress
		if err := json.Unmarshal(f.data, &p); err != nil {
			return Event{}, badFrame(err)
		}
		return Event{Progress: &p}, nil
	}
	evs, err := events.Decode(f.data)
	if err != nil {
		return Event{}, badFrame(err)
	}
	return Event{ID: f.id, Journal: &evs[0]}, nil
}

func badFrame(err error) error {
	return fault.New(fault.Permanent, "server.version", "read an event that the server sent: %w", err).
		WithHint("the server may be newer than this program")
}

// maxFrame is the longest line of a stream.
const maxFrame = events.MaxSize + 4<<10

// frameReader splits a stream into frames.
type frameReader struct {
	lines *bufio.Scanner
}

func newFrameReader(r io.Reader) *frameReader {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 16<<10), maxFrame)
	return &frameReader{s}
}

// next returns the next frame with data, or io.ErrUnexpectedEOF at the end.
func (r *frameReader) next() (frame, error) {
	var f frame
	for r.lines.Scan() {
		line := r.lines.Bytes()
		if len(line) == 0 {
			if f.data != nil {
				return f, nil
			}
			f = frame{}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":")) // a comment has an empty name
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "id":
			f.id = string(value)
		case "event":
			f.name = string(value)
		case "data":
			if f.data != nil {
				f.data = append(f.data, '\n')
			}
			f.data = append(f.data, value...)
			if len(f.data) > maxFrame {
				return f, bufio.ErrTooLong
			}
		}
	}
	if err := r.lines.Err(); err != nil {
		return f, err
	}
	return f, io.ErrUnexpectedEOF
}
