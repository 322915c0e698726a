package postgres

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func split(t *testing.T, script string) []string {
	t.Helper()
	s := splitStatements(iotest.OneByteReader(strings.NewReader(script)))
	var all []string
	for {
		statement, err := s.next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%q: %v", script, err)
		}
		all = append(all, statement)
	}
}

func TestStatementsEndWhereTheServerSaysSo(t *testing.T) {
	for _, want := range [][]string{
		{`SELECT 1`, `SELECT 2`},
		{`SELECT 'a;''b;'`, `SELECT E'\';\\'`, `SELECT e'\\'`, `SELECT '\'`, `SELECT U&'\0041;'`},
		{`SELECT E'''x\\''; '`, `SELECT "a;""b;"`, `SELECT name'x'`},
		{`SELECT $$;$$`, `SELECT $a$ $b$;$b$ $$;$$ $a$`, `SELECT $ü_1$;$ü_1$`, `SELECT $a$ $a;$a$`},
		{`SELECT $1`, `SELECT a$b$c`, `SELECT 1$1`},
		{`CREATE RULE r AS ON DELETE TO t DO (SELECT 1; SELECT 2)`, `SELECT 3`},
		{"CREATE FUNCTION f() RETURNS int\n BEGIN ATOMIC\n SELECT CASE WHEN true THEN 1 ELSE 2 END;\n SELECT (3);\nEND", `SELECT 4`},
		{"CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC SELECT 1; END", `BEGIN`, `SELECT 1`, `END`},
		{`CREATE TABLE "begin" (x int DEFAULT CASE WHEN true THEN 1 END)`, `SELECT 1`},
	} {
		if got := split(t, strings.Join(want, ";\n")+";"); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := split(t, strings.Join(want, " ; ")); !slices.Equal(got, want) {
			t.Errorf("without the last semicolon: got %q, want %q", got, want)
		}
	}
}

