package saga

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/pkg/events"
)

// holder is a worker in the middle of a task.
type holder struct {
	cmd   assignment
	claim string
	fence Seq
}

// machine lets rapid drive a world: workers that die and wake up late, deliveries that come twice, timers, requests of
// people, and the loss of everything but the journal.
type machine struct {
	*world
	t       testing.TB
	holders []holder
	n       int
	items   int
}

func (m *machine) take(t *rapid.T) {
	ids := m.pending()
	if len(ids) == 0 {
		t.Skip("no command waits")
	}
	id := rapid.SampledFrom(ids).Draw(t, "command")
	m.n++
	cmd := m.work[id]
	claim := fmt.Sprintf("c%d", m.n)
	if fence, ok := m.claim(m.t, id, claim); ok {
		m.holders = append(m.holders, holder{cmd, claim, fence}) // the command stays: it may be delivered again
	}
}

func (m *machine) conclude(t *rapid.T, f *events.Fault) {
	if len(m.holders) == 0 {
		t.Skip("nobody works")
	}
	i := rapid.IntRange(0, len(m.holders)-1).Draw(t, "holder")
	h := m.holders[i]
	m.holders = append(m.holders[:i], m.holders[i+1:]...)
	id := fmt.Sprintf("%s/%s/%s/%d", h.cmd.at.Run, h.cmd.at.Step, h.cmd.at.Task, h.cmd.payload.Assigned().Attempt)
	kept, waits := m.work[id]
	m.work[id] = h.cmd
	var accepted bool
	if f == nil {
		accepted = m.complete(m.t, id, h.claim, h.fence, m.items)
	} else {
		accepted = m.fail(m.t, id, h.claim, h.fence, *f)
	}
	if !accepted || rapid.Bool().Draw(t, "dies before ack") {
		delete(m.work, id)
		if waits {
			m.work[id] = kept
		}
	}
}

func (m *machine) actions() map[string]func(*rapid.T) {
	control := func(action string) func(*rapid.T) {
		return func(t *rapid.T) {
			m.n++
			_ = m.decide(m.t, Control{ID: fmt.Sprintf("q%d", m.n), Request: events.ControlRequested{Action: action}})
		}
	}
	return map[string]func(*rapid.T){
		"take":     m.take,
		"take too": m.take,
		"complete": func(t *rapid.T) { m.conclude(t, nil) },
		"finish":   func(t *rapid.T) { m.conclude(t, nil) },
		"fail": func(t *rapid.T) {
			m.conclude(t, &events.Fault{Class: string(fault.Transient), Message: "away"})
		},
		"lose the snapshot": func(t *rapid.T) {
			m.conclude(t, &events.Fault{Class: string(fault.Transient), Code: events.CodeSnapshotLost, Message: "gone"})
		},
		"refuse": func(t *rapid.T) {
			if rapid.IntRange(0, 4).Draw(t, "rarely") == 0 {
				m.conclude(t, &events.Fault{Class: string(fault.Denied), Message: "no"})
			}
		},
		"react": func(*rapid.T) { _ = m.decide(m.t, Advance{}) },
		"ring": func(t *rapid.T) {
			names := make([]string, 0, len(m.timers))
			for n := range m.timers {
				names = append(names, n)
			}
			if len(names) == 0 {
				t.Skip("no timer is set")
			}
			sort.Strings(names)
			m.fire(m.t, rapid.SampledFrom(names).Draw(t, "timer"))
		},
		"lose the queue": func(t *rapid.T) {
			if rapid.IntRange(0, 4).Draw(t, "rarely") == 0 {
				m.work, m.timers = map[string]assignment{}, map[string]alarm{}
			}
		},
		"restart the scheduler": func(*rapid.T) {
			m.scheduled = State{Tenant: "default", Run: "r1"}
			_ = m.decide(m.t, Advance{})
		},
		"pause":  control("pause"),
		"resume": control("resume"),
		"retry":  control("retry"),
		"cancel": func(t *rapid.T) {
			if rapid.IntRange(0, 9).Draw(t, "rarely") == 0 {
				control("cancel")(t)
			}
		},
	}
}

