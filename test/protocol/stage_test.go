package protocol

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/app"
	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/bus/identity"
	"github.com/tranship/tranship/internal/bus/jetstream"
	"github.com/tranship/tranship/internal/keyfile"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/internal/saga/natsjournal"
	"github.com/tranship/tranship/pkg/events"
)

const resources = `
apiVersion: tranship.io/v1alpha1
kind: Location
metadata: {name: vault}
spec:
  trust: raw
  file: {path: %s}
  encryption: {publicKey: %s, privateKey: {fromFile: vault.key}}
---
apiVersion: tranship.io/v1alpha1
kind: Application
metadata: {name: shop}
spec:
  components: [{name: db, postgres: {dsn: {fromFile: source.dsn}}}]
---
apiVersion: tranship.io/v1alpha1
kind: Policy
metadata: {name: nightly}
spec:
  applications: {names: [shop]}
  steps: [{capture: {to: vault}}]
`

// A run is carried out by the real scheduler and a stage that is no part of this repository, with the permissions of a
// capturer.
func TestAForeignProgramIsAStage(t *testing.T) {
	keys, url := start(t)
	gateway := connect(t, url, keys, bus.ServiceGateway)
	apply(t, gateway, keys)

	// Whoever may write to the work queue tries to command the stage by a schedule of its own.
	_, err := gateway.Publish(t.Context(), "work.deliver.default.r0", []byte("{}"),
		natsjs.WithScheduleAt(time.Now()), natsjs.WithScheduleTarget(workSubject))
	check(t, err)

	option, err := nats.NkeyOptionFromSeed(identity.Path(keys, bus.ServiceCapturer))
	check(t, err)
	nc, err := nats.Connect(url, option, nats.CustomInboxPrefix(bus.InboxPrefix(bus.ServiceCapturer)))
	check(t, err)
	t.Cleanup(nc.Close)
	var tasks []string
	stage := &foreign{nc: nc, cluster: "local", stage: "capture", service: "capturer", repeat: "1", refused: make(chan string, 8)}
	stage.work = func(task string, command map[string]any) map[string]any {
		tasks = append(tasks, task)
		digest := "blake3:" + strings.Repeat("0", 64)
		switch task {
		case "0":
			return map[string]any{"plan": map[string]any{"count": 2, "ref": "t/plan", "digest": digest}}
		case "commit":
			return map[string]any{"capture": map[string]any{
				"id": command["output"], "application": "shop", "location": "vault", "trust": "raw", "digest": digest, "root": digest,
			}}
		}
		return map[string]any{"stats": map[string]any{"rows": 21}}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- stage.run(ctx) }()
	state := follow(t, gateway)
	var refused []string
	for range 2 { // the repeated one and the smuggled one, which comes after a second
		select {
		case why := <-stage.refused:
			refused = append(refused, why)
		case <-time.After(30 * time.Second):
			t.Fatalf("a command that must not be carried out never came; of those that did, it says %q", refused)
		}
	}
	stop()
	check(t, <-ended)

	if state.Status != saga.RunCompleted || state.Steps[0].Capture == nil || state.Steps[0].Stats.Rows != 42 {
		t.Errorf("the run ended as %+v", state)
	}
	slices.Sort(tasks)
	if got := strings.Join(tasks, " "); got != "0 1 2 commit" || stage.handled != 4 {
		t.Errorf("it carried out %s, %d in all", got, stage.handled)
	}
	slices.Sort(refused)
	if refused[0] != "emitted by a foreign schedule" || refused[1] == refused[0] {
		t.Errorf("it did not carry out: %q", refused)
	}
}

// start starts the scheduler and a bus.
func start(t *testing.T) (keys, url string) {
	t.Helper()
	dir := t.TempDir()
	keys = filepath.Join(dir, "keys")
	ready, failed := make(chan app.Started, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		failed <- app.Run(ctx, app.Config{
			Targets: []string{app.TargetNATS, bus.ServiceScheduler}, NATSListen: "127.0.0.1:0", StateDir: filepath.Join(dir, "state"),
			KeysDir: keys, SecretsDir: keys,
		}, app.Deps{Log: zap.NewNop(), Ready: func(s app.Started) { ready <- s }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-failed; err != nil {
			t.Errorf("the scheduler ended with %v", err)
		}
	})
	select {
	case s := <-ready:
		return keys, s.NATSURL
	case err := <-failed:
		failed <- nil
		t.Fatal(err)
		return "", ""
	}
}

func connect(t *testing.T, url, keys, service string) natsjs.JetStream {
	t.Helper()
	id, err := identity.Load(keys, service)
	check(t, err)
	nc, err := jetstream.Connect(t.Context(), jetstream.ConnectConfig{Service: service, URL: url}, jetstream.ConnectDeps{Key: id, Log: zap.NewNop()})
	check(t, err)
	t.Cleanup(nc.Close)
	js, err := natsjs.New(nc)
	check(t, err)
	return js
}

func apply(t *testing.T, js natsjs.JetStream, dir string) {
	t.Helper()
	key, err := keyfile.GenerateLocation()
	check(t, err)
	all, err := api.Decode(strings.NewReader(fmt.Sprintf(resources, dir, key.Public())), "resources.yaml")
	check(t, err)
	store, err := jetstream.NewResources(t.Context(), js)
	check(t, err)
	for _, r := range all {
		var b bytes.Buffer
		check(t, api.EncodeJSON(&b, r))
		k := api.KeyOf(r)
		_, err := store.Put(t.Context(), strings.Join([]string{k.Tenant, k.Kind, k.Name}, "."), b.Bytes(), 0)
		check(t, err)
	}
}

// follow starts the policy and follows its run to the end.
func follow(t *testing.T, js natsjs.JetStream) saga.State {
	t.Helper()
	e, err := events.New(events.Address{Tenant: "default", Service: bus.ServiceGateway, Run: "r1"}, 1, time.Now(),
		events.TriggerFired{Policy: "nightly", Cause: events.Cause{Kind: "api"}})
	check(t, err)
	check(t, jetstream.NewCommands(js).Publish(t.Context(), events.TriggerSubject("default", "r1"), "r1", e))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var state saga.State
	for entry, err := range natsjournal.New(natsjournal.Config{}, natsjournal.Deps{JetStream: js}).Follow(ctx, saga.RunID{Tenant: "default", Run: "r1"}, 0) {
		check(t, err)
		state, err = saga.Fold(state, entry)
		check(t, err)
		t.Log(entry.Event.Type(), entry.Event.Subject())
		if state.Status.Terminal() {
			return state
		}
	}
	t.Fatalf("the run did not end; it stands at %+v", state)
	return state
}
