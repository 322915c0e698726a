package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/secret"
)

// Headers of the API.
const (
	HeaderTenant         = "Tranship-Tenant"
	HeaderIdempotencyKey = "Idempotency-Key"
)

// Config says where the API is and who asks.
type Config struct {
	BaseURL   string        // for example http://127.0.0.1:7480
	Token     secret.Value  // as the server's
	TokenFile string        // where Token was read; only for messages
	Tenant    string        // empty: default
	Timeout   time.Duration // of one request, streams excepted; 0: one minute
}

// Deps are what a Client needs.
type Deps struct {
	HTTP *http.Client // nil: one of its own, which follows no redirects
}

// Client is safe for concurrent use.
type Client struct {
	cfg  Config
	base *url.URL
	http *http.Client
}

// New returns a client. It opens no connection.
func New(cfg Config, deps Deps) (*Client, error) {
	base, err := url.Parse(cfg.BaseURL)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fault.New(fault.Permanent, "server.address", "the server's address must look like http://host:port")
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = time.Minute
	}
	c := &Client{cfg: cfg, base: base, http: deps.HTTP}
	if c.http == nil {
		c.http = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return c, nil
}

// Version returns the version of the server.
func (c *Client) Version(ctx context.Context) (Version, error) {
	var v Version
	return v, c.get(ctx, "/v1/version", nil, &v)
}

// Version is what the server runs.
type Version struct {
	Version string `json:"version"`
	Go      string `json:"go"`
}

// Apply sends resources, YAML documents or JSON, all of which are stored or, when one is invalid, none. With dryRun
// nothing is stored.
func (c *Client) Apply(ctx context.Context, documents []byte, dryRun bool) (ApplyResult, error) {
	q := url.Values{}
	if dryRun {
		q.Set("dryRun", "true")
	}
	var out ApplyResult
	return out, c.call(ctx, request{method: http.MethodPost, path: "/v1/resources", query: q, body: documents, contentType: "application/yaml"}, &out)
}