func (m *machine) check(t *rapid.T) {
	s, err := m.fold()
	if err != nil {
		t.Fatalf("the journal holds what does not fold: %v\n%s", err, m.history())
	}
	for key, n := range m.accepted {
		if n > 1 {
			t.Fatalf("%s was completed %d times\n%s", key, n, m.history())
		}
	}
	if s.Status.Active() {
		for _, st := range s.Steps {
			inFlight := 0
			for _, task := range st.Tasks {
				if task.InFlight() {
					inFlight++
				}
			}
			if inFlight > s.Definition.Window {
				t.Fatalf("%d tasks of step %s are in flight, the window is %d\n%s", inFlight, st.Name, s.Definition.Window, m.history())
			}
		}
	}
	// Facts that were folded, written as bytes and folded again, give the same state.
	again, err := m.refold()
	if err != nil || !reflect.DeepEqual(again, s) {
		t.Fatalf("folding twice gives two states (%v)\n%s", err, m.history())
	}
}

func (w *world) refold() (State, error) {
	s := State{Tenant: "default", Run: "r1"}
	for _, e := range w.entries {
		_, data, err := events.Encode(e.Event)
		if err != nil {
			return s, err
		}
		evs, err := events.Decode(data)
		if err != nil {
			return s, err
		}
		if s, err = Fold(s, Entry{Subject: e.Subject, Seq: e.Seq, Event: evs[0]}); err != nil {
			return s, err
		}
	}
	return s, nil
}

// end lets all faults stop: people resume what is paused, the reconciler hands out what is lost, workers do their work.
func (m *machine) end(t *rapid.T) {
	m.holders = nil
	_ = m.decide(m.t, Control{ID: "end", Request: events.ControlRequested{Action: "resume"}})
	if err := m.decide(m.t, Advance{}); err != nil {
		t.Fatal(err)
	}
	for range 400 {
		s, err := m.fold()
		if err != nil {
			t.Fatal(err)
		}
		if s.Status.Terminal() || s.Status == "" {
			return
		}
		for _, st := range s.Steps {
			for _, task := range st.Tasks {
				if task.InFlight() && s.Status.Active() {
					if err := m.decide(m.t, Redrive{Step: st.Name, Task: task.ID, Attempt: task.Attempt}); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		m.finish(m.t, m.items)
	}
	t.Fatalf("the run does not end\n%s", m.history())
}

func TestRunKeepsItsInvariantsWhateverHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{world: newWorld(), t: t, items: rapid.IntRange(0, 4).Draw(rt, "items")}
		kinds := pipeline[:rapid.IntRange(1, len(pipeline)).Draw(rt, "steps")]
		m.start(t, kinds...)
		actions := m.actions()
		actions[""] = m.check
		rt.Repeat(actions)
		m.end(rt)
		s, _ := m.fold()
		checkCompensations(rt, s, m.world)
	})
}

// checkCompensations: what a canceled run undid is, in reverse, all that it had begun.
func checkCompensations(t *rapid.T, s State, w *world) {
	if s.Status != RunCanceled {
		return
	}
	var undone []string
	for _, e := range w.entries {
		if e.Event.Type() == events.TypeStepCompensated {
			undone = append(undone, strings.TrimPrefix(e.Event.Subject(), "r1/"))
		}
	}
	var want []string
	for i := len(s.Steps) - 1; i >= 0; i-- {
		if s.Steps[i].Generation > 0 && s.Steps[i].Kind != events.StepVerify {
			want = append(want, s.Steps[i].Name)
		}
	}
	if !reflect.DeepEqual(undone, want) {
		t.Fatalf("undone were %v, want %v\n%s", undone, want, w.history())
	}
}

func FuzzFold(f *testing.F) {
	w := newWorld()
	w.start(f, pipeline...)
	w.finish(f, 2)
	for _, e := range w.entries {
		data, err := json.Marshal(e.Event)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(e.Subject, uint64(e.Seq), data, uint16(len(w.entries)/2))
	}
	f.Fuzz(func(t *testing.T, subject string, seq uint64, data []byte, prefix uint16) {
		evs, err := events.Decode(data)
		if err != nil {
			return
		}
		s, err := w.foldTo(int(prefix) % (len(w.entries) + 1))
		if err != nil {
			t.Fatal(err)
		}
		before, _ := json.Marshal(s)
		for _, e := range evs {
			next, _ := Fold(s, Entry{Subject: subject, Seq: Seq(seq), Event: e})
			if after, _ := json.Marshal(s); string(before) != string(after) {
				t.Fatalf("folding changed the state before: %s, was %s", after, before)
			}
			for _, c := range []Command{Advance{}, Timer{"mask", "1", 1}, Redrive{"mask", "1", 1}, Control{"x", events.ControlRequested{Action: "cancel"}}} {
				_, _ = Decide(next, c, epoch)
			}
			_, _ = Effects(s, next, epoch.Add(time.Hour))
		}
	})
}
