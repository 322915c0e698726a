package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/internal/stage"
	"github.com/tranship/tranship/pkg/events"
	"github.com/tranship/tranship/services/gateway"
)

func TestRunFromTriggerToItsLastEvent(t *testing.T) {
	c := newCluster(t)
	c.scheduler()
	c.workers()
	apply(t, c.desk, string(shop(t)))

	started, err := c.client.StartRun(t.Context(), client.RunRequest{Policy: "nightly", Params: map[string]string{"env": "pr-7"}, Cause: "cli"})
	check(t, err)
	if started.Application != "shop" || started.Policy != "nightly" {
		t.Errorf("started %+v", started)
	}
	var types []string
	var last client.Progress
	for e, err := range c.client.Events(t.Context(), started.Run, client.EventsOptions{}) {
		check(t, err)
		if e.Journal != nil {
			types = append(types, e.Journal.Type())
		} else {
			last = *e.Progress
		}
	}
	if len(types) == 0 || types[0] != events.TypeRunRequested || types[len(types)-1] != events.TypeRunCompleted {
		t.Fatalf("the events are %v", types)
	}
	if last.Status != saga.RunCompleted || len(last.Steps) != 5 || last.Steps[0].Bytes != 200 || last.Steps[0].Tasks.Completed != 4 || last.Steps[0].Tasks.Total != 4 {
		t.Errorf("the last progress is %+v", last)
	}

	run, err := c.client.Run(t.Context(), started.Run)
	check(t, err)
	if run.Status != saga.RunCompleted || run.Request.Params["env"] != "pr-7" || run.Request.Cause.Kind != "cli" || run.Output == nil || len(run.Progress) != 5 {
		t.Errorf("the run is %+v", run)
	}
	list, err := c.client.Runs(t.Context(), client.RunsQuery{})
	check(t, err)
	if len(list.Items) != 1 || list.Items[0].StepsDone != 5 || list.Items[0].StepsTotal != 5 || list.Items[0].Status != saga.RunCompleted || list.Next != 0 {
		t.Errorf("the list is %+v", list)
	}
	if _, err := newClient(t, c.url, "acme").Run(t.Context(), started.Run); !fault.Is(err, fault.NotFound) {
		t.Errorf("another tenant sees it: %v", err)
	}
}

func TestOneKeyStartsOneRun(t *testing.T) {
	c := newCluster(t)
	c.scheduler()
	apply(t, c.desk, string(shop(t)))
	req := client.RunRequest{Policy: "nightly", IdempotencyKey: "ci/1234"}
	ids := make([]string, 4)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			s, err := newClient(t, c.url, "").StartRun(t.Context(), req)
			if err != nil {
				t.Error(err)
			}
			ids[i] = s.Run
		})
	}
	wg.Wait()
	if slices.Sort(ids); len(slices.Compact(ids)) != 1 {
		t.Fatalf("the runs are %v", ids)
	}
	list, err := c.client.Runs(t.Context(), client.RunsQuery{})
	check(t, err)
	if len(list.Items) != 1 {
		t.Fatalf("%d runs", len(list.Items))
	}
	req.Params = map[string]string{"env": "other"}
	if _, err := c.client.StartRun(t.Context(), req); fault.CodeOf(err) != "idempotency.reused" {
		t.Errorf("the key for another request: got %v", err)
	}
	req.Params = nil
	if s, err := c.client.StartRun(t.Context(), req); err != nil || s.Run != ids[0] {
		t.Errorf("again: %v, %v", s, err)
	}
}

func TestRunsArePagedByTheirLastMovement(t *testing.T) {
	c := newCluster(t)
	c.scheduler()
	apply(t, c.desk, string(shop(t)))
	var started []string
	for range 3 {
		s, err := c.client.StartRun(t.Context(), client.RunRequest{Policy: "nightly"})
		check(t, err)
		started = append(started, s.Run)
	}
	slices.Reverse(started)
	var seen []string
	for before := saga.Seq(0); ; {
		page, err := c.client.Runs(t.Context(), client.RunsQuery{Limit: 2, Before: before})
		check(t, err)
		for _, r := range page.Items {
			seen = append(seen, r.Run)
		}
		if before = page.Next; before == 0 {
			break
		}
	}
	if !slices.Equal(seen, started) {
		t.Fatalf("got %v, want %v", seen, started)
	}
}

