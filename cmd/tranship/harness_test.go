package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tranship/tranship/internal/clock"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// now is the time of every call in these tests.
var now = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// testdata stays where it is when a test changes the working directory.
var testdata = func() string {
	path, err := filepath.Abs("testdata")
	if err != nil {
		panic(err)
	}
	return path
}()

// call is one call of the program.
type call struct {
	args  []string
	stdin string
	env   []string
	ctx   context.Context // the test's when nil
}

// result is what a call left.
type result struct {
	code           int
	stdout, stderr string
}

// do runs the program within the test.
func do(t *testing.T, c call) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if c.ctx == nil {
		c.ctx = t.Context()
	}
	m := &Main{
		Args: c.args, Stdin: strings.NewReader(c.stdin), Stdout: &stdout, Stderr: &stderr,
		Env: append([]string{"HOME=/home/somebody"}, c.env...), Clock: clock.Fixed(now),
	}
	code := m.Run(c.ctx)
	return result{code, stdout.String(), stderr.String()}
}

// tranship runs the program with these words.
func tranship(t *testing.T, args ...string) result {
	t.Helper()
	return do(t, call{args: args})
}

// text is a result as golden files hold it.
func (r result) text() string {
	return "exit code " + strconv.Itoa(r.code) + "\n--- stdout\n" + r.stdout + "--- stderr\n" + r.stderr
}

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join(testdata, filepath.FromSlash(name)+".txt")
	if *rewrite {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with: go test ./cmd/tranship -args -rewrite", err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s\nwant:\n%s", path, got, want)
	}
}

// contains fails the test for every text that is not in got.
func contains(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%q is not in:\n%s", w, got)
		}
	}
}

// writeFile writes a file below a directory of the test and returns its path.
func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
