package embedded_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats-server/v2/server/ats"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/bus/bustest"
	"github.com/tranship/tranship/internal/bus/embedded"
	"github.com/tranship/tranship/internal/bus/identity"
	"github.com/tranship/tranship/internal/bus/jetstream"
	"github.com/tranship/tranship/internal/fault"
)

// TestMain starts the server's package-level clock outside any bubble of virtual time, as it must be.
func TestMain(m *testing.M) {
	ats.Register()
	os.Exit(m.Run())
}

func TestAnonymousConnectionOverLoopbackIsRefused(t *testing.T) {
	b := bustest.Start(t, bustest.Options{Bare: true, Listen: "127.0.0.1:0"})
	if nc, err := nats.Connect(b.Server.URL()); !errors.Is(err, nats.ErrAuthorization) {
		t.Fatalf("got %v, %v, want a refusal", nc, err)
	}
}

// Within the process a refusal shows as a closed connection, after the server's deadline for writing: virtual time.
func TestAnonymousConnectionWithinTheProcessIsRefused(t *testing.T) {
	o := bustest.Options{Bare: true, Dir: t.TempDir(), Keys: t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		b := bustest.Start(t, o)
		if nc, err := nats.Connect("", nats.InProcessServer(b.Server), nats.Timeout(time.Minute)); err == nil {
			nc.Close()
			t.Fatal("accepted")
		}
	})
}

func TestUnknownKeyIsDenied(t *testing.T) {
	o := bustest.Options{Bare: true, Dir: t.TempDir(), Keys: t.TempDir()}
	stranger, err := identity.LoadOrCreate(t.TempDir(), bus.ServiceMasker)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		b := bustest.Start(t, o)
		_, err := jetstream.Connect(t.Context(), jetstream.ConnectConfig{Service: bus.ServiceMasker, InProcess: b.Server},
			jetstream.ConnectDeps{Key: stranger, Log: zap.NewNop()})
		if !fault.Is(err, fault.Denied) || fault.HintOf(err) == "" {
			t.Fatalf("got %v, want a denial with a hint", err)
		}
	})
}

func TestServerWithoutUsersDoesNotStart(t *testing.T) {
	_, err := embedded.Start(t.Context(), embedded.Config{Dir: t.TempDir()}, embedded.Deps{Log: zap.NewNop()})
	if !fault.Is(err, fault.Permanent) {
		t.Fatalf("got %v", err)
	}
}

func TestDirectoryIsHeldByOneServer(t *testing.T) {
	dir := t.TempDir()
	first := bustest.Start(t, bustest.Options{Dir: dir, Bare: true})
	cfg := embedded.Config{Dir: dir, Users: []embedded.User{newUser(t)}}
	if _, err := embedded.Start(t.Context(), cfg, embedded.Deps{Log: zap.NewNop()}); fault.ClassOf(err) != fault.Conflict {
		t.Fatalf("got %v, want a conflict", err)
	}
	first.Stop()
	second, err := embedded.Start(t.Context(), cfg, embedded.Deps{Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
}

func newUser(t *testing.T) embedded.User {
	t.Helper()
	id, err := identity.LoadOrCreate(t.TempDir(), bus.ServiceMasker)
	if err != nil {
		t.Fatal(err)
	}
	return embedded.User{Service: bus.ServiceMasker, PublicKey: id.PublicKey()}
}

func TestWithoutListenerThereIsNoAddress(t *testing.T) {
	if b := bustest.Start(t, bustest.Options{Bare: true}); b.Server.URL() != "" {
		t.Fatalf("listens on %s", b.Server.URL())
	}
}

func TestMessagesSurviveARestart(t *testing.T) {
	o := bustest.Options{Dir: t.TempDir(), Keys: t.TempDir()}
	b := bustest.Start(t, o)
	ack, err := b.JetStream(bus.ServiceScheduler).Publish(t.Context(), "saga.default.run-1.run", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	b.Stop()
	s, err := bustest.Start(t, o).JetStream(bus.ServiceScheduler).Stream(t.Context(), bus.StreamSaga)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := s.GetMsg(t.Context(), ack.Sequence); err != nil || string(m.Data) != "x" {
		t.Fatalf("got %v, %v", m, err)
	}
}

func TestWrittenConfigIsThatOfTheEmbeddedServer(t *testing.T) {
	keys, dir := t.TempDir(), t.TempDir()
	var users []embedded.User
	for _, service := range bus.Services() {
		id, err := identity.LoadOrCreate(keys, service)
		if err != nil {
			t.Fatal(err)
		}
		grant, err := bus.Permissions(service)
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, embedded.User{Service: service, PublicKey: id.PublicKey(), Grant: grant})
	}
	var text bytes.Buffer
	if err := embedded.WriteConfig(&text, embedded.ServerConfig{Users: users, StoreDir: filepath.Join(dir, "store")}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "nats.conf")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(path)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text.String())
	}
	if !opts.JetStream || !opts.SyncAlways || opts.MaxPayload != embedded.MaxPayload || len(opts.Nkeys) != len(users) {
		t.Fatalf("JetStream %t, SyncAlways %t, MaxPayload %d, %d users", opts.JetStream, opts.SyncAlways, opts.MaxPayload, len(opts.Nkeys))
	}
	for i, u := range opts.Nkeys {
		if u.Nkey != users[i].PublicKey || !slices.Equal(u.Permissions.Publish.Allow, users[i].Grant.Publish) ||
			!slices.Equal(u.Permissions.Subscribe.Allow, users[i].Grant.Subscribe) {
			t.Errorf("user %s differs", users[i].Service)
		}
	}

	opts.Port, opts.NoSigs, opts.NoLog = server.RANDOM_PORT, true, true
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	if _, err := nats.Connect(s.ClientURL()); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("anonymous: got %v, want a refusal", err)
	}
	id, err := identity.Load(keys, bus.ServiceScheduler)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(s.ClientURL(), nats.Nkey(id.PublicKey(), id.Sign), nats.CustomInboxPrefix(bus.InboxPrefix(bus.ServiceScheduler)))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := natsjs.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), natsjs.StreamConfig{Name: bus.StreamSaga, Subjects: []string{"saga.>"}}); err != nil {
		t.Errorf("the scheduler cannot create its stream: %v", err)
	}
}
