package gateway_test

import (
	"bytes"
	"context"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/location"
	"github.com/tranship/tranship/internal/saga/mem"
	"github.com/tranship/tranship/internal/secret"
	"github.com/tranship/tranship/internal/stage/memcheckpoint"
	"github.com/tranship/tranship/pkg/events"
	"github.com/tranship/tranship/services/gateway"
)

const token = "s3cret-token"

// desk is a gateway over memory: there is no scheduler, and nothing that a test does not put there.
type desk struct {
	t           testing.TB
	journal     *mem.Journal
	resources   *memResources
	checkpoints *memcheckpoint.Checkpoints
	requests    *requests
	server      *gateway.Server
	url         string
	client      *client.Client
}

func newDesk(t testing.TB, change ...func(*gateway.Config, *gateway.Deps)) *desk {
	t.Helper()
	d := &desk{t: t, journal: mem.New(), resources: &memResources{}, checkpoints: memcheckpoint.New(), requests: &requests{}}
	cfg := gateway.Config{Version: "1.2.3", Token: secret.NewValue(token), Progress: 10 * time.Millisecond}
	deps := gateway.Deps{
		Journal: d.journal, Requests: d.requests, Resources: d.resources, Checkpoints: d.checkpoints,
		Clock: clock.Real{}, Log: zap.NewNop(),
	}
	for _, c := range change {
		c(&cfg, &deps)
	}
	var err error
	d.server, err = gateway.New(cfg, deps)
	check(t, err)
	srv := httptest.NewServer(d.server.Handler())
	t.Cleanup(srv.Close)
	d.url = srv.URL
	d.client = newClient(t, srv.URL, "")
	return d
}

func newClient(t testing.TB, url, tenant string) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{BaseURL: url, Token: secret.NewValue(token), Tenant: tenant}, client.Deps{})
	check(t, err)
	return c
}

// do sends a request with the token and returns the status and the body of the answer.
func (d *desk) do(method, path, body string, header ...string) (int, http.Header, string) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.url+path, strings.NewReader(body))
	check(d.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	resp, err := http.DefaultClient.Do(req)
	check(d.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	check(d.t, err)
	return resp.StatusCode, resp.Header, string(data)
}

func shop(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/shop.yaml")
	check(t, err)
	return data
}

// requests keeps what was published.
type requests struct {
	mu   sync.Mutex
	sent []event.Event
}

func (r *requests) Publish(_ context.Context, _, _ string, e event.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, e)
	return nil
}

// memResources is a bus.Resources with one version of each resource.
type memResources struct {
	mu       sync.Mutex
	revision uint64
	entries  map[string]bus.Resource
	onPut    func(key string) // before a put, without the lock
}

func (m *memResources) Get(_ context.Context, key string) (bus.Resource, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.entries[key]; ok {
		return e, nil
	}
	return bus.Resource{}, fault.New(fault.NotFound, "", "no key %s", key)
}

func (m *memResources) Put(_ context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if f := m.onPut; f != nil {
		f(key)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries[key].Revision != revision {
		return 0, fault.New(fault.Conflict, "", "put %s", key)
	}
	if m.entries == nil {
		m.entries = map[string]bus.Resource{}
	}
	m.revision++
	m.entries[key] = bus.Resource{Key: key, Value: bytes.Clone(value), Revision: m.revision}
	return m.revision, nil
}

func (m *memResources) Delete(_ context.Context, key string, revision uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries[key].Revision != revision {
		return fault.New(fault.Conflict, "", "delete %s", key)
	}
	delete(m.entries, key)
	return nil
}

func (m *memResources) List(_ context.Context, prefix string) iter.Seq2[bus.Resource, error] {
	return func(yield func(bus.Resource, error) bool) {
		m.mu.Lock()
		var found []bus.Resource
		for key, e := range m.entries {
			if prefix == "" || strings.HasPrefix(key, prefix+".") {
				found = append(found, e)
			}
		}
		m.mu.Unlock()
		slices.SortFunc(found, func(a, b bus.Resource) int { return strings.Compare(a.Key, b.Key) })
		for _, e := range found {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (m *memResources) Watch(context.Context, string) iter.Seq2[bus.Watch, error] {
	return func(func(bus.Watch, error) bool) {}
}

func (m *memResources) History(context.Context, string) ([]bus.Resource, error) { return nil, nil }

func (m *memResources) keys() []string {
	var keys []string
	for e := range m.List(context.Background(), "") {
		keys = append(keys, e.Key)
	}
	return keys
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// failing is a set of locations that cannot be opened.
type failing struct{ err error }

func (f failing) Open(context.Context, events.Resource, string, string, location.Access) (*location.Location, error) {
	return nil, f.err
}
