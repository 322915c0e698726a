package saga

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/tranship/tranship/pkg/events"
)

var epoch = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

// world is a journal, a work queue, timers and a scheduler in memory: everything around Fold and Decide, with the rules of
// the real ones and no goroutines, so that a test decides what happens next.
type world struct {
	entries []Entry
	last    map[string]Seq
	seq     Seq
	now     time.Time

	scheduled State                 // what the scheduler has folded and emitted for
	work      map[string]assignment // pending commands by message id
	timers    map[string]alarm      // by schedule name
	published []string              // every command that went out, in order

	accepted map[string]int // completed facts accepted by a task's attempt and generation
}

type assignment struct {
	subject string // of the task's facts
	payload events.Command
	at      events.Address
}

type alarm struct {
	at    time.Time
	cmd   *assignment
	id    string
	timer *events.TimerFired
}

func newWorld() *world {
	return &world{
		last: map[string]Seq{}, now: epoch, work: map[string]assignment{}, timers: map[string]alarm{}, accepted: map[string]int{},
		scheduled: State{Tenant: "default", Run: "r1"},
	}
}

func (w *world) append(subject string, after Seq, evs ...event.Event) (Seq, error) {
	if w.last[subject] != after {
		return 0, ErrConflict
	}
	w.seq++
	w.last[subject] = w.seq
	for _, e := range evs {
		w.entries = append(w.entries, Entry{Subject: subject, Seq: w.seq, Event: e})
	}
	return w.seq, nil
}

func (w *world) fold() (State, error) { return w.foldTo(len(w.entries)) }

func (w *world) foldTo(n int) (State, error) {
	s := State{Tenant: "default", Run: "r1"}
	var errs []error
	for _, e := range w.entries[:n] {
		var err error
		if s, err = Fold(s, e); err != nil {
			errs = append(errs, err)
		}
	}
	return s, errors.Join(errs...)
}

// decide lets the scheduler follow one command and all that comes of it, then do the effects.
func (w *world) decide(t testing.TB, c Command) error {
	t.Helper()
	for round := 0; ; round++ {
		if round > 50 {
			t.Fatalf("deciding does not come to an end: %s", w.history())
		}
		s, err := w.fold()
		if err != nil {
			t.Fatal(err)
		}
		appends, err := Decide(s, c, w.now)
		if err != nil {
			return err
		}
		if _, again := c.(Advance); len(appends) == 0 && again {
			w.emit(t, s)
			return nil
		}
		for _, a := range appends {
			if _, err := w.append(a.Subject, a.After, a.Events...); err != nil {
				t.Fatalf("nobody else appends meanwhile: %v", err)
			}
		}
		c = Advance{}
	}
}

func (w *world) emit(t testing.TB, s State) {
	t.Helper()
	effects, err := Effects(w.scheduled, s, w.now)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range effects {
		switch e.Kind {
		case Publish:
			w.work[e.ID] = commandOf(t, e.Event)
			w.published = append(w.published, e.ID)
		case Schedule:
			a := alarm{at: e.At}
			if p, err := events.Data[events.TimerFired](e.Event); err == nil {
				a.timer = &p
			} else {
				cmd := commandOf(t, e.Event)
				a.cmd, a.id = &cmd, strings.TrimSuffix(e.Event.ID(), "/command")
			}
			w.timers[e.Name] = a
		case Unschedule:
			delete(w.timers, e.Name)
		}
	}
	w.scheduled = s
}

func commandOf(t testing.TB, e event.Event) assignment {
	t.Helper()
	p, err := events.Decoded(e)
	if err != nil {
		t.Fatal(err)
	}
	at, err := events.AddressOf(e)
	if err != nil {
		t.Fatal(err)
	}
	cmd := p.(events.Command)
	return assignment{subject: cmd.Assigned().ReplySubject, payload: cmd, at: at}
}

