// Package stagetest checks that a handler survives being killed or drained at every checkpoint.
//
// It runs the handler once undisturbed and counts its checkpoints. Then, for each of them and in a fresh world each time,
// it ends the handler there in three ways (before the checkpoint is durable, after it, and by the end of its context),
// lets a successor without memory finish, and wants the world to look as if nothing had happened.
package stagetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/pkg/events"
)

// World is what a handler works on. A suite asks for a fresh one per case.
type World[In events.Command] struct {
	Command In
	Address events.Address
	Stage   events.Stage
	// Handler returns a worker that has just started: it shares the world and no memory with the one before.
	Handler func() stage.Handler[In]
	// Observe returns what is to be the same however the handler got there: what the world holds, and the parts of the
	// outcome that do not tell how often something was tried. Values are compared with reflect.DeepEqual.
	Observe func(events.Outcome) any
}

// Run runs the suite over worlds that fresh makes.
func Run[In events.Command](t *testing.T, fresh func(testing.TB) World[In]) {
	t.Helper()
	saves, want, err := undisturbed(t.Context(), fresh(t))
	if err != nil {
		t.Fatalf("undisturbed: %v", err)
	}
	if saves == 0 {
		t.Log("the handler saves no checkpoint: it starts over when it dies")
	}
	for n := 1; n <= saves; n++ {
		for _, how := range ends {
			t.Run(fmt.Sprintf("%s checkpoint %d of %d", how.name, n, saves), func(t *testing.T) {
				if err := Disturbed(t.Context(), fresh(t), how, n, want); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// End is a way in which a handler comes to a sudden end.
type End struct {
	name    string
	durable bool // the checkpoint it happens at is
	drained bool // the context ends, and the handler has time to notice
}

// The ways.
var (
	KilledBefore = End{name: "killed before"}
	KilledAfter  = End{name: "killed after", durable: true}
	DrainedAfter = End{name: "drained after", durable: true, drained: true}
)

var ends = []End{KilledBefore, KilledAfter, DrainedAfter}

var errKilled = errors.New("the process was killed here")

func undisturbed[In events.Command](ctx context.Context, w World[In]) (saves int, observed any, err error) {
	m := &memory{}
	o, err := w.Handler().Handle(ctx, jobOf(w, m, 1))
	if err != nil {
		return 0, nil, err
	}
	return m.saves, w.Observe(o), nil
}

// Disturbed ends a handler at its n-th checkpoint, lets a successor finish, and returns an error when the world does not
// look as wanted.
func Disturbed[In events.Command](ctx context.Context, w World[In], how End, n int, want any) error {
	m := &memory{stopAt: n, how: how}
	dying, cancel := context.WithCancel(ctx)
	defer cancel()
	m.stop = cancel
	if _, err := w.Handler().Handle(dying, jobOf(w, m, 1)); err == nil && !how.drained {
		return errors.New("the handler swallowed the error of its checkpoint")
	}
	m.revive()
	o, err := w.Handler().Handle(ctx, jobOf(w, m, 2))
	if err != nil {
		return fmt.Errorf("the successor: %w", err)
	}
	if got := w.Observe(o); !reflect.DeepEqual(got, want) {
		return fmt.Errorf("the world differs from that of the undisturbed run:\n got %+v\nwant %+v", got, want)
	}
	return nil
}

func jobOf[In events.Command](w World[In], m *memory, fence uint64) stage.Job[In] {
	return stage.Job[In]{
		Command: w.Command, Address: w.Address, Stage: w.Stage, Cluster: events.LocalCluster, Attempt: w.Command.Assigned().Attempt,
		Fence: fence, Claim: fmt.Sprintf("claim-%d", fence), Checkpoint: m, Report: func(stage.Progress) {},
	}
}

// memory is a Checkpointer that ends its handler at one of the checkpoints.
type memory struct {
	mu     sync.Mutex
	token  []byte
	saves  int
	stopAt int // 0: never
	how    End
	stop   context.CancelFunc
	dead   bool
}

var _ stage.Checkpointer = (*memory)(nil)

// Load implements stage.Checkpointer.
func (m *memory) Load(_ context.Context, into any) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.token == nil {
		return false, nil
	}
	return true, json.Unmarshal(m.token, into)
}

// Save implements stage.Checkpointer.
func (m *memory) Save(_ context.Context, v any) error {
	token, err := json.Marshal(v)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errKilled
	}
	m.saves++
	last := m.saves == m.stopAt
	if !last || m.how.durable {
		m.token = token
	}
	if !last {
		return nil
	}
	m.stop()
	if m.how.drained {
		return nil
	}
	m.dead = true
	return errKilled
}

func (m *memory) revive() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead, m.stopAt = false, 0
}
