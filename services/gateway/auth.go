package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/fault"
)

// guard decides who is let in.
type guard struct {
	token [sha256.Size]byte
	hosts []string
}

func newGuard(c Config) guard {
	g := guard{token: sha256.Sum256([]byte(c.Token.Reveal()))}
	for _, h := range c.Hosts {
		g.hosts = append(g.hosts, strings.ToLower(h))
	}
	return g
}

// admit refuses a request that did not come to one of our names, that a page of another origin sent, or that lacks the
// token. Browsers send Host and Origin truthfully, and it is pages in a browser that the first two are about.
func (g guard) admit(r *http.Request) error {
	if !g.ours(r.Host) {
		return refuse(http.StatusMisdirectedRequest, fault.Denied, "host.refused", "the API is not served under this name").
			WithHint("ask it at its address, or add the name to its hosts")
	}
	if origin := r.Header.Get("Origin"); origin != "" && !sameOrigin(origin, r.Host) {
		return refuse(http.StatusForbidden, fault.Denied, "origin.refused", "requests from pages of another origin are refused")
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	given := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(given[:], g.token[:]) != 1 || !strings.EqualFold(scheme, "Bearer") {
		return refuse(http.StatusUnauthorized, fault.Denied, client.CodeUnauthorized, "the request lacks the token of this server")
	}
	return nil
}

// ours reports whether a Host header names us.
func (g guard) ours(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(name, "]"), "["), "."))
	if ip := net.ParseIP(name); name == "localhost" || (ip != nil && ip.IsLoopback()) {
		return true
	}
	return slices.Contains(g.hosts, name) || slices.Contains(g.hosts, "*")
}

func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}
