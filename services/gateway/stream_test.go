package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/pkg/events"
	"github.com/tranship/tranship/services/gateway"
)

var (
	requested = events.RunRequested{Application: "shop", Cause: events.Cause{Kind: "cli"}}
	started   = events.RunStarted{Definition: events.Definition{
		Application: "shop", Window: 1, Retry: events.RetryPolicy{MaxAttempts: 1, Base: events.Duration(time.Second), Cap: events.Duration(time.Minute)},
		Steps: []events.StepDefinition{{
			Name: "capture", Kind: events.StepCapture, Cluster: "local", Timeout: events.Duration(time.Hour),
			Work: events.Work{Capture: &events.CaptureWork{Application: []byte("{}"), To: []byte("{}")}},
		}},
	}}
	failed = events.RunFailed{Error: events.Fault{Class: "permanent", Message: "no"}}
)

// frames reads a stream until it ends, and returns the ids and names of its frames.
func frames(t testing.TB, d *desk, path string, header ...string) []string {
	t.Helper()
	status, h, body := d.do(http.MethodGet, path, "", header...)
	if status != 200 || h.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got %d %v %s", status, h, body)
	}
	var out []string
	id, name := "", ""
	for line := range strings.Lines(body) {
		key, value, _ := strings.Cut(strings.TrimRight(line, "\n"), ": ")
		switch key {
		case "id":
			id = value
		case "event":
			name = value
		case "":
			name = strings.TrimSuffix(strings.TrimPrefix(name, "io.tranship."), ".v1")
			out = append(out, strings.TrimSpace(id+" "+name))
			id, name = "", ""
		}
	}
	return out
}

