package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/app"
	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/bus"
	"github.com/tranship/tranship/internal/bus/identity"
	"github.com/tranship/tranship/internal/bus/jetstream"
	"github.com/tranship/tranship/internal/dataservice/postgres/pgserver"
	"github.com/tranship/tranship/internal/keyfile"
	"github.com/tranship/tranship/internal/saga"
	"github.com/tranship/tranship/internal/saga/natsjournal"
	"github.com/tranship/tranship/pkg/events"
)

// world is a program with everything in one process, a PostgreSQL server, and the keys of two clouds.
type world struct {
	cfg     app.Config
	pg      *pgserver.Server
	publics map[string]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{publics: map[string]string{}, cfg: app.Config{
		Targets: []string{app.TargetAll}, StateDir: filepath.Join(dir, "state"), KeysDir: filepath.Join(dir, "secrets"), SecretsDir: filepath.Join(dir, "secrets"),
		NATSListen: "127.0.0.1:0", HTTPListen: "127.0.0.1:0", TokenFile: filepath.Join(dir, "state", "token"),
		Accept: []api.Trust{api.TrustRaw, api.TrustMasked}, Slots: 2, Workers: 2, Version: "test",
	}}
	if err := os.MkdirAll(w.cfg.SecretsDir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, role := range []artifact.Role{artifact.Capturer, artifact.Masker, artifact.Verifier, artifact.Transferer, artifact.Restorer} {
		key := keyfile.GenerateSigning()
		w.write(t, string(role)+".signing.key", key)
		w.publics[string(role)] = key.Public().String()
	}
	for _, location := range []string{"vault", "masked", "cloud"} {
		key, err := keyfile.GenerateLocation()
		if err != nil {
			t.Fatal(err)
		}
		w.write(t, location+".key", key)
		w.write(t, location+".writer.key", keyfile.GenerateWriter())
		w.publics[location] = key.Public().String()
	}
	w.write(t, "mask-1.key", keyfile.GenerateMasking())
	pg, err := pgserver.Start(t.Context(), pgserver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pg.Stop)
	w.pg = pg
	for file, database := range map[string]string{"source.dsn": "shop", "target.dsn": "shop_test"} {
		if err := os.WriteFile(filepath.Join(w.cfg.SecretsDir, file), []byte(pg.DSN(database)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) write(t *testing.T, name string, k keyfile.Key) {
	t.Helper()
	if err := keyfile.Write(filepath.Join(w.cfg.SecretsDir, name), k); err != nil {
		t.Fatal(err)
	}
}

// location returns a Location in a directory.
func (w *world) location(name, trust, dir string) string {
	var signers strings.Builder
	for _, role := range []string{"capturer", "masker", "verifier", "transferer", "restorer"} {
		fmt.Fprintf(&signers, "    - {role: %s, publicKey: %s}\n", role, w.publics[role])
	}
	return fmt.Sprintf(`
apiVersion: tranship.io/v1alpha1
kind: Location
metadata: {name: %[1]s}
spec:
  trust: %[2]s
  file: {path: %[3]s}
  encryption: {publicKey: %[4]s, privateKey: {fromFile: %[1]s.key}, writerKey: {fromFile: %[1]s.writer.key}}
  signers:
%[5]s---`, name, trust, filepath.Join(dir, name), w.publics[name], signers.String())
}

const resources = `
apiVersion: tranship.io/v1alpha1
kind: Application
metadata: {name: shop}
spec:
  components:
    - {name: db, postgres: {dsn: {fromFile: source.dsn}}}
---
apiVersion: tranship.io/v1alpha1
kind: MaskingPolicy
metadata: {name: pii}
spec:
  keys: [{epoch: 1, fromFile: mask-1.key}]
  identities:
    person.email: {mask: email}
    customer.id: {mask: id.int}
  rules:
    - match: {component: db, table: public.customers}
      subject: {column: id, identity: customer.id}
      columns:
        id: {identity: customer.id}
        email: {identity: person.email}
        full_name: {mask: name.full}
        born: {mask: date}
        tier: {keep: {reason: one of three words, reviewedBy: dpo@example.org}}
    - match: {component: db, table: public.orders}
      columns:
        id: {mask: id.int}
        customer_id: {identity: customer.id}
        total: {keep: {reason: an amount, reviewedBy: dpo@example.org}}
---
apiVersion: tranship.io/v1alpha1
kind: Policy
metadata: {name: nightly}
spec:
  applications: {names: [shop]}
  steps:
    - capture: {to: vault}
    - mask: {policy: pii, to: masked}
    - transfer: {to: cloud}
    - restore: {to: {accepts: masked, components: [{name: db, postgres: {dsn: {fromFile: target.dsn}}}]}}
    - verify: {checks: [rows]}
`

const schema = `
CREATE TABLE customers (id int PRIMARY KEY, email varchar(120) NOT NULL UNIQUE, full_name text, born date, tier text NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, total numeric(10,2));
INSERT INTO customers SELECT i, 'person' || i || '@mail.example.com', 'Name ' || i, DATE '1960-01-01' + i, 'gold' FROM generate_series(1, 5000) i;
INSERT INTO orders SELECT i, 1 + i % 5000, i * 1.5 FROM generate_series(1, 20000) i;
`

// onlooker speaks to the program as the gateway does.
type onlooker struct {
	js natsjs.JetStream
}

func (w *world) start(t *testing.T, log *zap.Logger) onlooker {
	t.Helper()
	ready := make(chan app.Started, 1)
	failed := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		failed <- app.Run(ctx, w.cfg, app.Deps{Log: log, Ready: func(s app.Started) { ready <- s }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-failed; err != nil {
			t.Errorf("the program ended with %v", err)
		}
	})
	var started app.Started
	select {
	case started = <-ready:
	case err := <-failed:
		failed <- nil
		t.Fatalf("the program did not start: %v", err)
	}
	id, err := identity.Load(w.cfg.KeysDir, bus.ServiceGateway)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := jetstream.Connect(t.Context(), jetstream.ConnectConfig{Service: bus.ServiceGateway, URL: started.NATSURL}, jetstream.ConnectDeps{Key: id, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := natsjs.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return onlooker{js}
}

func (o onlooker) apply(t *testing.T, text string) {
	t.Helper()
	all, err := api.Decode(strings.NewReader(text), "resources.yaml")
	if err != nil {
		t.Fatal(err)
	}
	store, err := jetstream.NewResources(t.Context(), o.js)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		var b bytes.Buffer
		if err := api.EncodeJSON(&b, r); err != nil {
			t.Fatal(err)
		}
		k := api.KeyOf(r)
		if _, err := store.Put(t.Context(), strings.Join([]string{k.Tenant, k.Kind, k.Name}, "."), b.Bytes(), 0); err != nil {
			t.Fatal(err)
		}
	}
}

// run starts a policy and follows the run to its end.
func (o onlooker) run(t *testing.T, policy string) saga.State {
	t.Helper()
	run := uuid.Must(uuid.NewV7()).String()
	e, err := events.New(events.Address{Tenant: api.DefaultTenant, Service: bus.ServiceGateway, Run: run}, 1, time.Now(),
		events.TriggerFired{Policy: policy, Cause: events.Cause{Kind: "api"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := jetstream.NewCommands(o.js).Publish(t.Context(), events.TriggerSubject(api.DefaultTenant, run), run, e); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	journal := natsjournal.New(natsjournal.Config{}, natsjournal.Deps{JetStream: o.js})
	var state saga.State
	for entry, err := range journal.Follow(ctx, saga.RunID{Tenant: api.DefaultTenant, Run: run}, 0) {
		if err != nil {
			t.Fatalf("following the run: %v; it stands at %+v", err, state)
		}
		if state, err = saga.Fold(state, entry); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s %s", entry.Event.Type(), entry.Event.Subject())
		if state.Status.Terminal() {
			return state
		}
	}
	t.Fatalf("the run did not end: %v", errors.Join(ctx.Err()))
	return state
}

func TestARunGoesThroughAllStages(t *testing.T) {
	w := newWorld(t)
	if err := w.pg.CreateDatabase(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	if err := w.pg.Exec(t.Context(), "shop", schema); err != nil {
		t.Fatal(err)
	}
	o := w.start(t, zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel)))
	dir := t.TempDir()
	o.apply(t, w.location("vault", "raw", dir)+w.location("masked", "masked", dir)+w.location("cloud", "masked", dir)+resources)
	state := o.run(t, "nightly")
	if state.Status != saga.RunCompleted {
		t.Fatalf("the run ended as %s: %+v", state.Status, state.Failure)
	}
	conn, err := pgx.Connect(t.Context(), w.pg.DSN("shop_test"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var customers, orders, raw, orphans int
	err = conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM customers), (SELECT count(*) FROM orders),
		(SELECT count(*) FROM customers WHERE email LIKE 'person%' OR full_name LIKE 'Name %'),
		(SELECT count(*) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id WHERE c.id IS NULL)`).Scan(&customers, &orders, &raw, &orphans)
	if err != nil {
		t.Fatal(err)
	}
	if customers != 5000 || orders != 20000 || raw != 0 || orphans != 0 {
		t.Fatalf("restored %d customers and %d orders, with %d raw values and %d orphans", customers, orders, raw, orphans)
	}
}
