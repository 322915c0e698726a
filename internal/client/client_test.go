package client_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/secret"
)

const token = "s3cret-token"

func newClient(t testing.TB, url string, rt http.RoundTripper) *client.Client {
	t.Helper()
	var deps client.Deps
	if rt != nil {
		deps.HTTP = &http.Client{Transport: rt}
	}
	c, err := client.New(client.Config{BaseURL: url, Token: secret.NewValue(token), TokenFile: "/state/token", Tenant: "acme"}, deps)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func serve(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

// roundTrip is a function as a transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

func TestServerThatIsNotThereIsNamedWithAHint(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	_, err = newClient(t, "http://"+address, nil).Version(t.Context())
	if !fault.Is(err, fault.Transient) || fault.CodeOf(err) != client.CodeUnreachable || !strings.Contains(fault.HintOf(err), "tranship up") ||
		!strings.Contains(err.Error(), address) || strings.Contains(err.Error(), token) {
		t.Fatalf("got %v, hint %q", err, fault.HintOf(err))
	}
}

func TestServerThatRestartsIsAskedAgain(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"version": "7"}`)) })
	tries := 0
	c := newClient(t, url, roundTrip(func(r *http.Request) (*http.Response, error) {
		if tries++; tries < 3 {
			return nil, errRefused
		}
		return http.DefaultTransport.RoundTrip(r)
	}))
	v, err := c.Version(t.Context())
	if err != nil || v.Version != "7" || tries != 3 {
		t.Fatalf("got %v, %v after %d tries", v, err, tries)
	}
}

func TestRepeatedStartCarriesTheSameKey(t *testing.T) {
	var keys, bodies []string
	c := newClient(t, "http://127.0.0.1:1", roundTrip(func(r *http.Request) (*http.Response, error) {
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		keys, bodies = append(keys, r.Header.Get(client.HeaderIdempotencyKey)), append(bodies, string(body))
		return nil, errRefused
	}))
	_, _ = c.StartRun(t.Context(), client.RunRequest{Policy: "nightly"})
	if len(keys) < 2 || keys[0] == "" || keys[0] != keys[1] || bodies[1] != `{"policy":"nightly"}` {
		t.Fatalf("keys %q, bodies %q", keys, bodies)
	}
}

func TestApplyIsSentOnce(t *testing.T) {
	tries := 0
	c := newClient(t, "http://127.0.0.1:1", roundTrip(func(*http.Request) (*http.Response, error) {
		tries++
		return nil, errRefused
	}))
	if _, err := c.Apply(t.Context(), []byte("x"), false); err == nil || tries != 1 {
		t.Fatalf("got %v after %d tries", err, tries)
	}
}

func TestRefusedTokenNamesItsFile(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token || r.Header.Get(client.HeaderTenant) != "acme" {
			t.Errorf("the headers are %v", r.Header)
		}
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error": {"code": "token.refused", "message": "no"}}`))
	})
	_, err := newClient(t, url, nil).Version(t.Context())
	if !fault.Is(err, fault.Denied) || !strings.Contains(fault.HintOf(err), "/state/token") || strings.Contains(fault.HintOf(err), token) {
		t.Fatalf("got %v, hint %q", err, fault.HintOf(err))
	}
}

func TestProblemOfTheServerIsInTheChain(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = w.Write([]byte(`{"error": {"class": "permanent", "code": "resource.invalid", "message": "1 problem was found", "hint": "look",
			"fields": [{"line": 3, "resource": "Policy/nightly", "path": "spec.steps", "message": "is missing"}]}}`))
	})
	_, err := newClient(t, url, nil).Apply(t.Context(), []byte("x"), true)
	var p *client.Problem
	if !errors.As(err, &p) || !fault.Is(err, fault.Permanent) || fault.CodeOf(err) != "resource.invalid" || fault.HintOf(err) != "look" {
		t.Fatalf("got %v", err)
	}
	if want := "1 problem was found\n  line 3: Policy/nightly: spec.steps: is missing"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestAnswerOfAStrangerIsAnError(t *testing.T) {
	for _, status := range []int{200, 301, 404, 502} {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1:1/stolen")
			w.WriteHeader(status)
			_, _ = w.Write([]byte("<html>"))
		})
		if _, err := newClient(t, url, nil).Version(t.Context()); err == nil || fault.CodeOf(err) != "server.answer" {
			t.Errorf("%d: got %v", status, err)
		}
	}
}

func TestAddressMustBeOne(t *testing.T) {
	for _, url := range []string{"", "localhost:7480", "ftp://x", "http://", "::"} {
		if _, err := client.New(client.Config{BaseURL: url}, client.Deps{}); err == nil {
			t.Errorf("%q was taken", url)
		}
	}
}

func TestEventsEndWithTheirContextWithoutAnError(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("event: progress\ndata: {\"status\":\"running\"}\n\n"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n := 0
	for e, err := range newClient(t, url, nil).Events(ctx, "r1", client.EventsOptions{}) {
		if n++; err != nil || e.Progress == nil || e.Progress.Status != "running" {
			t.Fatalf("got %+v, %v", e, err)
		}
		cancel()
	}
	if n != 1 {
		t.Fatalf("%d frames", n)
	}
}

func TestEventsThatNobodyCanReadAreNotAskedForAgain(t *testing.T) {
	var asked atomic.Int32
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte("id: 1\nevent: io.tranship.run.paused.v1\ndata: {\"no\": \"event\"}\n\n"))
	})
	var last error
	for _, err := range newClient(t, url, nil).Events(t.Context(), "r1", client.EventsOptions{}) {
		last = err
	}
	if fault.CodeOf(last) != "server.version" || asked.Load() != 1 {
		t.Fatalf("got %v after %d requests", last, asked.Load())
	}
}

func TestReaderCanLeaveTheEvents(t *testing.T) {
	left := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(left)
		_, _ = w.Write([]byte("event: progress\ndata: {}\n\n"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	for range newClient(t, url, nil).Events(t.Context(), "r1", client.EventsOptions{}) {
		break
	}
	<-left
}
