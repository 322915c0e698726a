package masktest

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/mask"
)

var rewrite = flag.Bool("rewrite", false, "write golden files anew")

// setup is the first line of a golden file: the place that its values are masked in.
type setup struct {
	Identity  string         `json:"identity,omitempty"`
	Subject   string         `json:"subject,omitempty"`
	Kind      mask.Kind      `json:"kind"`
	MaxChars  int            `json:"maxChars,omitempty"`
	Region    string         `json:"region,omitempty"`
	Format    string         `json:"format,omitempty"`
	Params    map[string]any `json:"params,omitempty"`
	Sentinels []string       `json:"sentinels,omitempty"`
	// Siblings are roles and raw values that every row of the file has.
	Siblings map[string]string `json:"siblings,omitempty"`
}

// golden checks one file. Its lines after the first are input, tab, outcome; both Go-quoted, or NULL. Inputs of a subject
// other than "subject-1" have it before them: subject-2:"2020-01-01". An outcome that is an error is its text after "!".
// Blank lines and lines that begin with # are kept.
func golden(t *testing.T, spec mask.Spec, deps mask.Deps, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(string(text), "\n")
	var s setup
	d := json.NewDecoder(strings.NewReader(first))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		t.Fatalf("%s:1: %v", file, err)
	}
	tr, siblings := s.build(t, spec, deps)
	var out strings.Builder
	out.WriteString(first + "\n")
	lines := 0
	for i, line := range strings.Split(strings.TrimSuffix(rest, "\n"), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			out.WriteString(line + "\n")
			continue
		}
		lines++
		in, want, _ := strings.Cut(line, "\t")
		subject, v, err := parseInput(in)
		if err != nil {
			t.Fatalf("%s:%d: %v", file, i+2, err)
		}
		r := &mask.Record{Siblings: siblings}
		if s.Subject != "" && subject != "none" {
			r.Subject = []byte(subject)
		}
		got := outcome(tr.Transform(nil, v, r))
		if got != want && !*rewrite {
			t.Errorf("%s:%d: %s became %s, want %s", file, i+2, in, got, want)
		}
		fmt.Fprintf(&out, "%s\t%s\n", in, got)
	}
	if lines == 0 {
		t.Errorf("%s has no values", file)
	}
	if *rewrite && !bytes.Equal(text, []byte(out.String())) {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (s setup) build(t *testing.T, spec mask.Spec, deps mask.Deps) (mask.Transformer, []mask.Value) {
	t.Helper()
	params, err := mask.ParseParams(spec.Params, s.Params, "params")
	if err != nil {
		t.Fatal(err)
	}
	if s.Identity == "" {
		s.Identity = "test.identity"
	}
	column := mask.Column{Kind: s.Kind, MaxChars: s.MaxChars, Nullable: true, Region: s.Region, Format: s.Format}
	var siblings []mask.Value
	for _, role := range []string{"first", "last"} {
		if v, ok := s.Siblings[role]; ok {
			if column.Siblings == nil {
				column.Siblings = map[string]int{}
			}
			column.Siblings[role] = len(siblings)
			siblings = append(siblings, mask.Text([]byte(v)))
		}
	}
	tr, err := spec.Build(mask.Config{
		Identity: s.Identity, Subject: s.Subject, Column: column, Params: params, Sentinels: s.Sentinels,
	}, deps)
	if err != nil {
		t.Fatal(err)
	}
	return tr, siblings
}

func parseInput(s string) (subject string, v mask.Value, err error) {
	subject = "subject-1"
	if at := strings.Index(s, `:"`); at > 0 && !strings.HasPrefix(s, `"`) {
		subject, s = s[:at], s[at+1:]
	}
	if s == "NULL" {
		return subject, mask.Null, nil
	}
	raw, err := strconv.Unquote(s)
	if err != nil {
		return "", v, fmt.Errorf("%s is not a quoted string: %w", s, err)
	}
	return subject, mask.Text([]byte(raw)), nil
}

func outcome(out []byte, err error) string {
	switch {
	case err == nil:
		return strconv.Quote(string(out))
	case errors.Is(err, mask.ErrNull):
		return "NULL"
	case errors.Is(err, mask.ErrDrop):
		return "DROP"
	default:
		return "! " + err.Error()
	}
}

func goldenFiles(t *testing.T, spec mask.Spec, dir string) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{spec.Name + ".golden", spec.Name + "-*.golden"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Fatalf("%s has no golden file of %s", dir, spec.Name)
	}
	return files
}