func TestRequestWithoutASchedulerSaysThatItWaits(t *testing.T) {
	c := newCluster(t, func(cfg *gateway.Config, _ *gateway.Deps) { cfg.Wait = 50 * time.Millisecond })
	apply(t, c.desk, string(shop(t)))
	req := client.RunRequest{Policy: "nightly", IdempotencyKey: "k"}
	_, err := c.client.StartRun(t.Context(), req)
	var p *client.Problem
	if !errors.As(err, &p) || p.Code != "run.waiting" || p.Run == "" || !strings.Contains(p.Hint, p.Run) || !fault.Is(err, fault.Transient) {
		t.Fatalf("got %v", err)
	}
	c.scheduler()
	c.until(p.Run, func(s saga.State) bool { return s.Status == saga.RunRunning })
	if s, err := c.client.StartRun(t.Context(), req); err != nil || s.Run != p.Run {
		t.Fatalf("again: %v, %v", s, err)
	}
}

func TestWhatTheSchedulerRefusesIsAnsweredWithItsReason(t *testing.T) {
	c := newCluster(t)
	c.scheduler()
	// The gateway cannot know it: an application that the policy selects by its labels does not exist.
	byLabel := strings.NewReplacer("{names: [shop]}", "{matchLabels: {tier: prod}}", "./restored/", "./restored/{{ .application }}/")
	apply(t, c.desk, byLabel.Replace(string(shop(t))))
	_, err := c.client.StartRun(t.Context(), client.RunRequest{Policy: "nightly"})
	var p *client.Problem
	if !errors.As(err, &p) || p.Code != "application.missing" || p.Run == "" {
		t.Fatalf("got %v", err)
	}
	run, err := c.client.Run(t.Context(), p.Run)
	check(t, err)
	if run.Status != saga.RunFailed {
		t.Errorf("the run is %s", run.Status)
	}
}

func TestRequestIsCheckedBeforeARunIsOpened(t *testing.T) {
	d := newDesk(t)
	apply(t, d, string(shop(t)))
	for _, c := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"an unknown policy", `{"policy": "nigthly"}`, 404, `did you mean \"nightly\"?`},
		{"an unknown parameter", `{"policy": "nightly", "params": {"evn": "x"}}`, 422, `"suggestion":"env"`},
		{"a parameter that does not match", `{"policy": "nightly", "params": {"env": "UPPER"}}`, 422, `"path":"params.env"`},
		{"an unknown application", `{"policy": "nightly", "application": "shpo"}`, 404, `did you mean \"shop\"?`},
		{"neither policy nor steps", `{}`, 400, "exactly one"},
		{"both", `{"policy": "nightly", "inline": {}}`, 400, "exactly one"},
		{"an unknown field", `{"polcy": "nightly"}`, 400, "polcy"},
		{"no JSON", `policy: nightly`, 400, "syntax error"},
		{"two objects", `{"policy": "nightly"} {}`, 400, "follows"},
		{"a wrong type", `{"policy": 7}`, 400, "must be string"},
		{"a strange cause", `{"policy": "nightly", "cause": "cron"}`, 400, "cause"},
		{"an inline policy with a mistake", `{"inline": {"spec": {"applications": {"names": ["shop"]}, "steps": [{"capture": {"to": "vautl"}}]}}}`, 422, `"suggestion":"vault"`},
		{"an inline policy that is none", `{"inline": [1]}`, 400, "JSON object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, _, body := d.do(http.MethodPost, "/v1/runs", c.body)
			if status != c.status || !strings.Contains(body, c.want) {
				t.Errorf("got %d %s, want %d with %s", status, body, c.status, c.want)
			}
		})
	}
	if len(d.requests.sent) != 0 {
		t.Errorf("%d requests were published", len(d.requests.sent))
	}
}

