package postgres

import (
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands between the driver and the server and cuts every connection once the driver has sent a number of bytes: the
// server then sees what it sees when a worker is killed.
type proxy struct {
	listener net.Listener
	left     atomic.Int64
	mu       sync.Mutex
	open     map[net.Conn]bool
}

func newProxy(t *testing.T, server string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, open: map[net.Conn]bool{}}
	var running sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		running.Wait()
	})
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			upstream, err := net.Dial("tcp", server)
			if err != nil {
				_ = client.Close()
				continue
			}
			p.mu.Lock()
			p.open[client], p.open[upstream] = true, true
			p.mu.Unlock()
			running.Go(func() { p.pass(client, upstream) })
			running.Go(func() {
				_, _ = io.Copy(client, upstream)
				_ = client.Close()
			})
		}
	})
	return p
}

// pass carries what the driver sends until the allowance is used up.
func (p *proxy) pass(client, upstream net.Conn) {
	defer func() { _ = upstream.Close() }()
	b := make([]byte, 512)
	for {
		n, err := client.Read(b)
		if err != nil {
			return
		}
		if p.left.Add(-int64(n)) < 0 {
			p.cut()
			return
		}
		if _, err := upstream.Write(b[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.Close()
		delete(p.open, c)
	}
}

// allow lets the driver send n more bytes.
func (p *proxy) allow(n int64) { p.left.Store(n) }

// through leads a URL through the proxy.
func (p *proxy) through(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = p.listener.Addr().String()
	return u.String()
}

func hostOf(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}
