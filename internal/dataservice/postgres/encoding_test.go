package postgres

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/dataservice"
)

// TestDatabasesOfOtherEncodingsAreRestored takes databases that are not in UTF-8 there and back.
func TestDatabasesOfOtherEncodingsAreRestored(t *testing.T) {
	for name, c := range map[string]struct{ options, script string }{
		"LATIN1": {
			"ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",
			`SET client_encoding = 'UTF8'; CREATE TABLE "Größe" (id integer PRIMARY KEY, "ä" text DEFAULT 'ö' CHECK ("ä" <> 'ü')); INSERT INTO "Größe" VALUES (1, 'é'), (2, DEFAULT)`,
		},
		"SQL_ASCII": {
			"ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'",
			`CREATE TABLE t (id integer PRIMARY KEY, note text DEFAULT E'd\351'); INSERT INTO t VALUES (1, E'caf\351'), (2, E'\377\376'), (3, 'plain'); CREATE INDEX ON t (note) WHERE note <> E'\351'`,
		},
		"ICU": {
			"ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'de-u-co-phonebk' LC_COLLATE 'C' LC_CTYPE 'C'",
			`CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
			CREATE TABLE t (id integer PRIMARY KEY, name text COLLATE ci UNIQUE); INSERT INTO t VALUES (1, 'Ärger'), (2, 'Zoo')`,
		},
		"settings": {
			"ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'",
			`CREATE TABLE t (id integer PRIMARY KEY, tags text[], at timestamptz, price money, blob bytea, span interval, f double precision CHECK (f <> 0.1));
			INSERT INTO t VALUES (1, ARRAY['NULL', NULL, 'a'], '2024-03-31 02:30+02', 12.5, '\x00ff', '1 mon -2 days', 0.30000000000000004);
			CREATE VIEW v AS SELECT id AS "id" FROM t WHERE span > '1 mon -2 days'`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			source, target := newName(), newName()
			if err := running(t).Exec(t.Context(), "postgres", "CREATE DATABASE "+quote(source)+" TEMPLATE template0 "+c.options); err != nil {
				t.Fatal(err)
			}
			if err := server.Exec(t.Context(), source, c.script); err != nil {
				t.Fatal(err)
			}
			if name == "settings" {
				for _, s := range []string{"array_nulls = off", "quote_all_identifiers = on", "standard_conforming_strings = off", "DateStyle = 'German'", "bytea_output = 'escape'",
					"IntervalStyle = 'sql_standard'", "extra_float_digits = 0", "TimeZone = 'Asia/Kathmandu'"} {
					if err := server.Exec(t.Context(), "postgres", fmt.Sprintf("ALTER DATABASE %s SET %s", quote(source), s)); err != nil {
						t.Fatal(err)
					}
				}
			}
			captured := captureAll(t, configFor(server.DSN(source)), rangeBytes)
			// A manifest is JSON: what it cannot say must not make a difference.
			catalogue, err := json.Marshal(captured.Catalogue)
			if err != nil {
				t.Fatal(err)
			}
			captured.Catalogue = dataservice.Catalogue{}
			if err := json.Unmarshal(catalogue, &captured.Catalogue); err != nil {
				t.Fatal(err)
			}
			config, as := configFor(server.DSN(target)), dataservice.Restoring{Run: "run", Fence: 1, Workers: 2}
			if err := captured.restoreInto(t.Context(), config, as); err != nil {
				t.Fatal(err)
			}
			captured.publish(t, config, as)
			if want, got := dumpOf(t, source, dumped...), dumpOf(t, target, dumped...); want != got && name != "settings" {
				t.Errorf("the restored database differs: %s", firstDifference(want, got))
			}
		})
	}
}

func TestUserMappingsAreReportedAndNotRestored(t *testing.T) {
	name := newDatabase(t, `CREATE EXTENSION postgres_fdw;
		CREATE ROLE "only here";
		CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'far.example', dbname 'x');
		CREATE USER MAPPING FOR "only here" SERVER far OPTIONS (user 'u', password 'hush-hush');
		CREATE FOREIGN TABLE away (id integer) SERVER far;`)
	c := captureAll(t, configFor(server.DSN(name)), rangeBytes)
	if !slices.ContainsFunc(c.Gaps, func(g dataservice.Gap) bool { return g.Object == "far" }) {
		t.Errorf("gaps: %+v", c.Gaps)
	}
	if err := server.Exec(t.Context(), name, `DROP OWNED BY "only here"; DROP ROLE "only here"`); err != nil {
		t.Fatal(err)
	}
	target := newName()
	config, as := configFor(server.DSN(target)), dataservice.Restoring{Run: "run", Fence: 1, Workers: 2}
	if err := c.restoreInto(t.Context(), config, as); err != nil {
		t.Fatal(err)
	}
	c.publish(t, config, as)
	if dump := dumpOf(t, target); strings.Contains(dump, "hush") || !strings.Contains(dump, "CREATE FOREIGN TABLE public.away") {
		t.Errorf("restored:\n%s", dump)
	}
}

func TestColumnsWithinPartitionExpressionsAreTold(t *testing.T) {
	name := newDatabase(t, `CREATE TABLE p (id integer, at timestamp, who text, note text) PARTITION BY RANGE (date_trunc('month', at), lower(who));
		CREATE TABLE q (id integer GENERATED ALWAYS AS IDENTITY, k integer) PARTITION BY LIST (k)`)
	c := captureAll(t, configFor(server.DSN(name)), rangeBytes)
	for id, want := range map[string]string{"public.p": "at who", "public.q": "k"} {
		if got := strings.Join(c.Catalogue.Object(id).PartitionKey, " "); got != want {
			t.Errorf("the key of %s is %q, want %q", id, got, want)
		}
	}
}
