package saga

import (
	"testing"

	"github.com/tranship/tranship/pkg/events"
)

var pipeline = []events.StepKind{events.StepCapture, events.StepMask, events.StepTransfer, events.StepRestore, events.StepVerify}

func TestRunGoesThroughItsStepsAndCompletes(t *testing.T) {
	for _, items := range []int{0, 1, 5} {
		w := newWorld()
		w.start(t, pipeline...)
		s := w.finish(t, items)
		if s.Status != RunCompleted || s.Ignored != 0 {
			t.Fatalf("with %d items: %s, %d ignored\n%s", items, s.Status, s.Ignored, w.history())
		}
		if s.Output == nil || s.Output.ID != s.Step("transfer").Output {
			t.Errorf("with %d items: the output is %v, want the transferred capture", items, s.Output)
		}
		if want := int64(5 * items); s.Stats.Items != want {
			t.Errorf("with %d items: %d counted, want %d", items, s.Stats.Items, want)
		}
		if len(w.timers) != 0 {
			t.Errorf("with %d items: %d deadlines are left", items, len(w.timers))
		}
	}
}