// pending lists the ids of the commands that wait, sorted.
func (w *world) pending() []string {
	ids := make([]string, 0, len(w.work))
	for id := range w.work {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	return ids
}

// claim takes the command and claims the task as a worker does. It reports whether the claim was accepted.
func (w *world) claim(t testing.TB, id, claim string) (Seq, bool) {
	t.Helper()
	a := w.work[id]
	if w.terminal(a) || !w.wanted(a) {
		delete(w.work, id)
		return 0, false
	}
	seq, err := w.append(a.subject, w.last[a.subject],
		w.fact(t, a, events.TaskClaimed{Attempt: a.payload.Assigned().Attempt, Claim: claim, Worker: "w/" + claim}))
	return seq, err == nil
}

// terminal reports whether the last fact of the task makes the command pointless.
func (w *world) terminal(a assignment) bool {
	for i := len(w.entries) - 1; i >= 0; i-- {
		if w.entries[i].Subject != a.subject {
			continue
		}
		p, err := events.Decoded(w.entries[i].Event)
		if err != nil {
			return false
		}
		switch p := p.(type) {
		case events.TaskClaimed:
			return p.Attempt != a.payload.Assigned().Attempt
		case events.TaskScheduled:
			return p.Attempt != a.payload.Assigned().Attempt
		default:
			return true
		}
	}
	return false
}

// wanted reports whether the run's own subject says that this work is to be done.
func (w *world) wanted(a assignment) bool {
	for i := len(w.entries) - 1; i >= 0; i-- {
		if w.entries[i].Subject == events.RunSubject("default", "r1") {
			state, _ := w.entries[i].Event.Extensions()[events.ExtRunState].(string)
			if a.at.Task == events.TaskCompensate {
				return state == string(RunCompensating)
			}
			return state == string(RunRunning)
		}
	}
	return false
}

func (w *world) fact(t testing.TB, a assignment, p events.Payload) event.Event {
	t.Helper()
	at := a.at
	at.Service = "worker"
	var n uint64 = 1
	for _, e := range w.entries {
		if e.Subject == a.subject {
			n++
		}
	}
	var e event.Event
	var err error
	switch p := p.(type) {
	case events.TaskClaimed:
		e, err = events.New(at, n, w.now, p)
	case events.TaskCompleted:
		e, err = events.New(at, n, w.now, p)
	case events.TaskFailed:
		e, err = events.New(at, n, w.now, p)
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// complete finishes a claimed task as its command asks. items is the number of work items that plans find.
func (w *world) complete(t testing.TB, id, claim string, fence Seq, items int) bool {
	t.Helper()
	a := w.work[id]
	as := a.payload.Assigned()
	p := events.TaskCompleted{Attempt: as.Attempt, Claim: claim, Outcome: outcomeOf(a, items)}
	if _, err := w.append(a.subject, fence, w.fact(t, a, p)); err != nil {
		return false
	}
	w.accepted[fmt.Sprintf("%s#%d", a.subject, as.Generation)]++
	delete(w.work, id)
	return true
}

func (w *world) fail(t testing.TB, id, claim string, fence Seq, f events.Fault) bool {
	t.Helper()
	a := w.work[id]
	p := events.TaskFailed{Attempt: a.payload.Assigned().Attempt, Claim: claim, Error: f}
	if _, err := w.append(a.subject, fence, w.fact(t, a, p)); err != nil {
		return false
	}
	delete(w.work, id)
	return true
}

func outcomeOf(a assignment, items int) events.Outcome {
	as := a.payload.Assigned()
	switch a.at.Task {
	case events.TaskPlan:
		return events.Outcome{Plan: &events.PlanRef{Count: items, Ref: "plans/x", Digest: "blake3:0000000000000000000000000000000000000000000000000000000000000000"}}
	case events.TaskScan:
		return events.Outcome{Verdict: VerdictPassed}
	case events.TaskCompensate:
		return events.Outcome{}
	case events.TaskCommit:
		o := events.Outcome{Ref: "reports/x"}
		switch a.payload.(type) {
		case events.CaptureRequested, events.TransferRequested:
			o.Capture = &events.CaptureRef{ID: as.Output, Application: "shop", Location: "vault", Trust: "raw"}
		case events.MaskRequested:
			o.Capture = &events.CaptureRef{ID: as.Output, Application: "shop", Location: "test", Trust: "masked"}
		case events.VerifyRequested:
			o.Verdict = VerdictPassed
		}
		return o
	}
	return events.Outcome{Stats: events.Stats{Items: 1, Rows: 10, Bytes: 100}}
}

// fire lets the alarm ring: its command becomes pending, or the scheduler hears of a deadline.
func (w *world) fire(t testing.TB, name string) {
	t.Helper()
	a := w.timers[name]
	delete(w.timers, name)
	if a.at.After(w.now) {
		w.now = a.at
	}
	if a.timer != nil {
		if err := w.decide(t, Timer{Step: a.timer.Step, Task: a.timer.Task, Attempt: a.timer.Attempt}); err != nil {
			t.Fatal(err)
		}
		return
	}
	w.work[a.id] = *a.cmd
}

// retries lists the names of the pending retry schedules, sorted.
func (w *world) retries() []string {
	var names []string
	for n, a := range w.timers {
		if a.cmd != nil {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	return names
}

// finish works off every command until nothing is pending, and rings the alarms of retries.
func (w *world) finish(t testing.TB, items int) State {
	t.Helper()
	for n := 0; len(w.work) > 0 || len(w.retries()) > 0; n++ {
		if n > 2000 {
			t.Fatalf("the run does not end: %s", w.history())
		}
		if len(w.work) == 0 {
			w.fire(t, w.retries()[0])
			continue
		}
		id := w.pending()[0]
		claim := fmt.Sprintf("c%d", n)
		if fence, ok := w.claim(t, id, claim); ok {
			w.complete(t, id, claim, fence, items)
		}
		if err := w.decide(t, Advance{}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := w.fold()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// history is the journal in short: one line per event.
func (w *world) history() string {
	var b strings.Builder
	for _, e := range w.entries {
		kind := strings.TrimSuffix(strings.TrimPrefix(e.Event.Type(), "io.tranship."), ".v1")
		fmt.Fprintf(&b, "%d %s %s", e.Seq, strings.TrimPrefix(e.Event.Subject(), "r1"), kind)
		if state, ok := e.Event.Extensions()[events.ExtRunState]; ok {
			fmt.Fprintf(&b, " (%v)", state)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func definition(kinds ...events.StepKind) events.Definition {
	d := events.Definition{
		Policy: "nightly", Application: "shop", Window: 2,
		Retry: events.RetryPolicy{MaxAttempts: 3, Base: events.Duration(time.Second), Cap: events.Duration(time.Minute)},
	}
	target := events.Target{Accepts: events.TrustMasked, Profile: "clone", Components: []events.Resource{events.Resource(`{}`)}}
	for i, k := range kinds {
		s := events.StepDefinition{Name: string(k), Kind: k, Cluster: events.LocalCluster, Timeout: events.Duration(time.Hour)}
		if i > 0 {
			s.Input = string(kinds[i-1])
		}
		switch k {
		case events.StepCapture:
			s.Work.Capture = &events.CaptureWork{Application: events.Resource(`{}`), To: events.Resource(`{}`)}
		case events.StepMask:
			s.Work.Mask = &events.MaskWork{From: events.Resource(`{}`), Policy: events.Resource(`{}`), To: events.Resource(`{}`)}
		case events.StepTransfer:
			s.Work.Transfer = &events.TransferWork{From: events.Resource(`{}`), To: events.Resource(`{}`)}
		case events.StepRestore:
			s.Work.Restore = &events.RestoreWork{From: events.Resource(`{}`), Target: target}
		case events.StepVerify:
			s.Work.Verify = &events.VerifyWork{From: events.Resource(`{}`), Target: target, Checks: []string{"rows"}}
		}
		d.Steps = append(d.Steps, s)
	}
	return d
}

func (w *world) start(t testing.TB, kinds ...events.StepKind) {
	t.Helper()
	err := w.decide(t, Start{
		Request:    events.RunRequested{Policy: "nightly", Application: "shop", Cause: events.Cause{Kind: "cli"}},
		Definition: definition(kinds...),
	})
	if err != nil {
		t.Fatal(err)
	}
}