func TestInlineStepsRun(t *testing.T) {
	c := newCluster(t)
	c.scheduler()
	c.workers()
	apply(t, c.desk, string(shop(t)))
	inline := json.RawMessage(`{"spec": {"applications": {"names": ["shop"]}, "steps": [{"capture": {"to": "vault"}}]}}`)
	started, err := c.client.StartRun(t.Context(), client.RunRequest{Inline: inline})
	check(t, err)
	s := c.until(started.Run, func(s saga.State) bool { return s.Status.Terminal() })
	if s.Status != saga.RunCompleted || s.Request.Policy != "" || len(s.Steps) != 1 {
		t.Fatalf("the run is %+v", s)
	}
}

// held lets the first work item of a stage wait until it is released.
func held(c *cluster, st events.Stage) (working <-chan struct{}, release func()) {
	began, free := make(chan struct{}), make(chan struct{})
	var once sync.Once
	c.on(st, func(ctx context.Context, at events.Address, report func(stage.Progress)) error {
		if at.Task != "1" {
			return nil
		}
		report(stage.Progress{Bytes: 40, BytesTotal: 100, Rows: 4, Note: "waiting for the test"})
		once.Do(func() { close(began) })
		select {
		case <-free:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return began, sync.OnceFunc(func() { close(free) })
}

func TestRunIsPausedResumedAndCanceled(t *testing.T) {
	c := newCluster(t)
	c.scheduler()
	c.workers()
	apply(t, c.desk, string(shop(t)))
	working, release := held(c, events.StageMask)
	t.Cleanup(release)
	started, err := c.client.StartRun(t.Context(), client.RunRequest{Policy: "nightly"})
	check(t, err)
	<-working

	control := func(a client.Action, how client.Control) saga.RunStatus {
		t.Helper()
		run, err := c.client.Control(t.Context(), started.Run, a, how)
		check(t, err)
		return run.Status
	}
	if got := control(client.ActionPause, client.Control{Reason: "lunch"}); got != saga.RunPaused {
		t.Fatalf("after pause: %s", got)
	}
	if got := control(client.ActionPause, client.Control{}); got != saga.RunPaused {
		t.Fatalf("after a second pause: %s", got)
	}
	if _, err := c.client.Control(t.Context(), started.Run, client.ActionRetry, client.Control{}); !fault.Is(err, fault.Conflict) {
		t.Fatalf("retry of a paused run: %v", err)
	}
	if got := control(client.ActionResume, client.Control{}); got != saga.RunRunning {
		t.Fatalf("after resume: %s", got)
	}
	control(client.ActionCancel, client.Control{Reason: "enough"})
	s := c.until(started.Run, func(s saga.State) bool { return s.Status.Terminal() })
	if s.Status != saga.RunCanceled {
		t.Fatalf("at the end: %s", s.Status)
	}
	if got := control(client.ActionCancel, client.Control{}); got != saga.RunCanceled {
		t.Fatalf("after a second cancel: %s", got)
	}
	if _, err := c.client.Control(t.Context(), started.Run, client.ActionPause, client.Control{}); !fault.Is(err, fault.Conflict) || fault.CodeOf(err) != "run.state" {
		t.Fatalf("pause of a canceled run: %v", err)
	}
}

func TestFailedRunIsRetried(t *testing.T) {
	c := newCluster(t)
	c.scheduler()
	c.workers()
	apply(t, c.desk, string(shop(t)))
	c.on(events.StageTransfer, func(context.Context, events.Address, func(stage.Progress)) error {
		return fault.New(fault.Permanent, "store.full", "the store is full").WithHint("make room")
	})
	started, err := c.client.StartRun(t.Context(), client.RunRequest{Policy: "nightly"})
	check(t, err)
	c.until(started.Run, func(s saga.State) bool { return s.Status == saga.RunFailed })
	run, err := c.client.Run(t.Context(), started.Run)
	check(t, err)
	if run.Failure == nil || run.Failure.Error.Code != "store.full" || run.Failure.Error.Hint != "make room" || run.Failure.Step != "transfer" {
		t.Fatalf("the failure is %+v", run.Failure)
	}
	if _, err := c.client.Control(t.Context(), started.Run, client.ActionRetry, client.Control{From: "nowhere"}); !fault.Is(err, fault.Conflict) {
		t.Fatalf("retry from an unknown step: %v", err)
	}
	c.on(events.StageTransfer, nil)
	_, err = c.client.Control(t.Context(), started.Run, client.ActionRetry, client.Control{From: "mask"})
	check(t, err)
	s := c.until(started.Run, func(s saga.State) bool { return s.Status == saga.RunCompleted })
	if s.Step("mask").Generation != 2 || s.Step("capture").Generation != 1 {
		t.Errorf("capture is at generation %d, mask at %d", s.Step("capture").Generation, s.Step("mask").Generation)
	}
}

func TestProgressComesFromTheTasksUnderWay(t *testing.T) {
	c := newCluster(t)
	c.scheduler()
	c.workers()
	apply(t, c.desk, string(shop(t)))
	working, release := held(c, events.StageCapture)
	t.Cleanup(release)
	started, err := c.client.StartRun(t.Context(), client.RunRequest{Policy: "nightly"})
	check(t, err)
	<-working
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen := false
	for e, err := range c.client.Events(ctx, started.Run, client.EventsOptions{}) {
		check(t, err)
		if e.Progress == nil || len(e.Progress.Steps) == 0 {
			continue
		}
		if e.ID != "" {
			t.Fatal("progress has a place in the stream")
		}
		// 40 of the item that is held, 100 of the one that is done.
		if p := e.Progress.Steps[0]; p.Step == "capture" && p.Bytes == 140 {
			seen = true
			if p.BytesTotal != 200 || p.Rows != 14 || p.Note != "waiting for the test" || p.Tasks != (client.TaskCounts{Total: 4, Completed: 2, Running: 1}) {
				t.Errorf("the progress is %+v", p)
			}
			release()
		}
	}
	if !seen {
		t.Error("the progress of the task was never seen")
	}
}

func TestRunThatIsNoIDIsRefused(t *testing.T) {
	d := newDesk(t)
	for _, path := range []string{"/v1/runs/*", "/v1/runs/%3E", "/v1/runs/a.b", "/v1/runs/*/events", "/v1/runs/%2A/cancel"} {
		method := http.MethodGet
		if strings.HasSuffix(path, "cancel") {
			method = http.MethodPost
		}
		if status, _, body := d.do(method, path, ""); status != 400 {
			t.Errorf("%s: got %d %s", path, status, body)
		}
	}
	for _, path := range []string{"/v1/runs/none", "/v1/runs/none/events"} {
		if status, _, body := d.do(http.MethodGet, path, ""); status != 404 || !strings.Contains(body, "run.missing") {
			t.Errorf("%s: got %d %s", path, status, body)
		}
	}
	if status, _, body := d.do(http.MethodPost, "/v1/runs/none/explode", ""); status != 404 || !strings.Contains(body, "action.unknown") {
		t.Errorf("got %d %s", status, body)
	}
}

// record appends events to the run's own subject as one message.
func record(t testing.TB, d *desk, run string, first uint64, ps ...events.Payload) saga.Seq {
	t.Helper()
	subject := events.RunSubject("default", run)
	after, _, err := d.journal.Last(t.Context(), subject)
	check(t, err)
	evs := make([]event.Event, 0, len(ps))
	for i, p := range ps {
		e, err := events.New(events.Address{Tenant: "default", Service: saga.Service, Run: run}, first+uint64(i), time.Now(), p)
		check(t, err)
		evs = append(evs, e)
	}
	seq, err := d.journal.Append(t.Context(), subject, after, evs...)
	check(t, err)
	return seq
}
