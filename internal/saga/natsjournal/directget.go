package natsjournal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

// Bounds of one batch, and so of the memory that a reader takes. The server goes over batchBytes by one message.
const (
	batchMessages = 256
	batchBytes    = 4 << 20
)

// Statuses of the server's answers to direct gets.
const (
	headerStatus  = "Status"
	statusEnd     = "204"
	statusMissing = "404"

	headerPending = "Nats-Num-Pending"
)

var errNoMessage = errors.New("no message")

// record is one message of the journal.
type record struct {
	subject string
	seq     saga.Seq
	events  []event.Event
}

// yield hands out the entries of a record and reports whether to go on.
func (r record) yield(yield func(saga.Entry, error) bool) bool {
	for _, e := range r.events {
		if !yield(saga.Entry{Subject: r.subject, Seq: r.seq, Event: e}, nil) {
			return false
		}
	}
	return true
}

// batch is a part of the journal, with the number of messages that followed it when it was read.
type batch struct {
	records []record
	pending int
}

// batch reads messages of a subject filter from a sequence on. No messages are no error.
func (j *Journal) batch(ctx context.Context, filter string, from saga.Seq) (batch, error) {
	return j.get(ctx, getRequest{Next: filter, Seq: uint64(max(from, 1)), Batch: batchMessages, MaxBytes: batchBytes})
}

// lastOf reads the last message of each subject, of at most batchMessages subjects.
func (j *Journal) lastOf(ctx context.Context, subjects []string) ([]record, error) {
	last := make(map[string]record, len(subjects))
	for from := uint64(1); ; { // the server stops early at batchBytes; a subject may move meanwhile
		b, err := j.get(ctx, getRequest{MultiLast: subjects, Seq: from, Batch: batchMessages, MaxBytes: batchBytes})
		if err != nil {
			return nil, err
		}
		for _, r := range b.records {
			last[r.subject] = r
			from = uint64(r.seq) + 1
		}
		if b.pending == 0 || len(b.records) == 0 {
			return slices.Collect(maps.Values(last)), nil
		}
	}
}

// getRequest is the body of a batched direct get.
type getRequest struct {
	Next      string   `json:"next_by_subj,omitempty"`
	MultiLast []string `json:"multi_last,omitempty"`
	Seq       uint64   `json:"seq"`
	Batch     int      `json:"batch"`
	MaxBytes  int      `json:"max_bytes"`
}

func (j *Journal) get(ctx context.Context, r getRequest) (batch, error) {
	req, err := json.Marshal(r)
	if err != nil {
		return batch{}, fmt.Errorf("encode a request: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	inbox := j.nc.NewInbox()
	sub, err := j.nc.SubscribeSync(inbox)
	if err != nil {
		return batch{}, classify(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := j.nc.PublishRequest(j.getAPI, inbox, req); err != nil {
		return batch{}, classify(err)
	}
	var b batch
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return batch{}, classify(err)
		}
		if m.Header.Get(headerStatus) == statusEnd {
			return b, nil
		}
		if err := statusOf(m); errors.Is(err, errNoMessage) {
			return b, nil
		} else if err != nil {
			return batch{}, classify(err)
		}
		rec, err := parse(m)
		if err != nil {
			return batch{}, err
		}
		b.records = append(b.records, rec)
		if b.pending, err = strconv.Atoi(m.Header.Get(headerPending)); err != nil {
			return batch{}, fault.New(fault.Permanent, "nats.protocol", "header %s: %w", headerPending, err)
		}
	}
}

// statusOf returns nil for an answer that carries a message of the stream.
func statusOf(m *nats.Msg) error {
	switch status := m.Header.Get(headerStatus); status {
	case "":
		return nil
	case statusMissing:
		return errNoMessage
	case "503":
		return nats.ErrNoResponders
	default:
		return fmt.Errorf("the server answers %s %s", status, m.Header.Get("Description"))
	}
}

func parse(m *nats.Msg) (record, error) {
	r := record{subject: m.Header.Get(natsjs.SubjectHeader)}
	seq, err := strconv.ParseUint(m.Header.Get(natsjs.SequenceHeader), 10, 64)
	if err != nil {
		return record{}, fault.New(fault.Permanent, "nats.protocol", "header %s: %w", natsjs.SequenceHeader, err)
	}
	r.seq = saga.Seq(seq)
	if len(m.Data) == 0 && strings.HasSuffix(r.subject, ".run") { // the tombstone of a purged run
		return r, nil
	}
	if r.events, err = events.Decode(m.Data); err != nil {
		// Workers write on their tasks' subjects. One that writes nonsense must not hold up the run, so the message takes its
		// place and says nothing.
		r.events = []event.Event{{}}
	}
	return r, nil
}
