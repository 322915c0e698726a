// Package program builds the program once for a package of tests, and runs its commands as people do.
package program

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/demo"
	"github.com/tranship/tranship/internal/saga"
)

var binary string

// Main is the body of TestMain: it builds the program, runs the tests and removes the program.
func Main(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "tranship-program-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		binary = filepath.Join(dir, "tranship")
		build := exec.Command("go", "build", "-o", binary, "github.com/tranship/tranship/cmd/tranship")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build the program:", err)
			return 1
		}
		return m.Run()
	}())
}

// World starts a world of the program's services that ends with the test. The configuration's Binary and Dir are set here.
// When the test has failed, the ends of all logs are shown.
func World(t *testing.T, cfg demo.Config) *demo.World {
	t.Helper()
	cfg.Binary, cfg.Dir = binary, t.TempDir()
	w, err := demo.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Close()
		if t.Failed() {
			for _, p := range w.Processes {
				showLog(t, p)
			}
		}
	})
	return w
}

// showLog prints the end of a process's log.
func showLog(t *testing.T, p *demo.Process) {
	t.Helper()
	const most = 4000
	text, err := os.ReadFile(p.Log())
	if err != nil {
		t.Logf("%s: %v", p.Name, err)
		return
	}
	t.Logf("%s:\n%s", p.Name, text[max(0, len(text)-most):])
}

// Result is what a command left.
type Result struct {
	Code   int
	Stdout string
	Stderr string
}

// Shell runs commands of the program against a world's gateway.
type Shell struct {
	Dir string // working directory
	env []string
}

// NewShell returns a shell with a directory of its own.
func NewShell(t *testing.T, w *demo.World) *Shell {
	t.Helper()
	return &Shell{Dir: t.TempDir(), env: append(os.Environ(), "TRANSHIP_SERVER="+w.Server, "TRANSHIP_TOKEN_FILE="+w.TokenFile)}
}

// patience is longer than any command takes.
const patience = 4 * time.Minute

// Run runs a command and returns how it ended.
func (s *Shell) Run(t *testing.T, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir, cmd.Env = s.Dir, s.env
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("tranship %v: %v, %v\n%s", args, err, ctx.Err(), problems.String())
	}
	return Result{Code: cmd.ProcessState.ExitCode(), Stdout: out.String(), Stderr: problems.String()}
}

// Must runs a command that has to succeed, and returns what it printed.
func (s *Shell) Must(t *testing.T, args ...string) string {
	t.Helper()
	r := s.Run(t, args...)
	if r.Code != 0 {
		t.Fatalf("tranship %v ended with %d:\n%s%s", args, r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// Apply applies resources from a file.
func (s *Shell) Apply(t *testing.T, name, resources string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(resources), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Must(t, "apply", "-f", name)
}

// Start starts a run and returns its id.
func (s *Shell) Start(t *testing.T, policy string) string {
	t.Helper()
	var started client.StartedRun
	Decode(t, s.Must(t, "run", policy, "-o", "json"), &started)
	return started.Run
}

// Await waits until a run has ended, and returns where it stands then.
func (s *Shell) Await(t *testing.T, run string) saga.State {
	t.Helper()
	s.Run(t, "runs", "watch", run, "-o", "json") // its exit code says how the run ended, which the state tells too
	return s.Show(t, run)
}

// Show returns where a run stands.
func (s *Shell) Show(t *testing.T, run string) saga.State {
	t.Helper()
	var state saga.State
	Decode(t, s.Must(t, "runs", "show", run, "-o", "json"), &state)
	return state
}

// Completed fails the test unless the run completed.
func Completed(t *testing.T, s saga.State) {
	t.Helper()
	if s.Status != saga.RunCompleted {
		t.Fatalf("run %s ended as %s: %+v", s.Run, s.Status, s.Failure)
	}
}

// Decode reads what a command printed as JSON.
func Decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
}
