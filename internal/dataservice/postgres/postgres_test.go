package postgres

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/dataservice/drivertest"
)

func TestConformance(t *testing.T) {
	source := newDatabase(t, hostile)
	drivertest.Run(t, Spec, drivertest.Harness{
		Source: configFor(server.DSN(source)),
		Target: func(t *testing.T) json.RawMessage { return configFor(server.DSN(newName() + " target")) },
		Occupy: func(t *testing.T, target json.RawMessage) {
			name := databaseOf(t, target)
			if err := server.CreateDatabase(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			if err := server.Exec(t.Context(), name, "CREATE TABLE precious AS SELECT 1 AS one"); err != nil {
				t.Fatal(err)
			}
		},
		Published: func(t *testing.T, target json.RawMessage) bool {
			return slices.Contains(like(t, databaseOf(t, target)), databaseOf(t, target))
		},
		State: func(t *testing.T, target json.RawMessage) string {
			var b strings.Builder
			for _, name := range like(t, databaseOf(t, target)) {
				b.WriteString(name + " " + digestOf(dumpOf(t, name)) + "\n")
			}
			return b.String()
		},
		Deps:    deps,
		Secrets: []string{server.Password(), "hunter2", "s3cr3t"},
		Refused: []json.RawMessage{
			configFor(strings.Replace(server.DSN("x"), server.Password(), "hunter2", 1)),
			configFor(strings.Replace(server.DSN("x"), server.Password(), url.QueryEscape(" hunter2%&'"), 1)),
			configFor("postgres://user:hunter2@127.0.0.1:99999/x"),
			configFor("postgres://user:s3cr3t hunter2@[::1/x?sslmode=nonsense"),
			configFor("host=127.0.0.1 port=1 password='hunter2 s3cr3t' user=u dbname=x"),
			configFor("host=127.0.0.1 password='hunter2"),
			configFor("hunter2"),
		},
	})
}
