package protocol

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// foreign is a stage that somebody else wrote: it knows NATS, JSON and the documentation of package events.
type foreign struct {
	nc      *nats.Conn
	cluster string
	stage   string
	service string
	work    func(task string, command map[string]any) map[string]any // returns the outcome
	// repeat names a task whose acknowledgement gets lost once.
	repeat string

	handled int
	refused chan string // why commands were not carried out
}

// run takes commands until ctx ends.
func (f *foreign) run(ctx context.Context) error {
	inbox := nats.NewInbox()
	if f.nc.Opts.InboxPrefix != "" {
		inbox = f.nc.NewInbox()
	}
	replies, err := f.nc.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	next := "$JS.API.CONSUMER.MSG.NEXT.WORK." + f.stage + "_" + f.cluster
	for {
		if err := f.nc.PublishRequest(next, inbox, []byte(`{"batch":1,"expires":2000000000}`)); err != nil {
			return err
		}
		m, err := replies.NextMsgWithContext(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to stop
		}
		if err != nil {
			return err
		}
		if m.Header.Get("Status") != "" {
			continue // no message yet
		}
		if err := f.take(ctx, m); err != nil {
			return err
		}
	}
}

// take follows the steps of a stage.
func (f *foreign) take(ctx context.Context, m *nats.Msg) error {
	for _, by := range m.Header.Values("Nats-Scheduler") {
		if !strings.HasPrefix(by, "at.") {
			f.refused <- "emitted by a foreign schedule"
			return m.Respond([]byte("+TERM"))
		}
	}
	var command map[string]any
	if err := json.Unmarshal(m.Data, &command); err != nil {
		return err
	}
	data := command["data"].(map[string]any)
	reply := data["replySubject"].(string)
	address := strings.Split(command["subject"].(string), "/") // run, step, task
	about, err := f.last(ctx, "saga."+command["tenant"].(string)+"."+address[0]+".run")
	if err != nil {
		return err
	}
	if about.event["runstate"] != "running" {
		f.refused <- "the run does not want it"
		return m.Respond([]byte("+ACK"))
	}

	// 1. Is the task still open, in this attempt?
	fact, err := f.last(ctx, reply)
	if err != nil {
		return err
	}
	if fact.terminal() || fact.attempt() > data["attempt"].(float64) {
		f.refused <- "the task is over"
		return m.Respond([]byte("+ACK"))
	}
	// 2. Claim it.
	claim := rand.Text()
	fence, err := f.append(ctx, reply, fact.seq, f.fact(command, fact.number()+1, "claimed", map[string]any{"claim": claim, "worker": "foreign"}))
	if err != nil {
		return err
	}
	// 3. Work, and say so meanwhile.
	if err := m.Respond([]byte("+WPI")); err != nil {
		return err
	}
	outcome := f.work(address[2], data)
	// 4. Say what came of it.
	result := f.fact(command, fact.number()+2, "completed", map[string]any{"claim": claim, "outcome": outcome})
	if _, err := f.append(ctx, reply, fence, result); err != nil {
		return err
	}
	f.handled++
	// 5. The command is dealt with.
	if address[2] == f.repeat {
		f.repeat = ""
		return m.Respond([]byte("-NAK"))
	}
	return m.Respond([]byte("+ACK"))
}

// last is the last message of a subject of the journal; its zero value says that there is none.
type last struct {
	seq   uint64
	event map[string]any
}

func (f *foreign) last(ctx context.Context, subject string) (last, error) {
	m, err := f.nc.RequestWithContext(ctx, "$JS.API.DIRECT.GET.SAGA."+subject, nil)
	if err != nil {
		return last{}, err
	}
	if m.Header.Get("Status") == "404" {
		return last{}, nil
	}
	seq, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	if err != nil {
		return last{}, err
	}
	if m.Header.Get("content-type") == "application/cloudevents-batch+json" {
		var batch []map[string]any
		err = json.Unmarshal(m.Data, &batch)
		return last{seq, batch[len(batch)-1]}, err
	}
	l := last{seq: seq}
	err = json.Unmarshal(m.Data, &l.event)
	return l, err
}

func (l last) attempt() float64 {
	if l.event == nil {
		return 0
	}
	return l.event["data"].(map[string]any)["attempt"].(float64)
}

func (l last) terminal() bool {
	switch l.event["type"] {
	case nil, "io.tranship.task.claimed.v1", "io.tranship.task.scheduled.v1":
		return false
	}
	return true
}

func (l last) number() int {
	if l.event == nil {
		return 0
	}
	id := l.event["id"].(string)
	n, _ := strconv.Atoi(id[strings.LastIndexByte(id, '/')+1:])
	return n
}

// append publishes an event that the journal takes only when the subject's last message is still the one with sequence
// after.
func (f *foreign) append(ctx context.Context, subject string, after uint64, event map[string]any) (uint64, error) {
	data, err := json.Marshal(event)
	if err != nil {
		return 0, err
	}
	m := &nats.Msg{Subject: subject, Data: data, Header: nats.Header{
		"content-type":                        {"application/cloudevents+json"},
		"Nats-Expected-Last-Subject-Sequence": {strconv.FormatUint(after, 10)},
	}}
	answer, err := f.nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return 0, err
	}
	var ack struct {
		Seq   uint64          `json:"seq"`
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return 0, err
	}
	if ack.Error != nil {
		return 0, errors.New(string(ack.Error))
	}
	return ack.Seq, nil
}

// fact is an event about the command's task.
func (f *foreign) fact(command map[string]any, number int, what string, data map[string]any) map[string]any {
	data["attempt"] = command["data"].(map[string]any)["attempt"]
	eventType := "io.tranship.task." + what + ".v1"
	return map[string]any{
		"specversion": "1.0", "type": eventType, "source": fmt.Sprintf("/tenants/%s/%s", command["tenant"], f.service),
		"id": fmt.Sprintf("%s/%d", command["subject"], number), "subject": command["subject"], "time": time.Now().UTC().Format(time.RFC3339Nano),
		"datacontenttype": "application/json", "dataschema": "https://tranship.io/schemas/" + eventType + ".json",
		"tenant": command["tenant"], "partitionkey": command["partitionkey"], "correlationid": command["correlationid"],
		"causationid": command["id"], "attempt": command["attempt"], "data": data,
	}
}
