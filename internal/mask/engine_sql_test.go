package mask_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/mask"
)

var definitions = dataservice.Unit{ID: "pre", Kind: "pre-data", Format: dataservice.SQL}

func TestDefinitionsPassWithoutComments(t *testing.T) {
	in := `-- Dump of the shop of Mary Smith
CREATE TABLE t (a text DEFAULT 'it''s -- no comment', "odd;name" int); -- Mary
/* Mary /* nested */ still */ CREATE VIEW v AS SELECT E'a\'; -- b' AS x, 'c\' AS y;
COMMENT ON TABLE t IS 'ask Mary; mary@acme.com';
CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $body$ SELECT ';' -- inner
$body$;
SELECT $1, a$b$c FROM t;
 comment on column t.a is 'Mary';
SECURITY LABEL FOR x ON TABLE t IS 'Mary';
SELECT 3 - 1, 6 / 2`
	want := `
CREATE TABLE t (a text DEFAULT 'it''s -- no comment', "odd;name" int); 
  CREATE VIEW v AS SELECT E'a\'; -- b' AS x, 'c\' AS y;
CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $body$ SELECT ';' -- inner
$body$;
SELECT $1, a$b$c FROM t;
SELECT 3 - 1, 6 / 2`
	out, report := run(t, unit(t, compileShop(t), definitions), in, 1)
	if out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
	if report.Rows != 8 || report.Dropped != 3 {
		t.Errorf("got %+v", report)
	}
}

func TestDefinitionsPassWithoutPasswordsForOtherServers(t *testing.T) {
	in := `CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'far.example');
CREATE USER MAPPING FOR app SERVER far OPTIONS (
    password 'hush; it''s',
    "user" 'u'
);
CREATE SUBSCRIPTION s CONNECTION 'password=hush' PUBLICATION p;
CREATE FOREIGN TABLE away (id integer) SERVER far;
`
	out, report := run(t, unit(t, compileShop(t), definitions), in, 1)
	if strings.Contains(out, "hush") || !strings.Contains(out, "CREATE SERVER far") || !strings.Contains(out, "CREATE FOREIGN TABLE") || report.Dropped != 2 {
		t.Errorf("%d dropped of\n%s", report.Dropped, out)
	}
}

func TestScriptsThatEndTooEarlyAreRefused(t *testing.T) {
	up := unit(t, compileShop(t), definitions)
	for _, in := range []string{"SELECT 'a", `SELECT "a`, "SELECT $$a", "SELECT $x$ $y$", "/* a", `SELECT E'a\'`} {
		if _, err := up.Run(context.Background(), strings.NewReader(in), &bytes.Buffer{}, mask.RunOptions{}); err == nil {
			t.Errorf("%s passes", in)
		}
	}
}

// A script that was cleaned has nothing more to be cleaned of, whatever it was before.
func FuzzDefinitions(f *testing.F) {
	for _, seed := range []string{"SELECT 1; -- a", "/* x */ a;b", "E'\\'' ; $$ -- $$", "COMMENT ON TABLE t IS 'x';", "a$b$ -- c", "'' '' -- ''"} {
		f.Add(seed)
	}
	up := unit(f, compileShop(f), definitions)
	f.Fuzz(func(t *testing.T, in string) {
		var once, twice bytes.Buffer
		if _, err := up.Run(context.Background(), strings.NewReader(in), &once, mask.RunOptions{}); err != nil {
			return
		}
		report, err := up.Run(context.Background(), bytes.NewReader(once.Bytes()), &twice, mask.RunOptions{})
		if err != nil {
			t.Fatalf("%q became %q, which is refused: %v", in, once.String(), err)
		}
		if report.Dropped > 0 || twice.String() != once.String() {
			t.Fatalf("%q became %q, then %q", in, once.String(), twice.String())
		}
	})
}
