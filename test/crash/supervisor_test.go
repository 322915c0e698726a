package crash_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/tranship/tranship/internal/demo"
	"github.com/tranship/tranship/internal/failpoint"
)

// supervisor lets one process die at one place after another, and starts it again each time, as an orchestrator would.
type supervisor struct {
	process *demo.Process
	places  []string // of failpoint.Env

	mu   sync.Mutex
	died []string
	err  error
}

// watch starts the process anew with the first place armed, and keeps it alive until ctx ends.
func (s *supervisor) watch(ctx context.Context, wg *sync.WaitGroup) error {
	if err := s.process.Kill(); err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-s.process.Done():
			}
			if !s.again(ctx) {
				return
			}
		}
	})
	return nil
}

func (s *supervisor) start(ctx context.Context) error {
	if len(s.died) < len(s.places) {
		s.process.Setenv(failpoint.Env + "=" + s.places[len(s.died)])
	} else {
		s.process.Setenv()
	}
	return s.process.Start(ctx)
}

// again notes a death and starts the process again.
func (s *supervisor) again(ctx context.Context) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.process.Killed() || len(s.died) == len(s.places) {
		s.err = fmt.Errorf("%s ended at none of its places", s.process.Name)
		return false
	}
	s.died = append(s.died, s.places[len(s.died)])
	// A process may die at its next place before its start has been noticed: then it is gone, and noted in the next round.
	if err := s.start(ctx); err != nil && !s.process.Killed() && ctx.Err() == nil {
		s.err = err
		return false
	}
	return true
}

// judge reports places that were not reached, each as a test of its own.
func (s *supervisor) judge(t *testing.T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		t.Error(s.err)
	}
	for i, place := range s.places {
		t.Run(s.process.Name+" at "+place, func(t *testing.T) {
			if i >= len(s.died) {
				t.Error("the process did not come there")
			}
		})
	}
}
