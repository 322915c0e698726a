package capturer

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/pkg/events"
)

type checkpoint struct{ saved any }

func (c *checkpoint) Load(context.Context, any) (bool, error) { return false, nil }
func (c *checkpoint) Save(_ context.Context, v any) error     { c.saved = v; return nil }

func TestOnlyAttemptsThatFailWithTheirViewClosedLeaveTheSnapshotUnlost(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	outage := errors.New("the store is down")
	for name, tc := range map[string]struct {
		ctx    context.Context
		failed error
		resets bool
	}{
		"an outage of the store":      {t.Context(), outage, true},
		"the snapshot is lost":        {t.Context(), fmt.Errorf("unit 1: %w", dataservice.ErrSnapshotLost), false},
		"the worker was told to stop": {over, outage, false},
		"it is done":                  {t.Context(), nil, false},
	} {
		saved := &checkpoint{saved: token{Snapshot: true}}
		w := task{Capturer: New(Config{}, Deps{Log: zap.NewNop()}), job: stage.Job[events.CaptureRequested]{Checkpoint: saved}}
		if err := w.giveUp(tc.ctx, tc.failed); !errors.Is(err, tc.failed) {
			t.Errorf("%s: %v", name, err)
		}
		if got := saved.saved == any(token{}); got != tc.resets {
			t.Errorf("%s: the token is %+v", name, saved.saved)
		}
	}
}
