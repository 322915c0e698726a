package progress_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/progress"
	"github.com/tranship/tranship/pkg/events"
)

// screen keeps what was written to a terminal. Its writer runs beside the test.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// show feeds a script to a terminal and returns all that was written, and the last state of the lines.
func show(t *testing.T, c progress.Config, feed func(s *script, d progress.Display)) (all, last string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var out screen
		d := progress.NewTerminal(&out, c, progress.Deps{Clock: clock.Real{}})
		feed(newScript(t), d)
		d.Close()
		all = out.String()
	})
	frames := strings.Split(all, "\x1b[J")
	return all, frames[len(frames)-1]
}

func mustShow(t *testing.T, d progress.Display, s *script) {
	t.Helper()
	if err := d.Event(s.events[len(s.events)-1]); err != nil {
		t.Fatal(err)
	}
}

func TestTerminalShowsALinePerStepAndWhatWentWrong(t *testing.T) {
	all, last := show(t, progress.Config{Width: 120}, func(s *script, d progress.Display) {
		emit(s, "capture", "", events.StepStarted{Generation: 1, Output: "c1"})
		mustShow(t, d, s)
		emit(s, "capture", events.TaskPlan, claimed("one"))
		mustShow(t, d, s)
		emit(s, "capture", events.TaskPlan, claimed("two"))
		mustShow(t, d, s)
		for bytes := int64(0); bytes <= 50_000_000; bytes += 10_000_000 {
			d.Progress(client.Progress{Steps: []client.StepProgress{{Step: "capture", Kind: events.StepCapture, Bytes: bytes, BytesTotal: 100_000_000}}})
			time.Sleep(time.Second)
		}
		emit(s, "capture", "", events.StepCompleted{Stats: events.Stats{Rows: 1234, Bytes: 100_000_000}})
		mustShow(t, d, s)
		emit(s, "mask", "", events.StepStarted{Generation: 1, Output: "c2"})
		mustShow(t, d, s)
		emit(s, "mask", "", events.StepFailed{Task: "0", Error: fault("no rule covers db/public.x.y\x1b[2J")})
		mustShow(t, d, s)
		emit(s, "mask", "", events.StepDead{Task: "0", Attempts: 1})
		mustShow(t, d, s)
	})
	for _, want := range []string{"worker lost, taken over by two", "10.0 MB/s", "ETA 5.0s", " 50%"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q was never shown:\n%q", want, all)
		}
	}
	for _, want := range []string{"✓ capture", "100.0 MB", "1,234 rows", "1 takeover", "✗ mask", "no rule covers db/public.x.y [2J"} {
		if !strings.Contains(last, want) {
			t.Errorf("%q is not in the last state:\n%s", want, last)
		}
	}
	if strings.Contains(all, "\x1b[3") {
		t.Errorf("colours were not asked for: %q", all)
	}
}

func TestTerminalKeepsToItsWidth(t *testing.T) {
	for _, width := range []int{30, 60, 100} {
		_, last := show(t, progress.Config{Width: width}, func(s *script, d progress.Display) {
			emit(s, "a-step-with-a-rather-long-name", "", events.StepStarted{Generation: 1})
			mustShow(t, d, s)
			emit(s, "a-step-with-a-rather-long-name", "", events.StepSkipped{Reason: strings.Repeat("there was nothing to do ", 20)})
			mustShow(t, d, s)
		})
		for line := range strings.Lines(last) {
			if n := len([]rune(strings.TrimRight(line, "\r\n"))); n > width {
				t.Errorf("%d of %d columns: %q", n, width, line)
			}
		}
	}
}

func TestTerminalPaintsWhenItMay(t *testing.T) {
	_, last := show(t, progress.Config{Width: 100, Color: true}, func(s *script, d progress.Display) {
		emit(s, "capture", "", events.StepStarted{Generation: 1, Output: "c1"})
		mustShow(t, d, s)
		emit(s, "capture", "", events.StepCompleted{})
		mustShow(t, d, s)
	})
	if !strings.Contains(last, "\x1b[32m✓\x1b[0m") {
		t.Errorf("no colours: %q", last)
	}
}

func TestLinesAreTheEventsThemselves(t *testing.T) {
	s := newScript(t)
	emit(s, "", "", events.RunRequested{Application: "shop", Cause: events.Cause{Kind: "cli"}})
	emit(s, "", "", events.RunCompleted{})
	var out bytes.Buffer
	d := progress.NewLines(&out)
	for _, e := range s.events {
		if err := d.Event(e); err != nil {
			t.Fatal(err)
		}
		d.Progress(client.Progress{Steps: []client.StepProgress{{Step: "capture", Bytes: 1}}})
	}
	d.Close()
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("want two lines:\n%s", out.String())
	}
	for i, line := range lines {
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil || got["id"] != s.events[i].ID() || got["specversion"] != "1.0" {
			t.Errorf("%v: %s", err, line)
		}
	}
}

// broken is a pipe whose reader went away.
type broken struct{}

var errBroken = errors.New("broken pipe")

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestLinesTellThatNobodyReads(t *testing.T) {
	s := newScript(t)
	if err := progress.NewLines(broken{}).Event(emit(s, "", "", events.RunCanceled{})); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}