func expect(t testing.TB, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStreamGoesOnBehindTheLastEventThatIsKnown(t *testing.T) {
	d := newDesk(t)
	record(t, d, "other", 1, requested)
	record(t, d, "r1", 1, requested, started) // at 2
	record(t, d, "r1", 3, events.RunPaused{}) // at 3
	record(t, d, "r1", 4, events.RunResumed{}, failed)
	const path = "/v1/runs/r1/events"
	expect(t, frames(t, d, path), "2 run.requested", "2.1 run.started", "3 run.paused", "4 run.resumed", "4.1 run.failed", "progress", "end")
	expect(t, frames(t, d, path, "Last-Event-ID", "2"), "2.1 run.started", "3 run.paused", "4 run.resumed", "4.1 run.failed", "progress", "end")
	expect(t, frames(t, d, path, "Last-Event-ID", "2.1"), "3 run.paused", "4 run.resumed", "4.1 run.failed", "progress", "end")
	expect(t, frames(t, d, path, "Last-Event-ID", "4"), "4.1 run.failed", "progress", "end")
	expect(t, frames(t, d, path, "Last-Event-ID", "4.1"), "progress", "end")
	for _, bad := range []string{"x", "-1", "3.x", "3.-1"} {
		if status, _, _ := d.do(http.MethodGet, path, "", "Last-Event-ID", bad); status != 400 {
			t.Errorf("Last-Event-ID %s: got %d", bad, status)
		}
	}
}

func TestStreamFollowsWhatComesAndEndsWithTheRun(t *testing.T) {
	d := newDesk(t)
	record(t, d, "r1", 1, requested, started)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var types []string
	for e, err := range d.client.Events(ctx, "r1", client.EventsOptions{}) {
		check(t, err)
		if e.Journal == nil {
			continue
		}
		types = append(types, e.Journal.Type())
		if e.Journal.Type() == events.TypeRunStarted { // what follows is written only when this one was read
			record(t, d, "r1", 3, events.RunPaused{})
			record(t, d, "r1", 4, events.RunResumed{}, failed)
		}
	}
	check(t, ctx.Err())
	if len(types) != 5 || types[4] != events.TypeRunFailed {
		t.Fatalf("got %v", types)
	}
}

func TestStreamThatFollowsAlwaysOutlivesTheRun(t *testing.T) {
	d := newDesk(t)
	record(t, d, "r1", 1, requested, failed)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	seen := false
	for e, err := range d.client.Events(ctx, "r1", client.EventsOptions{Always: true}) {
		check(t, err)
		switch {
		case e.Journal == nil:
		case e.Journal.Type() == events.TypeRunFailed:
			record(t, d, "r1", 3, events.RunCancelRequested{})
		case e.Journal.Type() == events.TypeRunCancelRequested:
			seen = true
		}
		if seen {
			break
		}
	}
	if !seen {
		t.Fatal("the stream ended with the run")
	}
}

func TestSilentStreamShowsSignsOfLife(t *testing.T) {
	d := newDesk(t, func(c *gateway.Config, _ *gateway.Deps) { c.Heartbeat = 5 * time.Millisecond })
	record(t, d, "r1", 1, requested)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines := open(ctx, t, d.url)
	for beats := 0; beats < 3; {
		line, ok := <-lines
		if !ok {
			t.Fatal("the stream ended")
		}
		if strings.HasPrefix(line, ":") {
			beats++
		}
	}
}

// open opens the stream of run r1 and returns its lines.
func open(ctx context.Context, t testing.TB, url string) <-chan string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/runs/r1/events", nil)
	check(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	check(t, err)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("got %s", resp.Status)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		defer resp.Body.Close()
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			select {
			case lines <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

func TestStreamsAreBounded(t *testing.T) {
	d := newDesk(t, func(c *gateway.Config, _ *gateway.Deps) { c.MaxStreams = 1 })
	record(t, d, "r1", 1, requested)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines := open(ctx, t, d.url)
	<-lines
	if status, header, _ := d.do(http.MethodGet, "/v1/runs/r1/events", ""); status != 429 || header.Get("Retry-After") == "" {
		t.Fatalf("got %d", status)
	}
}

// A client that does not read fills the buffers between it and the server; then the server leaves it.
func TestSlowClientIsLeft(t *testing.T) {
	d := newDesk(t, func(c *gateway.Config, _ *gateway.Deps) { c.SlowClient = 100 * time.Millisecond })
	record(t, d, "r1", 1, requested, started)
	filler := strings.Repeat("x", 100<<10)
	for i := range 200 {
		record(t, d, "r1", uint64(3+i), events.RunPaused{Reason: filler})
	}
	left := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(left)
		d.server.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	check(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = conn.Write([]byte("GET /v1/runs/r1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token + "\r\n\r\n"))
	check(t, err)
	select {
	case <-left:
	case <-time.After(30 * time.Second):
		t.Fatal("the server still waits for the client")
	}
}

func TestServerEndsOpenStreamsWhenItStops(t *testing.T) {
	d := newDesk(t)
	record(t, d, "r1", 1, requested)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- d.server.Serve(ctx, l) }()
	lines := open(t.Context(), t, "http://"+l.Addr().String())
	<-lines
	cancel()
	for range lines { // until it ends
	}
	select {
	case err := <-done:
		check(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("the server did not stop")
	}
}

func TestClientGoesOnWhereTheStreamBroke(t *testing.T) {
	d := newDesk(t)
	record(t, d, "r1", 1, requested, started)
	record(t, d, "r1", 3, events.RunPaused{})
	record(t, d, "r1", 4, events.RunResumed{}, failed)
	var resumed []string
	requests := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		resumed = append(resumed, r.Header.Get("Last-Event-ID"))
		// Each connection carries one frame of the journal and breaks in the middle of the next.
		d.server.Handler().ServeHTTP(&breaking{ResponseWriter: w, whole: 1}, r)
	}))
	t.Cleanup(srv.Close)
	var types []string
	for e, err := range newClient(t, srv.URL, "").Events(t.Context(), "r1", client.EventsOptions{}) {
		check(t, err)
		if e.Journal != nil {
			types = append(types, strings.TrimSuffix(strings.TrimPrefix(e.Journal.Type(), "io.tranship.run."), ".v1"))
		}
	}
	expect(t, types, "requested", "started", "paused", "resumed", "failed")
	expect(t, resumed, "", "1", "1.1", "2", "3")
}

// breaking cuts the connection in the middle of the journal's frame behind the whole ones.
type breaking struct {
	http.ResponseWriter
	whole int
}

func (b *breaking) Write(p []byte) (int, error) {
	if !strings.HasPrefix(string(p), "id:") {
		return b.ResponseWriter.Write(p)
	}
	if b.whole--; b.whole >= 0 {
		return b.ResponseWriter.Write(p)
	}
	_, _ = b.ResponseWriter.Write(p[:len(p)/2])
	return 0, errors.New("broken")
}

func (b *breaking) Unwrap() http.ResponseWriter { return b.ResponseWriter }

func TestStreamOfAnUnknownRunIsAnErrorAndNotTriedAgain(t *testing.T) {
	d := newDesk(t)
	n := 0
	for _, err := range d.client.Events(t.Context(), "none", client.EventsOptions{}) {
		if n++; !fault.Is(err, fault.NotFound) {
			t.Fatalf("got %v", err)
		}
	}
	if n != 1 {
		t.Fatalf("%d errors", n)
	}
}
