package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/dataservice/postgres/pgserver"
	"github.com/tranship/tranship/internal/mask"
)

// starterSet reads a starter configuration and checks it as a whole.
func starterSet(t *testing.T, dir string) *api.Set {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, configFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	set := api.NewSet()
	if err := set.Load(f, configFile); err != nil {
		t.Fatalf("the starter configuration is not valid: %v", err)
	}
	if err := set.Check(now); err != nil {
		t.Fatalf("the starter configuration does not fit together: %v", err)
	}
	return set
}

func TestInitOfADirectoryIsAConfigurationThatHoldsTogether(t *testing.T) {
	for _, store := range []string{"", "--s3"} {
		dir := t.TempDir()
		files := filepath.Join(dir, "The Invoices")
		if err := os.Mkdir(files, 0o755); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, "out")
		args := []string{"init", "--files", files, "--dir", out}
		if store != "" {
			args = append(args, store)
		}
		r := tranship(t, args...)
		if r.code != exitCompleted {
			t.Fatal(r.text())
		}
		contains(t, r.stderr, "tranship up", "tranship run the-invoices --wait")
		set := starterSet(t, out)
		if l, ok := api.Get[*api.Location](set, api.DefaultTenant, "vault"); !ok || (l.Spec.S3 != nil) != (store != "") {
			t.Errorf("%v: unexpected location: %+v", args, l)
		}
		for _, s := range secretsIn(t, filepath.Join(out, defaultKeyDir)) {
			if strings.Contains(r.text(), s) {
				t.Error("a secret key was printed")
			}
		}
	}
}

func TestNextStepsNameTheDatabaseThatTheCopyBecomes(t *testing.T) {
	const policy = `
apiVersion: tranship.io/v1alpha1
kind: Policy
metadata: {name: shop}
spec:
  applications: {names: [shop]}
  steps:
    - restore:
        from: {policy: other, location: cloud, pick: latest}
        to: {components: [{name: db, postgres: {dsn: {fromEnv: TRANSHIP_SECRET_COPY_DSN}}}]}
`
	for env, want := range map[string]bool{"": true, "TRANSHIP_SECRET_COPY_DSN=postgres://x": false} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, configFile), []byte(policy), 0o600); err != nil {
			t.Fatal(err)
		}
		r := do(t, call{args: []string{"init", "--files", t.TempDir(), "--dir", dir}, env: []string{env}})
		if got := strings.Contains(r.stderr, "export TRANSHIP_SECRET_COPY_DSN"); got != want {
			t.Errorf("with %q: %s", env, r.text())
		}
	}
}

func TestInitOverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	secrets := filepath.Join(dir, defaultKeyDir)
	tranship(t, "keys", "generate", "--dir", secrets, "--location", "vault")
	before := secretsIn(t, secrets)
	first := tranship(t, "init", "--files", t.TempDir(), "--name", "shop", "--dir", dir)
	contains(t, first.stderr, "(2 kept)")
	text, err := os.ReadFile(filepath.Join(dir, configFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range before {
		found := false
		for _, after := range secretsIn(t, secrets) {
			found = found || s == after
		}
		if !found {
			t.Error("a key that was there is gone")
		}
	}
	second := tranship(t, "init", "--files", t.TempDir(), "--name", "other", "--dir", dir)
	if second.code != exitCompleted {
		t.Errorf("init again is no error:\n%s", second.text())
	}
	contains(t, second.stderr, "kept "+filepath.Join(dir, configFile), "tranship run shop --wait")
	if again, err := os.ReadFile(filepath.Join(dir, configFile)); err != nil || string(again) != string(text) {
		t.Errorf("the configuration changed (%v)", err)
	}
}

func TestInitRefusesConnectionStringsAndWrongPlaces(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for name, args := range map[string][]string{
		"nothing to look at":  {},
		"dsn as a name":       {"--dsn-env", "postgres://u:pa55@h/db"},
		"variable of others":  {"--dsn-env", "DATABASE_URL"},
		"missing file":        {"--dsn-file", missing},
		"missing directory":   {"--files", missing},
		"both kinds of dsn":   {"--dsn-env", "TRANSHIP_SECRET_X", "--dsn-file", missing},
		"name that is no one": {"--files", ".", "--name", "A B"},
	} {
		r := tranship(t, append([]string{"init", "--dir", t.TempDir()}, args...)...)
		if r.code != exitMisuse || strings.Contains(r.stderr, "pa55") {
			t.Errorf("%s: want exit code 2:\n%s", name, r.text())
		}
	}
}

func TestInitAndLintLookAtADatabase(t *testing.T) {
	server, err := pgserver.Start(t.Context(), pgserver.Config{Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	if err := server.CreateDatabase(t.Context(), "Shop"); err != nil {
		t.Fatal(err)
	}
	if err := server.Exec(t.Context(), "Shop", `
		CREATE TABLE customers (id bigint PRIMARY KEY, email text NOT NULL UNIQUE, mood point);
		CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers);`); err != nil {
		t.Fatal(err)
	}
	dsn := server.DSN("Shop")
	env := []string{"TRANSHIP_SECRET_SHOP_DSN=" + dsn}
	out := t.TempDir()
	r := do(t, call{args: []string{"init", "--dsn-env", "TRANSHIP_SECRET_SHOP_DSN", "--dir", out}, env: env})
	if r.code != exitCompleted {
		t.Fatal(r.text())
	}
	text, err := os.ReadFile(filepath.Join(out, configFile))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text)+r.text(), server.Password()) {
		t.Error("the password left its variable")
	}
	contains(t, string(text), "{fromEnv: TRANSHIP_SECRET_SHOP_DSN}", "email: {identity: person.email}", "# mood: a decision is needed")
	starterSet(t, out)

	lint := []string{"mask", "lint", "-f", filepath.Join(out, configFile), "--connect"}
	r = do(t, call{args: append(lint, "-o", "json"), env: env})
	if r.code != exitFailed {
		t.Fatalf("an undecided column stops runs:\n%s", r.text())
	}
	var results []lintResult
	if err := json.Unmarshal([]byte(r.stdout), &results); err != nil {
		t.Fatal(err)
	}
	undecided := 0
	for _, f := range results[0].Findings {
		if f.Severity != mask.SeverityError {
			continue
		}
		undecided++
		if f.Code != "unclassified" || f.Column != "mood" {
			t.Errorf("unexpected finding: %s", f)
		}
	}
	if undecided != 1 {
		t.Errorf("want the one undecided column:\n%s", r.text())
	}

	decided := strings.Replace(string(text), "        # mood: a decision is needed for point", "        mood: {\"null\": {}}", 1)
	writeFile(t, out, configFile, decided)
	if r = do(t, call{args: lint, env: env}); r.code != exitCompleted {
		t.Errorf("everything is decided:\n%s", r.text())
	}
	if r = do(t, call{args: lint}); r.code != exitFailed {
		t.Errorf("without the secret the database cannot be looked at:\n%s", r.text())
	}
	contains(t, r.stderr, "TRANSHIP_SECRET_SHOP_DSN")

	file := writeFile(t, t.TempDir(), "shop.dsn", dsn+"\n")
	copied := t.TempDir()
	if r = tranship(t, "init", "--dsn-file", file, "--dir", copied, "--name", "shop"); r.code != exitCompleted {
		t.Fatal(r.text())
	}
	info, err := os.Stat(filepath.Join(copied, defaultKeyDir, "shop.dsn"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy of the connection string: %v, %v", info, err)
	}
}

func TestLintTellsWhatIsWrongWithoutADatabase(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	writeFile(t, dir, "mask.yaml", `apiVersion: tranship.io/v1alpha1
kind: MaskingPolicy
metadata: {name: pii}
spec:
  keys: [{epoch: 1, fromFile: mask-1.key}]
  identities:
    person.email: {mask: emial}
  rules:
    - match: {component: db, table: public.customers}
      columns:
        email: {identity: person.email}
`)
	golden(t, "lint_unknown_mask", tranship(t, "mask", "lint", "-f", "mask.yaml").text())
	r := tranship(t, "mask", "lint", "-f", "mask.yaml", "--policy", "other")
	if r.code != exitMisuse {
		t.Errorf("want exit code 2:\n%s", r.text())
	}
}