// Resources returns all resources of a kind, by name.
func (c *Client) Resources(ctx context.Context, kind string) ([]api.Resource, error) {
	var list ResourceList
	if err := c.get(ctx, "/v1/resources/"+url.PathEscape(kind), nil, &list); err != nil {
		return nil, err
	}
	out := make([]api.Resource, 0, len(list.Items))
	for _, item := range list.Items {
		r, err := decodeResource(item)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// Resource returns one resource.
func (c *Client) Resource(ctx context.Context, kind, name string) (api.Resource, error) {
	var raw json.RawMessage
	if err := c.get(ctx, "/v1/resources/"+url.PathEscape(kind)+"/"+url.PathEscape(name), nil, &raw); err != nil {
		return nil, err
	}
	return decodeResource(raw)
}

func decodeResource(data []byte) (api.Resource, error) {
	rs, err := api.Decode(bytes.NewReader(data), "")
	if err != nil || len(rs) != 1 {
		return nil, fault.New(fault.Permanent, "server.version", "read a resource that the server sent: %w", err).
			WithHint("the server may be newer than this program")
	}
	return rs[0], nil
}

// Delete removes a resource. One that others name is removed only with force.
func (c *Client) Delete(ctx context.Context, kind, name string, force bool) error {
	q := url.Values{}
	if force {
		q.Set("force", "true")
	}
	return c.call(ctx, request{method: http.MethodDelete, path: "/v1/resources/" + url.PathEscape(kind) + "/" + url.PathEscape(name), query: q}, nil)
}

// StartRun starts a run and returns when its journal is open. A run that the scheduler refuses is an error with the
// reason, and the run's id in its Problem.
func (c *Client) StartRun(ctx context.Context, r RunRequest) (StartedRun, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return StartedRun{}, fault.New(fault.Permanent, "request.invalid", "encode the request: %w", err)
	}
	if r.IdempotencyKey == "" {
		r.IdempotencyKey = uuid.NewString()
	}
	var out StartedRun
	return out, c.call(ctx, request{
		method: http.MethodPost, path: "/v1/runs", body: body, idempotent: true,
		header: map[string]string{HeaderIdempotencyKey: r.IdempotencyKey},
	}, &out)
}

// Runs returns a page of runs, the one that moved last first.
func (c *Client) Runs(ctx context.Context, q RunsQuery) (RunList, error) {
	v := url.Values{}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Before != 0 {
		v.Set("before", strconv.FormatUint(uint64(q.Before), 10))
	}
	var out RunList
	return out, c.get(ctx, "/v1/runs", v, &out)
}

// Run returns where a run stands.
func (c *Client) Run(ctx context.Context, run string) (Run, error) {
	var out Run
	return out, c.get(ctx, "/v1/runs/"+url.PathEscape(run), nil, &out)
}

// Control changes the course of a run and returns where it stands when the change has taken effect. What the run cannot do
// in its state is an error of class conflict.
func (c *Client) Control(ctx context.Context, run string, action Action, how Control) (Run, error) {
	body, err := json.Marshal(how)
	if err != nil {
		return Run{}, fault.New(fault.Permanent, "request.invalid", "encode the request: %w", err)
	}
	var out Run
	return out, c.call(ctx, request{
		method: http.MethodPost, path: "/v1/runs/" + url.PathEscape(run) + "/" + url.PathEscape(string(action)), body: body, idempotent: true,
		header: map[string]string{HeaderIdempotencyKey: uuid.NewString()},
	}, &out)
}

// Captures returns a page of the captures in a location.
func (c *Client) Captures(ctx context.Context, q CapturesQuery) (CaptureList, error) {
	v := url.Values{"location": {q.Location}}
	if q.Application != "" {
		v.Set("application", q.Application)
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.After != "" {
		v.Set("after", q.After)
	}
	var out CaptureList
	return out, c.get(ctx, "/v1/captures", v, &out)
}

// Capture returns one capture in a location; with an empty application it is looked for in all of the tenant's.
func (c *Client) Capture(ctx context.Context, location, application, id string) (Capture, error) {
	v := url.Values{"location": {location}}
	if application != "" {
		v.Set("application", application)
	}
	var out Capture
	return out, c.get(ctx, "/v1/captures/"+url.PathEscape(id), v, &out)
}

// request is one call of the API.
type request struct {
	method, path string
	query        url.Values
	header       map[string]string
	contentType  string
	body         []byte
	idempotent   bool // besides GET: it may be sent again when nobody listened
}

func (c *Client) get(ctx context.Context, path string, query url.Values, out any) error {
	return c.call(ctx, request{method: http.MethodGet, path: path, query: query, idempotent: true}, out)
}

// A server that restarts is away for a moment.
const (
	refusedTries = 4
	refusedPause = 150 * time.Millisecond // doubled each time
)

// call sends a request and decodes the answer into out, if that is not nil.
func (c *Client) call(ctx context.Context, r request, out any) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	resp, err := c.send(ctx, r)
	for try, pause := 1, refusedPause; r.idempotent && refused(err) && try < refusedTries; try, pause = try+1, 2*pause {
		if !sleep(ctx, pause) {
			break
		}
		resp, err = c.send(ctx, r)
	}
	if err != nil {
		return c.unreachable(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return c.problem(resp)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fault.New(fault.Transient, "server.answer", "read the answer of the server: %w", err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	u := *c.base
	u.Path = strings.TrimSuffix(u.Path, "/")
	target := u.String() + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, fault.New(fault.Permanent, "request.invalid", "build a request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.cfg.Token.Reveal())
	req.Header.Set("Accept", "application/json")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if c.cfg.Tenant != "" {
		req.Header.Set(HeaderTenant, c.cfg.Tenant)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	return c.http.Do(req)
}

func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// unreachable says that the server did not answer, and what to do about it.
func (c *Client) unreachable(err error) error {
	var known *fault.Error
	if errors.As(err, &known) || errors.Is(err, context.Canceled) {
		return err
	}
	e := fault.New(fault.Transient, CodeUnreachable, "ask the server at %s: %w", c.base.Host, cause(err))
	if refused(err) {
		return e.WithHint("is `tranship up` running?")
	}
	return e
}

// cause strips the method and address from an error of the HTTP client: they are in our message.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

const maxProblem = 1 << 20

// problem reads why the server refused.
func (c *Client) problem(resp *http.Response) error {
	var body ProblemBody
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err != nil || json.Unmarshal(data, &body) != nil || body.Error.Message == "" {
		body.Error = Problem{Code: "server.answer", Message: fmt.Sprintf("the server at %s answered %s", c.base.Host, resp.Status)}
	}
	p := &body.Error
	if resp.StatusCode == http.StatusUnauthorized && p.Hint == "" {
		p.Hint = "give the token of the server"
		if c.cfg.TokenFile != "" {
			p.Hint = "compare the token in " + c.cfg.TokenFile + " with the server's"
		}
	}
	return p.fault(resp.StatusCode)
}

// sleep reports whether the pause ended before ctx did.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
