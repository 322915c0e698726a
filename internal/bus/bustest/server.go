// Package bustest starts a real bus for tests: an embedded server with the users and permissions of production.
//
//	b := bustest.Start(t, bustest.Options{})
//	js := b.JetStream(bus.ServiceScheduler)
package bustest

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/bus/embedded"
	"github.com/tranship/tranship/internal/bus/identity"
	"github.com/tranship/tranship/internal/bus/jetstream"
)

// Options vary the server.
type Options struct {
	Dir      string // of the server's data; empty: a fresh one. The same one again is a restart
	Keys     string // directory of the services' keys; empty: a fresh one
	Listen   string // as embedded.Config.Listen
	Bare     bool   // without the streams
	Clusters []string
}

// Bus is a running server with the keys of every service.
type Bus struct {
	Server *embedded.Server
	t      testing.TB
	keys   string
	conns  []*nats.Conn
	closed bool
}

// Start starts a server, which ends with the test.
func Start(t testing.TB, o Options) *Bus {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Keys == "" {
		o.Keys = t.TempDir()
	}
	var users []embedded.User
	for _, service := range bus.Services() {
		id, err := identity.LoadOrCreate(o.Keys, service)
		check(t, err)
		grant, err := bus.Permissions(service, o.Clusters...)
		check(t, err)
		users = append(users, embedded.User{Service: service, PublicKey: id.PublicKey(), Grant: grant})
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := embedded.Start(ctx, embedded.Config{Dir: o.Dir, Users: users, Listen: o.Listen}, embedded.Deps{Log: zap.NewNop()})
	check(t, err)
	b := &Bus{Server: s, t: t, keys: o.Keys}
	t.Cleanup(b.Stop)
	if !o.Bare {
		check(t, jetstream.Ensure(ctx, b.JetStream(bus.ServiceScheduler), jetstream.Topology{Clusters: o.Clusters}))
	}
	return b
}

// Connect connects as a service; the connection ends with the test.
func (b *Bus) Connect(service string) *nats.Conn {
	b.t.Helper()
	id, err := identity.Load(b.keys, service)
	check(b.t, err)
	nc, err := jetstream.Connect(context.Background(), jetstream.ConnectConfig{Service: service, InProcess: b.Server},
		jetstream.ConnectDeps{Key: id, Log: zap.NewNop()})
	check(b.t, err)
	b.conns = append(b.conns, nc)
	return nc
}

// JetStream connects as a service.
func (b *Bus) JetStream(service string) natsjs.JetStream {
	b.t.Helper()
	js, err := natsjs.New(b.Connect(service))
	check(b.t, err)
	return js
}

// Stop ends the connections and the server before the test does.
func (b *Bus) Stop() {
	if b.closed {
		return
	}
	b.closed = true
	for _, nc := range b.conns {
		nc.Close()
	}
	b.Server.Close()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