func TestCommentsAreNotStatements(t *testing.T) {
	got := split(t, "-- a; b\n/* c; /* d */ '; */ SELECT -- it's;\n1 /* $$ */ + 2; -- end\n;;\n--")
	if want := []string{"SELECT \n1   + 2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestACutScriptIsAnError(t *testing.T) {
	for _, script := range []string{"SELECT 'a", `SELECT "a`, "SELECT $x$ a $x", "SELECT /* a", `SELECT E'\`} {
		if _, err := splitStatements(strings.NewReader(script)).next(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%q: %v", script, err)
		}
	}
	broken := errors.New("broken")
	for _, script := range []string{"SELECT ", "SELECT '", "/* ", "-- ", "$$"} {
		if _, err := splitStatements(io.MultiReader(strings.NewReader(script), iotest.ErrReader(broken))).next(); !errors.Is(err, broken) {
			t.Errorf("%q of a broken stream: %v", script, err)
		}
	}
}

func FuzzStatements(f *testing.F) {
	for _, s := range []string{"SELECT 1; SELECT $a$;$a$", hostile, "/*/**/*/'';\"\"", "E'\\'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, script string) {
		s := splitStatements(strings.NewReader(script))
		total := 0
		for {
			statement, err := s.next()
			if err != nil {
				return
			}
			if strings.TrimSpace(statement) != statement || statement == "" {
				t.Fatalf("%q is no statement of %q", statement, script)
			}
			if total += len(statement); total > len(script) {
				t.Fatalf("the statements of %q are longer than it", script)
			}
		}
	})
}

func TestClassesOfStatements(t *testing.T) {
	for statement, want := range map[string]class{
		`SET lock_timeout = 0`: setting,
		`SELECT pg_catalog.set_config('search_path', '', false)`:                                   setting,
		`CREATE INDEX i ON ONLY public.t USING btree (a)`:                                          build,
		`CREATE UNIQUE INDEX i ON public.t USING btree (a)`:                                        build,
		"ALTER TABLE ONLY public.t\n    ADD CONSTRAINT \"a b\"\"\" PRIMARY KEY (id)":               build,
		"ALTER TABLE ONLY \"S;\".\"t u\"\n    ADD CONSTRAINT x UNIQUE (id)":                        build,
		"ALTER TABLE ONLY public.t\n    ADD CONSTRAINT x EXCLUDE USING gist (s WITH &&)":           build,
		"ALTER TABLE ONLY public.t\n    ADD CONSTRAINT x FOREIGN KEY (id) REFERENCES public.u(id)": reference,
		"ALTER TABLE public.t\n    ADD CONSTRAINT x FOREIGN KEY (id) REFERENCES public.u(id)":      reference,
		"ALTER TABLE public.t\n    ADD CONSTRAINT x CHECK ((a > 0)) NOT VALID":                     serial,
		`ALTER INDEX public.p ATTACH PARTITION public.c`:                                           serial,
		`CREATE TRIGGER t BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.f()`:      serial,
		`REFRESH MATERIALIZED VIEW public.m`:                                                       serial,
		`SELECT * FROM pg_catalog.pg_restore_relation_stats('version', '180000'::integer)`:         statistic,
		`ALTER TABLE ONLY public.t ALTER COLUMN "ADD CONSTRAINT x PRIMARY KEY" SET STATISTICS 1`:   serial,
	} {
		if got := classOf(statement); got != want {
			t.Errorf("%q is of class %d, want %d", statement, got, want)
		}
	}
}

func TestSettingsThatTheServerDoesNotKnowAreLeftOut(t *testing.T) {
	known := map[string]bool{"lock_timeout": true, "search_path": true}
	for statement, want := range map[string]string{
		"SET lock_timeout = 0":                                   "SET lock_timeout = 0",
		"SET transaction_timeout = 0":                            "",
		"SELECT pg_catalog.set_config('search_path', '', false)": "SELECT pg_catalog.set_config('search_path', '', false)",
		"CREATE SCHEMA public":                                   "CREATE SCHEMA IF NOT EXISTS public",
		"CREATE SCHEMA publicity":                                "CREATE SCHEMA publicity",
		"SELECT pg_catalog.pg_restore_attribute_stats('x')":      "",
	} {
		if got := admitted(statement, known); got != want {
			t.Errorf("%q becomes %q, want %q", statement, got, want)
		}
	}
}

func TestPostScriptBatchesOnlyNeighbours(t *testing.T) {
	script := &postScript{known: map[string]bool{"a": true}, statements: splitStatements(strings.NewReader(
		"SET a = 1; CREATE INDEX i ON t (a); SET b = 1; CREATE INDEX j ON t (a); SET a = 2; CREATE VIEW v AS SELECT 1; CREATE VIEW w AS SELECT 1; CREATE INDEX k ON t (a)"))}
	var got [][]int
	for {
		batch, err := script.batch()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var numbers []int
		for _, n := range batch {
			numbers = append(numbers, n.number, n.after)
		}
		got = append(got, numbers)
	}
	want := [][]int{{2, 1, 4, 1}, {6, 2}, {7, 2}, {8, 2}}
	if len(got) != len(want) {
		t.Fatalf("batches %v, want %v", got, want)
	}
	for i := range want {
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("batch %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func TestPsqlLinesAreStrippedAndNothingElse(t *testing.T) {
	long := strings.Repeat("x", 3*decidable)
	in := "--\n-- dump\n--\n\n\\restrict ToKeN\n\n-- by\nCREATE FUNCTION f() AS $$\n\\restrict ToKeN\n\\unrestrict other\n" + long + "\n\n$$;\n" + long + "\\unrestrict ToKeN\n\\unrestrict ToKeN\n\n"
	want := "--\n-- dump\n--\n\n\n-- by\nCREATE FUNCTION f() AS $$\n\\restrict ToKeN\n\\unrestrict other\n" + long + "\n\n$$;\n" + long + "\\unrestrict ToKeN\n\n"
	for _, piece := range []int{1, 7, len(in)} {
		var out bytes.Buffer
		w := &scriptWriter{w: &out}
		for chunk := range slices.Chunk([]byte(in), piece) {
			if n, err := w.Write(chunk); n != len(chunk) || err != nil {
				t.Fatalf("write: %d, %v", n, err)
			}
		}
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("in pieces of %d: %s", piece, firstDifference(want, out.String()))
		}
	}
}
