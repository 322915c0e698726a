package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/pkg/events"
)

const testToken = "a-token-that-must-never-be-printed"

// fakeGateway answers as the gateway does, from what the test put into it.
type fakeGateway struct {
	url string

	mu        sync.Mutex
	resources []api.Resource
	runs      []client.RunSummary
	run       client.Run
	events    []event.Event
	endless   bool          // the stream of events stays open after the last one
	streaming chan struct{} // closed when a stream of events has sent all there are
	captures  []client.Capture
	problem   *client.Problem // of every answer but reads
	asked     []asked
}

// asked is a request that came.
type asked struct {
	method, path, query, tenant string
	body                        []byte
}

// newGateway starts a fake gateway and stops it with the test.
func newGateway(t *testing.T) *fakeGateway {
	t.Helper()
	g := &fakeGateway{streaming: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/resources", g.apply)
	mux.HandleFunc("GET /v1/resources/{kind}", g.list)
	mux.HandleFunc("GET /v1/resources/{kind}/{name}", g.get)
	mux.HandleFunc("DELETE /v1/resources/{kind}/{name}", g.remove)
	mux.HandleFunc("POST /v1/runs", g.start)
	mux.HandleFunc("GET /v1/runs", g.listRuns)
	mux.HandleFunc("GET /v1/runs/{run}", g.getRun)
	mux.HandleFunc("GET /v1/runs/{run}/events", g.stream)
	mux.HandleFunc("POST /v1/runs/{run}/{action}", g.getRun)
	mux.HandleFunc("GET /v1/captures", g.listCaptures)
	mux.HandleFunc("GET /v1/captures/{id}", g.getCapture)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+testToken {
			g.refuse(w, http.StatusUnauthorized, client.Problem{Code: client.CodeUnauthorized, Message: "the token is not the server's"})
			return
		}
		body, _ := io.ReadAll(r.Body)
		g.mu.Lock()
		g.asked = append(g.asked, asked{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get(client.HeaderTenant), body})
		g.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	g.url = s.URL
	return g
}

// do runs the program against the gateway.
func (g *fakeGateway) do(t *testing.T, args ...string) result {
	t.Helper()
	return g.call(t, call{args: args})
}

func (g *fakeGateway) call(t *testing.T, c call) result {
	t.Helper()
	c.env = append([]string{"TRANSHIP_TOKEN=" + testToken, "TRANSHIP_SERVER=" + g.url}, c.env...)
	r := do(t, c)
	if strings.Contains(r.stdout+r.stderr, testToken) {
		t.Errorf("the token was printed:\n%s", r.text())
	}
	return r
}

// last returns the last request to a path.
func (g *fakeGateway) last(t *testing.T, method, path string) asked {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := len(g.asked) - 1; i >= 0; i-- {
		if a := g.asked[i]; a.method == method && a.path == path {
			return a
		}
	}
	t.Fatalf("nobody asked for %s %s, but %+v", method, path, g.asked)
	return asked{}
}

func (g *fakeGateway) refuse(w http.ResponseWriter, status int, p client.Problem) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(client.ProblemBody{Error: p})
}

// refused answers with the problem that the test asked for, if it did.
func (g *fakeGateway) refused(w http.ResponseWriter) bool {
	if g.problem == nil {
		return false
	}
	g.refuse(w, http.StatusUnprocessableEntity, *g.problem)
	return true
}

