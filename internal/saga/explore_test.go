package saga

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/tranship/tranship/pkg/events"
)

// explorer walks every order of what can happen to a small run, up to a depth: two workers that take, finish, fail, die or
// wake up late, commands that are delivered again, a reactor that lags, timers, the loss of the queue, and each request of
// a person once.
type explorer struct {
	t     *testing.T
	seen  map[string]bool
	ended map[RunStatus]int
}

// node is one point of the walk.
type node struct {
	*world
	workers [2]*holder
	asked   string // requests that were made
	lost    bool
	path    []string
}

func (n node) fork(what string) node {
	w := *n.world
	w.entries = slices.Clip(w.entries)
	w.last, w.work, w.timers, w.accepted = maps.Clone(w.last), maps.Clone(w.work), maps.Clone(w.timers), maps.Clone(w.accepted)
	w.published = nil
	n.world, n.path = &w, append(slices.Clip(n.path), what)
	return n
}

// signature tells apart what can go on differently. Times and sequences do not matter beyond their order.
func (n node) signature() string {
	var b strings.Builder
	b.WriteString(n.history())
	for _, h := range n.workers {
		if h != nil {
			fmt.Fprintf(&b, "%s %d;", h.claim, h.fence)
		} else {
			b.WriteString("-;")
		}
	}
	timers := slices.Sorted(maps.Keys(n.timers))
	fmt.Fprintf(&b, "%v %v %s %v %d", n.pending(), timers, n.asked, n.lost, n.scheduled.Seq)
	return b.String()
}

func (x *explorer) walk(n node, depth int) {
	if sig := n.signature(); x.seen[sig] {
		return
	} else {
		x.seen[sig] = true
	}
	x.check(n)
	if depth == 0 {
		return
	}
	for _, next := range x.steps(n) {
		x.walk(next, depth-1)
	}
}

func (x *explorer) steps(n node) []node {
	var out []node
	add := func(what string, do func(*node)) {
		next := n.fork(what)
		do(&next)
		out = append(out, next)
	}
	for i := range n.workers {
		if h := n.workers[i]; h != nil {
			add(fmt.Sprintf("worker %d completes", i), func(m *node) { m.conclude(x.t, i, nil) })
			add(fmt.Sprintf("worker %d fails", i), func(m *node) { m.conclude(x.t, i, &away) })
			add(fmt.Sprintf("worker %d dies", i), func(m *node) { m.workers[i] = nil })
			continue
		}
		for _, id := range n.pending() {
			add(fmt.Sprintf("worker %d takes %s", i, id), func(m *node) {
				cmd, claim := m.work[id], fmt.Sprintf("w%d.%d", i, len(m.entries))
				if fence, ok := m.claim(x.t, id, claim); ok {
					m.workers[i] = &holder{cmd, claim, fence}
				}
			})
		}
		break // the workers are alike: one idle worker is enough to look at
	}
	add("the reactor catches up", func(m *node) { _ = m.decide(x.t, Advance{}) })
	for _, name := range slices.Sorted(maps.Keys(n.timers)) {
		add(name+" rings", func(m *node) { m.fire(x.t, name) })
	}
	if !n.lost {
		add("the queue is lost", func(m *node) { m.work, m.timers, m.lost = map[string]assignment{}, map[string]alarm{}, true })
	}
	for _, action := range []string{"pause", "resume", "cancel", "retry"} {
		if !strings.Contains(n.asked, action) {
			add(action, func(m *node) {
				m.asked += action + " "
				_ = m.decide(x.t, control(action, action, ""))
			})
		}
	}
	return out
}

// conclude writes a worker's result. An accepted one leaves its command where it is: its acknowledgement may be lost.
func (n *node) conclude(t *testing.T, worker int, f *events.Fault) {
	h := n.workers[worker]
	n.workers[worker] = nil
	kept := maps.Clone(n.work)
	const id = "mine"
	n.work[id] = h.cmd
	if f == nil {
		n.complete(t, id, h.claim, h.fence, 1)
	} else {
		n.fail(t, id, h.claim, h.fence, *f)
	}
	n.work = kept
}

func (x *explorer) check(n node) {
	s, err := n.fold()
	if err != nil {
		x.t.Fatalf("%v\nafter %s\n%s", err, strings.Join(n.path, ", "), n.history())
	}
	for key, times := range n.accepted {
		if times > 1 {
			x.t.Fatalf("%s was completed %d times after %s\n%s", key, times, strings.Join(n.path, ", "), n.history())
		}
	}
	// From everywhere the run comes to an end once faults stop.
	end := n.fork("everything works again")
	_ = end.decide(x.t, control("end", "resume", ""))
	_ = end.decide(x.t, Advance{})
	for range 20 {
		if s, err = end.fold(); err != nil {
			x.t.Fatal(err)
		}
		if s.Status.Terminal() {
			x.ended[s.Status]++
			return
		}
		for _, st := range s.Steps {
			for _, task := range st.Tasks {
				if task.InFlight() {
					_ = end.decide(x.t, Redrive{Step: st.Name, Task: task.ID, Attempt: task.Attempt})
				}
			}
		}
		end.finish(x.t, 1)
	}
	x.t.Fatalf("the run is stuck in %s after %s\n%s", s.Status, strings.Join(n.path, ", "), end.history())
}

func TestEveryOrderOfEventsEndsWell(t *testing.T) {
	const depth = 4
	x := &explorer{t: t, seen: map[string]bool{}, ended: map[RunStatus]int{}}
	for _, from := range []struct{ step, task string }{
		{"capture", events.TaskPlan}, {"capture", "1"}, {"capture", events.TaskCommit}, {"transfer", events.TaskPlan}, {"transfer", events.TaskCommit},
	} {
		w := newWorld()
		w.start(t, events.StepCapture, events.StepTransfer)
		w.upTo(t, from.step, from.task, 1)
		x.walk(node{world: w}, depth)
	}
	statuses := make([]string, 0, len(x.ended))
	for s, n := range x.ended {
		statuses = append(statuses, fmt.Sprintf("%s: %d", s, n))
	}
	sort.Strings(statuses)
	t.Logf("%d states; from there the run ends %s", len(x.seen), strings.Join(statuses, ", "))
	if x.ended[RunCompleted] == 0 || x.ended[RunCanceled] == 0 {
		t.Error("the walk did not reach both ends")
	}
}
