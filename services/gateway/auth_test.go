package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/secret"
	"github.com/tranship/tranship/services/gateway"
)

func TestWhoIsLetIn(t *testing.T) {
	d := newDesk(t, func(c *gateway.Config, _ *gateway.Deps) { c.Hosts = []string{"Tranship.example.org"} })
	for _, c := range []struct {
		name   string
		path   string
		header []string
		want   int
	}{
		{"the token", "/v1/version", nil, 200},
		{"the scheme in any case", "/v1/version", []string{"Authorization", "bearer " + token}, 200},
		{"no token", "/v1/version", []string{"Authorization", ""}, 401},
		{"a wrong token", "/v1/version", []string{"Authorization", "Bearer wrong"}, 401},
		{"the beginning of the token", "/v1/version", []string{"Authorization", "Bearer " + token[:5]}, 401},
		{"another scheme", "/v1/version", []string{"Authorization", "Basic " + token}, 401},
		{"the token alone", "/v1/version", []string{"Authorization", token}, 401},
		{"no token at an unknown path", "/v1/nothing", []string{"Authorization", ""}, 401},
		{"the token at an unknown path", "/v1/nothing", nil, 404},
		{"health without a token", "/healthz", []string{"Authorization", ""}, 200},
		{"readiness without a token", "/readyz", []string{"Authorization", ""}, 200},
		{"localhost", "/v1/version", []string{"Host", "localhost:7480"}, 200},
		{"a loopback address", "/v1/version", []string{"Host", "[::1]:7480"}, 200},
		{"a configured name", "/v1/version", []string{"Host", "tranship.example.org"}, 200},
		{"a name that was made to point here", "/v1/version", []string{"Host", "evil.example.org:7480"}, 421},
		{"a name that begins like ours", "/v1/version", []string{"Host", "localhost.evil.example.org"}, 421},
		{"a page of another origin", "/v1/version", []string{"Origin", "https://evil.example.org"}, 403},
		{"a page without an origin", "/v1/version", []string{"Origin", "null"}, 403},
		{"a page of ours", "/v1/version", []string{"Origin", "http://localhost:7480", "Host", "localhost:7480"}, 200},
		{"a tenant", "/v1/version", []string{client.HeaderTenant, "acme"}, 200},
		{"a tenant that is a pattern", "/v1/version", []string{client.HeaderTenant, "*"}, 400},
		{"a tenant that is a path", "/v1/version", []string{client.HeaderTenant, "a.b"}, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, header, body := d.do(http.MethodGet, c.path, "", c.header...)
			if status != c.want {
				t.Fatalf("got %d %s, want %d", status, body, c.want)
			}
			if status < 400 {
				return
			}
			var p client.ProblemBody
			check(t, json.Unmarshal([]byte(body), &p))
			if p.Error.Code == "" || p.Error.Message == "" || p.Error.Class == "" {
				t.Errorf("the problem is incomplete: %s", body)
			}
			if status == 401 && header.Get("WWW-Authenticate") != "Bearer" {
				t.Error("a refused request is not told what is missing")
			}
			if strings.Contains(body, token) {
				t.Errorf("the token is in the answer: %s", body)
			}
		})
	}
}

func TestServerWithoutATokenIsRefused(t *testing.T) {
	if _, err := gateway.New(gateway.Config{Token: secret.NewValue("")}, gateway.Deps{}); err == nil {
		t.Fatal("it was made")
	}
}

func TestUnreadyServerSaysSoAndNotWhy(t *testing.T) {
	d := newDesk(t, func(_ *gateway.Config, deps *gateway.Deps) {
		deps.Ready = func(context.Context) error { return errors.New("nats://user:pass@host is away") }
	})
	status, header, body := d.do(http.MethodGet, "/readyz", "")
	if status != 503 || header.Get("Retry-After") == "" || strings.Contains(body, "nats") {
		t.Fatalf("got %d %v %s", status, header, body)
	}
}

func TestWrongMethodNamesTheRightOnes(t *testing.T) {
	d := newDesk(t)
	status, header, body := d.do(http.MethodPut, "/v1/runs", "")
	if status != 405 || header.Get("Allow") != "GET, POST" {
		t.Fatalf("got %d, Allow %q, %s", status, header.Get("Allow"), body)
	}
}

func TestPanicIsAnInternalErrorWithoutDetails(t *testing.T) {
	d := newDesk(t, func(_ *gateway.Config, deps *gateway.Deps) {
		deps.Ready = func(context.Context) error { panic("the inner self") }
	})
	status, _, body := d.do(http.MethodGet, "/readyz", "")
	if status != 500 || strings.Contains(body, "inner self") || !strings.Contains(body, "server.internal") {
		t.Fatalf("got %d %s", status, body)
	}
}
