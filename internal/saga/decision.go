package saga

import (
	"strconv"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/tranship/tranship/pkg/events"
)

// Service is the name under which the scheduler speaks.
const Service = "scheduler"

// decision collects what Decide wants to write. Events on the run's own subject change state at once, so that one message
// can hold a whole chain (a step completed, the next one started) and each event knows the run's state after it.
type decision struct {
	state   State
	now     time.Time
	cause   string // id of the request that led here
	appends []Append
	err     error
}

// current returns a task that is in flight with this attempt in an active run, or nil.
func (d *decision) current(step, task string, attempt int) *Task {
	t := d.state.Task(step, task)
	if t == nil || !t.InFlight() || t.Attempt != attempt || !d.state.Status.Active() {
		return nil
	}
	return t
}

// record adds an event to the message on the run's own subject.
func record[P events.Payload](d *decision, step string, p P) {
	if d.err != nil {
		return
	}
	e, err := events.New(events.Address{Tenant: d.state.Tenant, Service: Service, Run: d.state.Run, Step: step}, d.state.Events+1, d.now, p)
	if err != nil {
		d.err = err
		return
	}
	if d.cause != "" {
		e.SetExtension(events.ExtCausationID, d.cause)
	}
	subject := events.RunSubject(d.state.Tenant, d.state.Run)
	if len(d.appends) == 0 {
		d.appends = []Append{{Subject: subject, After: d.state.RunSeq}}
	}
	after := d.appends[0].After
	next, err := Fold(d.state, Entry{Subject: subject, Seq: d.state.Seq + 1, Event: e})
	if err != nil {
		d.err = err
		return
	}
	e.SetExtension(events.ExtRunState, string(next.Status))
	d.state = next
	d.appends[0] = Append{Subject: subject, After: after, Events: append(d.appends[0].Events, e)}
}

// write adds a message with one event on a task's subject.
func write[P events.Payload](d *decision, step string, t *Task, p P) {
	if d.err != nil {
		return
	}
	e, err := events.New(events.Address{Tenant: d.state.Tenant, Service: Service, Run: d.state.Run, Step: step, Task: t.ID}, t.Events+1, d.now, p)
	if err != nil {
		d.err = err
		return
	}
	e.SetExtension(events.ExtAttempt, strconv.Itoa(t.Attempt))
	d.appends = append(d.appends, Append{
		Subject: d.state.subject(d.state.stepIndex(step), t.ID), After: t.Seq, Events: []event.Event{e},
	})
}
