// Package pgserver runs a private PostgreSQL server: for tests, and for the demonstration.
//
// The server listens on a free port of the loopback interface and on a unix socket in a folder of its own, asks for a
// random password, and needs no privileges. Root cannot run PostgreSQL; when the caller is root, the server runs as the
// user postgres or, without one, nobody. It ends with Stop, and on Linux also with the process that started it.
package pgserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// User is the superuser of every server that Start starts.
const User = "tranship"

// Config says how to run a server. The zero value runs one in a temporary folder that Stop removes.
type Config struct {
	// Dir keeps the data between starts. The folders above it must be open to the server's user. Empty: a temporary folder.
	Dir string
	// Volatile gives up durability for speed: the data does not survive a crash of the machine.
	Volatile bool
	// Settings are further settings of the server, by name.
	Settings map[string]string
	// Bin is the folder of postgres and initdb. Empty: the newest that FindBin finds.
	Bin string
}

// Server is a running server. Its methods are safe for concurrent use.
type Server struct {
	dir       string
	temporary bool
	socket    string
	port      int
	password  string

	cmd    *exec.Cmd
	exited chan struct{}
	stop   sync.Once
}

// Start makes the data folder unless it is there, starts the server and waits until it answers. The context bounds the
// start only.
func Start(ctx context.Context, c Config) (_ *Server, err error) {
	bin := c.Bin
	if bin == "" {
		if bin, err = FindBin(); err != nil {
			return nil, err
		}
	}
	owner, err := serverUser()
	if err != nil {
		return nil, err
	}
	s := &Server{dir: c.Dir}
	defer func() {
		if err != nil {
			s.clean()
		}
	}()
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "tranship-pg-"); err != nil {
			return nil, fmt.Errorf("make the server's folder: %w", err)
		}
		s.temporary = true
	} else if s.dir, err = filepath.Abs(s.dir); err != nil {
		return nil, err
	} else if err = os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the server's folder: %w", err)
	}
	if err = owner.reach(s.dir); err != nil {
		return nil, err
	}
	if err = owner.own(s.dir); err != nil {
		return nil, err
	}
	// A socket's path is limited to about 100 bytes, so it cannot live below Dir.
	if s.socket, err = os.MkdirTemp("", "tspg"); err != nil {
		return nil, fmt.Errorf("make the socket's folder: %w", err)
	}
	if err = owner.own(s.socket); err != nil {
		return nil, err
	}
	if s.password, err = s.initialize(ctx, bin, owner); err != nil {
		return nil, err
	}
	// Between choosing a free port and listening on it somebody else may take it.
	for range 3 {
		if err = s.launch(ctx, bin, owner, c); err == nil || !errors.Is(err, errExited) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// initialize runs initdb unless that was done, and returns the superuser's password.
func (s *Server) initialize(ctx context.Context, bin string, owner account) (string, error) {
	passfile := filepath.Join(s.dir, "password")
	if _, err := os.Stat(filepath.Join(s.dir, "data", "PG_VERSION")); err == nil {
		b, err := os.ReadFile(passfile)
		if err != nil {
			return "", fmt.Errorf("read the server's password: %w", err)
		}
		return string(b), nil
	}
	password := rand.Text()
	if err := os.WriteFile(passfile, []byte(password), 0o600); err != nil {
		return "", fmt.Errorf("write the server's password: %w", err)
	}
	if err := owner.own(passfile); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--pgdata", filepath.Join(s.dir, "data"),
		"--username", User, "--pwfile", passfile, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	cmd.Dir = s.dir
	cmd.Env = environment()
	cmd.SysProcAttr = owner.attributes()
	if out, err := cmd.CombinedOutput(); err != nil {
		_ = os.RemoveAll(filepath.Join(s.dir, "data"))
		return "", fmt.Errorf("initdb: %w: %s", err, out)
	}
	return password, nil
}

var errExited = errors.New("the server ended while it started")

func (s *Server) launch(ctx context.Context, bin string, owner account, c Config) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "server.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the server's log: %w", err)
	}
	defer func() { _ = log.Close() }()
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(port),
		"unix_socket_directories": s.socket,
		"max_connections":         "100",
	}
	if c.Volatile {
		settings["fsync"], settings["synchronous_commit"], settings["full_page_writes"] = "off", "off", "off"
	}
	for name, value := range c.Settings {
		settings[name] = value
	}
	args := []string{"-D", filepath.Join(s.dir, "data")}
	for name, value := range settings {
		args = append(args, "-c", name+"="+value)
	}
	cmd := exec.Command(filepath.Join(bin, "postgres"), args...)
	cmd.Dir = s.dir
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = owner.attributes()
	s.cmd, s.port, s.exited = cmd, port, make(chan struct{})
	if err := startBound(cmd, s.exited); err != nil {
		close(s.exited)
		return fmt.Errorf("start postgres: %w", err)
	}
	if err := s.wait(ctx); err != nil {
		s.halt()
		tail, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%w; its log ends with: %s", err, tail[max(0, len(tail)-1000):])
	}
	return nil
}

// wait returns when the server answers.
func (s *Server) wait(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgconn.Connect(ctx, s.DSN("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the server: %w", ctx.Err())
		case <-s.exited:
			return errExited
		case <-tick.C:
		}
	}
}

// DSN is the URL of a database of the server, with the superuser's password.
func (s *Server) DSN(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(User, s.password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// SocketDSN is as DSN, through the unix socket and in the form of keywords and values.
func (s *Server) SocketDSN(database string) string {
	return fmt.Sprintf("host=%s port=%d user=%s password=%s dbname='%s'", s.socket, s.port, User, s.password, database)
}

// Password is the superuser's.
func (s *Server) Password() string { return s.password }

// Exec runs a script in a database.
func (s *Server) Exec(ctx context.Context, database, script string) error {
	conn, err := pgx.Connect(ctx, s.DSN(database))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.PgConn().Exec(ctx, script).ReadAll()
	return err
}

// CreateDatabase makes an empty database.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	return s.Exec(ctx, "postgres", "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
}

// Stop ends the server, disconnecting everybody, and removes a temporary folder. It may be called more than once.
func (s *Server) Stop() {
	s.stop.Do(func() {
		s.halt()
		s.clean()
	})
}

func (s *Server) halt() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGINT) // a fast shutdown
	select {
	case <-s.exited:
	case <-time.After(30 * time.Second):
		_ = s.cmd.Process.Signal(syscall.SIGQUIT)
		<-s.exited
	}
}

func (s *Server) clean() {
	if s.socket != "" {
		_ = os.RemoveAll(s.socket)
	}
	if s.temporary {
		_ = os.RemoveAll(s.dir)
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}
