package postgres

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tranship/tranship/internal/fault"
)

// dumperPlaces are where packages put pg_dump, one folder per major version, beside PATH.
var dumperPlaces = []string{"/usr/lib/postgresql/*/bin/pg_dump", "/usr/pgsql-*/bin/pg_dump", "/opt/homebrew/opt/postgresql@*/bin/pg_dump"}

// findDumper returns the pg_dump of the lowest major version that is not below the server's: an older one refuses to read
// the server, and a newer one may write what older servers do not understand.
func findDumper(ctx context.Context, server int) (string, error) {
	var paths []string
	for _, place := range dumperPlaces {
		found, _ := filepath.Glob(place)
		paths = append(paths, found...)
	}
	if path, err := exec.LookPath("pg_dump"); err == nil {
		paths = append(paths, path)
	}
	best, at := "", 0
	var seen []string
	for _, path := range paths {
		out, err := exec.CommandContext(ctx, path, "--version").Output()
		if err != nil {
			continue
		}
		fields := strings.Fields(string(out)) // pg_dump (PostgreSQL) 15.18 (Debian …)
		if len(fields) < 3 {
			continue
		}
		major := majorVersion(fields[2])
		seen = append(seen, fields[2])
		if major >= server && (best == "" || major < at) {
			best, at = path, major
		}
	}
	if best != "" {
		return best, nil
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	have := "none is installed"
	if len(seen) > 0 {
		have = "installed: " + strings.Join(seen, ", ")
	}
	return "", permanent("postgres.dumper", "reading the schema of a PostgreSQL %d server needs pg_dump of version %d or later: %s", server, server, have).
		WithHint("install the package postgresql-client-%d", server)
}

// dump writes one section of the schema, as of the snapshot.
func dump(ctx context.Context, e endpoint, dumper, snapshot, encoding, section string, w io.Writer) error {
	args := []string{
		"--section=" + section, "--snapshot=" + snapshot, "--lock-wait-timeout=30s", "--encoding=" + encoding, "--no-password",
		"--no-owner", "--no-privileges", "--no-comments", "--no-publications", "--no-subscriptions", "--no-security-labels", "--no-tablespaces",
	}
	if out, err := exec.CommandContext(ctx, dumper, "--help").Output(); err == nil && bytes.Contains(out, []byte("--no-statistics ")) {
		args = append(args, "--no-statistics")
	}
	cmd := exec.CommandContext(ctx, dumper, args...)
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = append(e.environment(), "PATH="+os.Getenv("PATH"), "HOME="+os.Getenv("HOME"), "LC_ALL=C")
	passfile, err := e.passfile()
	if err != nil {
		return err
	}
	if passfile != nil {
		defer func() { _ = passfile.Close() }()
		cmd.ExtraFiles = []*os.File{passfile}
		cmd.Env = append(cmd.Env, "PGPASSFILE=/dev/fd/3")
	}
	complaint := &tail{limit: 2000}
	script := &scriptWriter{w: w}
	cmd.Stdout, cmd.Stderr = script, complaint
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if script.err != nil {
			return script.err
		}
		return e.scrub(dumpFailed(err, strings.TrimSpace(string(complaint.bytes))))
	}
	return script.flush()
}

// dumpFailed gives a failure of pg_dump, which tells it in words only, its class.
func dumpFailed(err error, complaint string) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return permanent("postgres.dumper", "run pg_dump: %w", err)
	}
	switch {
	case strings.Contains(complaint, "permission denied"):
		return fault.New(fault.Denied, "postgres.denied", "pg_dump: %s", complaint).WithHint("capturing needs SELECT on every table and sequence")
	case strings.Contains(complaint, "lock timeout"):
		return fault.New(fault.Throttled, "postgres.locked", "pg_dump: %s", complaint)
	}
	return fault.New(fault.Transient, "postgres.dumper", "pg_dump: %s", complaint)
}

// tail keeps the end of what is written to it.
type tail struct {
	bytes []byte
	limit int
}

func (t *tail) Write(p []byte) (int, error) {
	t.bytes = append(t.bytes, p...)
	if over := len(t.bytes) - t.limit; over > 0 {
		t.bytes = append(t.bytes[:0], t.bytes[over:]...)
	}
	return len(p), nil
}

// scriptWriter passes on pg_dump's script without the lines that are for psql only: \restrict and \unrestrict, with a token
// that is drawn for each script. The same line within a function's body or a constant stays.
type scriptWriter struct {
	w     io.Writer
	err   error
	line  []byte // the beginning of a line that is not decided yet
	begun bool   // a statement has begun: \restrict comes before all
	plain bool   // the current line is decided: it passes
	token []byte
}

// decidable is the length from which a line is surely none of psql's.
const decidable = 200

func (s *scriptWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && s.err == nil {
		end := bytes.IndexByte(p, '\n') + 1
		whole := end > 0
		if !whole {
			end = len(p)
		}
		if s.plain {
			s.pass(p[:end])
		} else {
			s.line = append(s.line, p[:end]...)
			if whole || len(s.line) > decidable {
				s.decide()
				s.plain = true
			}
		}
		if whole {
			s.plain = false
		}
		p = p[end:]
	}
	return n, s.err
}

// decide passes on the collected line or drops it.
func (s *scriptWriter) decide() {
	line := bytes.TrimRight(s.line, "\r\n")
	token, restricts := bytes.CutPrefix(line, []byte(`\restrict `))
	switch {
	case restricts && !s.begun && s.token == nil:
		s.token = bytes.Clone(token)
	case s.token != nil && bytes.Equal(line, append([]byte(`\unrestrict `), s.token...)):
	default:
		if len(line) > 0 && !bytes.HasPrefix(line, []byte("--")) {
			s.begun = true
		}
		s.pass(s.line)
	}
	s.line = s.line[:0]
}

func (s *scriptWriter) pass(p []byte) {
	if s.err == nil && len(p) > 0 {
		_, s.err = s.w.Write(p)
	}
}

func (s *scriptWriter) flush() error {
	if len(s.line) > 0 {
		s.decide()
	}
	return s.err
}
