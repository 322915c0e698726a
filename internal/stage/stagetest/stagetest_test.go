package stagetest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/internal/stage/stagetest"
	"github.com/tranship/tranship/pkg/events"
)

// copier appends five records to a log. It is safe when it writes at the place that its token says, and not when it just
// appends.
type copier struct {
	log     *[]string
	careful bool
}

func (c copier) Handle(ctx context.Context, job stage.Job[events.CaptureRequested]) (events.Outcome, error) {
	var next int
	if _, err := job.Checkpoint.Load(ctx, &next); err != nil {
		return events.Outcome{}, err
	}
	for ; next < 5; next++ {
		if err := ctx.Err(); err != nil {
			return events.Outcome{}, err
		}
		if c.careful {
			*c.log = (*c.log)[:next]
		}
		*c.log = append(*c.log, string(rune('a'+next)))
		if err := job.Checkpoint.Save(ctx, next+1); err != nil {
			return events.Outcome{}, err
		}
	}
	return events.Outcome{Stats: events.Stats{Items: 5}}, nil
}

func world(careful bool) func(testing.TB) stagetest.World[events.CaptureRequested] {
	return func(testing.TB) stagetest.World[events.CaptureRequested] {
		var log []string
		return stagetest.World[events.CaptureRequested]{
			Handler: func() stage.Handler[events.CaptureRequested] { return copier{&log, careful} },
			Observe: func(events.Outcome) any { return strings.Join(log, "") },
		}
	}
}

func TestCarefulHandlerPasses(t *testing.T) { stagetest.Run(t, world(true)) }

func TestCarelessHandlerIsFoundOut(t *testing.T) {
	if err := stagetest.Disturbed(t.Context(), world(false)(t), stagetest.KilledBefore, 3, "abcde"); err == nil {
		t.Error("a record that was written twice went unnoticed")
	}
	if err := stagetest.Disturbed(t.Context(), world(false)(t), stagetest.DrainedAfter, 3, "abcde"); err != nil {
		t.Errorf("nothing was written twice: %v", err)
	}
}
