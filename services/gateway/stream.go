package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

// streamRun sends a run's journal as server-sent events, what stands and what comes, with progress in between.
func (s *Server) streamRun(w http.ResponseWriter, r *http.Request) error {
	id, err := runOf(r)
	if err != nil {
		return err
	}
	known, err := placeOf(r.Header.Get("Last-Event-ID"))
	if err != nil {
		return err
	}
	follow := r.URL.Query().Get("follow")
	if follow != "" && follow != "always" {
		return refuse(http.StatusBadRequest, fault.Permanent, "query.invalid", "follow: must be always")
	}
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		return refuse(http.StatusTooManyRequests, fault.Throttled, "streams.exhausted", "too many event streams are open")
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	st := &stream{server: s, out: http.NewResponseController(w), w: w, known: known, always: follow == "always"}
	return st.run(ctx, id)
}

// place is where an event stands: its message, and which one of the message's events it is.
type place struct {
	seq   saga.Seq
	index int
}

// String is the id of the event in the stream.
func (p place) String() string {
	if p.index == 0 {
		return strconv.FormatUint(uint64(p.seq), 10)
	}
	return strconv.FormatUint(uint64(p.seq), 10) + "." + strconv.Itoa(p.index)
}

func placeOf(id string) (p place, err error) {
	if id == "" {
		return p, nil
	}
	seq, index, batched := strings.Cut(id, ".")
	n, err := strconv.ParseUint(seq, 10, 64)
	if err == nil && batched {
		p.index, err = strconv.Atoi(index)
	}
	if err != nil || p.index < 0 {
		return p, refuse(http.StatusBadRequest, fault.Permanent, "stream.place", "Last-Event-ID: it is no id of this stream")
	}
	p.seq = saga.Seq(n)
	return p, nil
}

func (p place) after(q place) bool {
	return p.seq > q.seq || (p.seq == q.seq && p.index > q.index)
}

// stream is one open stream.
type stream struct {
	server *Server
	out    *http.ResponseController
	w      http.ResponseWriter
	always bool

	known  place // of the last event that the client has
	at     place // of the last entry seen
	state  saga.State
	latest []byte // the progress that was sent last
	buf    bytes.Buffer
}

func (st *stream) run(ctx context.Context, id saga.RunID) error {
	if err := st.replay(ctx, id); err != nil {
		return err
	}
	if err := st.progress(ctx); err != nil {
		return err
	}
	if st.over() {
		return st.end()
	}
	return st.follow(ctx)
}

// replay opens the stream and sends what stands in the journal.
func (st *stream) replay(ctx context.Context, id saga.RunID) error {
	var past []saga.Entry
	state, err := st.server.fold(ctx, id, func(e saga.Entry) { past = append(past, e) })
	if err != nil {
		return err
	}
	if state.Status == "" {
		return noRun(id)
	}
	// The deadline for reading the request would end the stream with it.
	if err := st.out.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("open a stream: %w", err)
	}
	h := st.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	for _, e := range past {
		if err := st.entry(e); err != nil {
			return err
		}
	}
	st.state = state
	return nil
}

// coming is an entry on its way from the journal, or why there are no more.
type coming struct {
	entry saga.Entry
	err   error
}

// follow sends what comes, until the run or the connection ends.
func (st *stream) follow(ctx context.Context) error {
	s := st.server
	entries := make(chan coming)
	go func() {
		for e, err := range s.deps.Journal.Follow(ctx, st.state.ID(), st.state.Seq) {
			select {
			case entries <- coming{e, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	look := time.NewTicker(s.cfg.Progress)
	defer look.Stop()
	beat := time.NewTicker(s.cfg.Heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.closing:
			return nil
		case c := <-entries:
			if c.err != nil {
				return c.err
			}
			st.state = s.next(st.state, c.entry)
			if err = st.entry(c.entry); err == nil && st.over() {
				if err = st.progress(ctx); err == nil {
					return st.end()
				}
			}
		case <-look.C:
			if st.state.Status.Active() {
				err = st.progress(ctx)
			}
		case <-beat.C:
			err = st.write(": still here\n\n")
		}
		if err != nil {
			return err
		}
	}
}

// over reports whether the stream ends here. Whatever ends a run is the last event of its message.
func (st *stream) over() bool { return st.state.Status.Terminal() && !st.always }

// entry sends an event, unless the client has it.
func (st *stream) entry(e saga.Entry) error {
	if e.Seq == st.at.seq {
		st.at.index++
	} else {
		st.at = place{seq: e.Seq}
	}
	if !st.at.after(st.known) || e.Event.Type() == "" { // there, or a message that nobody can read
		return nil
	}
	_, data, err := events.Encode(e.Event)
	if err != nil {
		return fmt.Errorf("encode an event of the journal: %w", err)
	}
	return st.frame(st.at.String(), e.Event.Type(), data)
}

// progress sends how far the run is, if that has changed.
func (st *stream) progress(ctx context.Context) error {
	steps, err := st.server.progress(ctx, st.state)
	if err != nil {
		return err
	}
	data, err := json.Marshal(client.Progress{Status: st.state.Status, Steps: steps})
	if err != nil {
		return fmt.Errorf("encode progress: %w", err)
	}
	if bytes.Equal(data, st.latest) {
		return nil
	}
	st.latest = data
	return st.frame("", client.FrameProgress, data)
}

func (st *stream) end() error {
	data, err := json.Marshal(client.Progress{Status: st.state.Status})
	if err != nil {
		return fmt.Errorf("encode the end: %w", err)
	}
	return st.frame("", client.FrameEnd, data)
}

// frame sends a message of one line: JSON has no line breaks.
func (st *stream) frame(id, name string, data []byte) error {
	st.buf.Reset()
	if id != "" {
		st.buf.WriteString("id: " + id + "\n")
	}
	st.buf.WriteString("event: " + name + "\ndata: ")
	st.buf.Write(data)
	st.buf.WriteString("\n\n")
	return st.write(st.buf.String())
}

// write sends text at once. A client that does not read it within Config.SlowClient is left.
func (st *stream) write(text string) error {
	deadline := st.server.deps.Clock.Now().Add(st.server.cfg.SlowClient)
	if err := st.out.SetWriteDeadline(deadline); err != nil {
		return fmt.Errorf("bound the wait for a client: %w", err)
	}
	if _, err := st.w.Write([]byte(text)); err != nil {
		return errGone
	}
	if err := st.out.Flush(); err != nil {
		return errGone
	}
	return nil
}

// errGone: the client went away, or reads too slowly. There is nobody to tell.
var errGone = fmt.Errorf("the client is gone: %w", http.ErrAbortHandler)