func (g *fakeGateway) answer(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

func (g *fakeGateway) apply(w http.ResponseWriter, r *http.Request) {
	if g.refused(w) {
		return
	}
	resources, err := api.Decode(r.Body, "")
	if err != nil {
		g.refuse(w, http.StatusBadRequest, client.Problem{Message: err.Error()})
		return
	}
	result := client.ApplyResult{DryRun: r.URL.Query().Get("dryRun") == "true"}
	for _, res := range resources {
		result.Resources = append(result.Resources, client.Applied{Kind: res.Kind(), Name: res.Meta().Name, Action: client.Created})
	}
	g.answer(w, result)
}

func (g *fakeGateway) list(w http.ResponseWriter, r *http.Request) {
	list := client.ResourceList{Items: []json.RawMessage{}}
	for _, res := range g.resources {
		if res.Kind() == r.PathValue("kind") {
			list.Items = append(list.Items, encoded(res))
		}
	}
	g.answer(w, list)
}

func encoded(r api.Resource) json.RawMessage {
	var out bytes.Buffer
	if err := api.EncodeJSON(&out, r); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func (g *fakeGateway) get(w http.ResponseWriter, r *http.Request) {
	for _, res := range g.resources {
		if res.Kind() == r.PathValue("kind") && res.Meta().Name == r.PathValue("name") {
			_, _ = w.Write(encoded(res))
			return
		}
	}
	g.missing(w, r.PathValue("kind"), r.PathValue("name"))
}

func (g *fakeGateway) missing(w http.ResponseWriter, kind, name string) {
	g.refuse(w, http.StatusNotFound, client.Problem{Class: fault.NotFound, Code: "missing", Message: fmt.Sprintf("there is no %s %q", kind, name), Hint: "look at what there is"})
}

func (g *fakeGateway) remove(w http.ResponseWriter, r *http.Request) {
	if g.refused(w) {
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (g *fakeGateway) start(w http.ResponseWriter, r *http.Request) {
	if g.refused(w) {
		return
	}
	var q client.RunRequest
	_ = json.NewDecoder(r.Body).Decode(&q)
	g.answer(w, client.StartedRun{Run: testRun, Tenant: "default", Policy: q.Policy, Application: "shop", Status: saga.RunRunning})
}

func (g *fakeGateway) listRuns(w http.ResponseWriter, _ *http.Request) {
	g.answer(w, client.RunList{Items: g.runs, Next: 7})
}

func (g *fakeGateway) getRun(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("run") != testRun {
		g.missing(w, "run", r.PathValue("run"))
		return
	}
	g.answer(w, g.run)
}

func (g *fakeGateway) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for i, e := range g.events {
		data, err := json.Marshal(e)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(w, "id: %d\ndata: %s\n\n", i+1, data)
	}
	progress, _ := json.Marshal(client.Progress{Status: saga.RunRunning, Steps: []client.StepProgress{{Step: "capture", Kind: events.StepCapture, Bytes: 10}}})
	fmt.Fprintf(w, "event: progress\ndata: %s\n\n", progress)
	if !g.endless {
		fmt.Fprint(w, "event: end\ndata: {}\n\n")
		return
	}
	w.(http.Flusher).Flush()
	close(g.streaming)
	<-r.Context().Done()
}

func (g *fakeGateway) listCaptures(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("location") == "" {
		g.refuse(w, http.StatusBadRequest, client.Problem{Message: "which location?"})
		return
	}
	g.answer(w, client.CaptureList{Items: g.captures, Next: "c1", Unreadable: []string{"capture c9: the manifest is damaged"}})
}

func (g *fakeGateway) getCapture(w http.ResponseWriter, r *http.Request) {
	for _, c := range g.captures {
		if c.ID == r.PathValue("id") {
			g.answer(w, c)
			return
		}
	}
	g.missing(w, "capture", r.PathValue("id"))
}

// testRun is the id of the run that the fake gateway knows.
const testRun = "0195f0c2-1111-7000-8000-000000000001"

// journal builds the events of testRun.
type journal struct {
	t      *testing.T
	events []event.Event
}

func emit[P events.Payload](j *journal, step, task string, p P) {
	j.t.Helper()
	at := events.Address{Tenant: "default", Service: "scheduler", Run: testRun, Step: step, Task: task}
	n := uint64(len(j.events) + 1)
	e, err := events.New(at, n, now.Add(time.Duration(n)*time.Second), p)
	if err != nil {
		j.t.Fatal(err)
	}
	j.events = append(j.events, e)
}

// captureRun is the journal of a run of one capture, up to its end.
func captureRun(t *testing.T) *journal {
	j := &journal{t: t}
	emit(j, "", "", events.RunRequested{Policy: "nightly", Application: "shop", Cause: events.Cause{Kind: "cli"}})
	emit(j, "capture", "", events.StepStarted{Generation: 1, Output: "c1"})
	emit(j, "capture", events.TaskPlan, events.TaskClaimed{Attempt: 1, Claim: "a", Worker: "capturer@one"})
	return j
}

// endedRun is testRun as the gateway reports it after its end.
func endedRun(status saga.RunStatus) client.Run {
	step := saga.Step{
		Name: "capture", Kind: events.StepCapture, Status: saga.StepCompleted, Generation: 1, StartedAt: now, FinishedAt: now.Add(8 * time.Second),
		Stats:   events.Stats{Items: 4, Rows: 1200000, Bytes: 98765432, Stored: 1234567},
		Capture: &events.CaptureRef{ID: "c1", Application: "shop", Location: "vault", Trust: "raw"},
	}
	return client.Run{State: saga.State{
		Tenant: "default", Run: testRun, Status: status, Steps: []saga.Step{step}, RequestedAt: now.Add(-time.Hour), FinishedAt: now.Add(-50 * time.Minute),
		Request: &events.RunRequested{Policy: "nightly", Application: "shop", Params: map[string]string{"env": "pr-1"}, Cause: events.Cause{Kind: "cli"}},
		Stats:   step.Stats,
	}}
}

// failedRun is testRun with a capture step that was given up.
func failedRun(f events.Fault) client.Run {
	r := endedRun(saga.RunFailed)
	s := &r.Steps[0]
	s.Status, s.Capture, s.Stats, s.Fault = saga.StepDead, nil, events.Stats{}, &f
	s.Tasks = []saga.Task{{ID: "0", Status: saga.TaskDead, Attempt: 5, Worker: "capturer@one", Fault: &f}, {ID: "1", Status: saga.TaskWaiting}}
	r.Failure = &saga.Failure{Step: "capture", Task: "0", Error: f}
	return r
}
