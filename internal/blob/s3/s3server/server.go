// Package s3server runs a real S3 server, versitygw, as a child process over a directory: for tests and for the demo. It
// enforces create-only writes, checksums and object lock.
package s3server

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

const (
	region     = "us-east-1"
	healthPath = "/health"
	// startTimeout is generous: the machine may be busy.
	startTimeout = 30 * time.Second
	// stopTimeout is short: the server waits for idle connections to go away, and killing it loses nothing.
	stopTimeout = time.Second
	attempts    = 5
)

// Config says how to run the server.
type Config struct {
	Binary string // path of versitygw, see Find
	// Dir keeps the objects, and below it the server's own data. It is created when it does not exist. Its file system
	// need not support extended attributes.
	Dir string
	// AccessKeyID and SecretAccessKey of the only user; made up when empty.
	AccessKeyID     string
	SecretAccessKey blob.Secret
}

// Server is a running server. Its fields do not change.
type Server struct {
	Endpoint        string // http://127.0.0.1:<port>; use path style
	Region          string
	AccessKeyID     string
	SecretAccessKey blob.Secret
	// Buckets is the directory that holds one directory per bucket, with one file per object.
	Buckets string

	client *s3.Client
	proc   *process
}

// Find returns the path of the server's program: the value of TRANSHIP_VERSITYGW, or .tools/bin/versitygw beside the go.mod
// at or above dir. The error says how to get it.
func Find(dir string) (string, error) {
	if path := os.Getenv("TRANSHIP_VERSITYGW"); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fault.New(fault.NotFound, "s3server.missing", "TRANSHIP_VERSITYGW: %w", err)
		}
		return path, nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for up := dir; ; up = filepath.Dir(up) {
		if _, err := os.Stat(filepath.Join(up, "go.mod")); err == nil {
			path := filepath.Join(up, ".tools", "bin", "versitygw")
			if _, err := os.Stat(path); err == nil {
				return path, nil
			}
			break
		}
		if up == filepath.Dir(up) {
			break
		}
	}
	return "", fault.New(fault.NotFound, "s3server.missing", "the S3 server versitygw is not built").
		WithHint("run `make tools` in the source tree, or set TRANSHIP_VERSITYGW to the program")
}

// Start runs a server on a free port of the loopback interface and returns when it answers. The server ends with Close, and on
// Linux also when this process dies.
func Start(ctx context.Context, c Config) (*Server, error) {
	if c.AccessKeyID == "" {
		c.AccessKeyID, c.SecretAccessKey = rand.Text(), blob.NewSecret(rand.Text())
	}
	for _, sub := range []string{"buckets", "versions", "attributes"} {
		if err := os.MkdirAll(filepath.Join(c.Dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("start S3 server: %w", err)
		}
	}
	var err error
	for range attempts {
		var s *Server
		if s, err = start(ctx, c); err == nil {
			return s, nil
		}
		// Between our look for a free port and its start, somebody else may have taken the port.
		if !errors.Is(err, errEnded) || ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("start S3 server: %w", err)
}

var errEnded = errors.New("the server ended by itself")

func start(ctx context.Context, c Config) (*Server, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	args := []string{"--port", address, "--region", region, "--health", healthPath, "--keep-alive", "--quiet", "posix",
		"--versioning-dir", filepath.Join(c.Dir, "versions"), "--sidecar", filepath.Join(c.Dir, "attributes"), filepath.Join(c.Dir, "buckets")}
	cmd := exec.Command(c.Binary, args...)
	cmd.Dir = c.Dir
	cmd.Env = []string{"ROOT_ACCESS_KEY=" + c.AccessKeyID, "ROOT_SECRET_KEY=" + c.SecretAccessKey.Reveal(), "PATH=" + os.Getenv("PATH"), "HOME=" + c.Dir}
	proc, err := run(cmd)
	if err != nil {
		return nil, err
	}
	s := &Server{
		Endpoint:        "http://" + address,
		Region:          region,
		AccessKeyID:     c.AccessKeyID,
		SecretAccessKey: c.SecretAccessKey,
		Buckets:         filepath.Join(c.Dir, "buckets"),
		proc:            proc,
	}
	s.client = s3.New(s3.Options{
		BaseEndpoint: &s.Endpoint,
		Region:       region,
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey.Reveal(), ""),
	})
	if err := s.wait(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// wait returns when the server answers or has ended.
func (s *Server) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint+healthPath, nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.proc.ended:
			return fmt.Errorf("%w: %s", errEnded, s.proc.output())
		case <-ctx.Done():
			return fmt.Errorf("wait for the server: %w: %s", context.Cause(ctx), s.proc.output())
		case <-poll.C:
		}
	}
}

// CreateBucket makes a bucket, with versions and object lock when lock is set. A bucket that exists and is ours is fine.
func (s *Server) CreateBucket(ctx context.Context, name string, lock bool) error {
	_, err := s.client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name, ObjectLockEnabledForBucket: aws.Bool(lock)})
	var api interface{ ErrorCode() string }
	if errors.As(err, &api) && api.ErrorCode() == "BucketAlreadyOwnedByYou" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create bucket %s: %w", name, err)
	}
	return nil
}

// Done is closed when the server has ended, for whatever reason.
func (s *Server) Done() <-chan struct{} { return s.proc.ended }

// Close ends the server and returns when it has. The objects stay.
func (s *Server) Close() error { return s.proc.stop() }

// process is a child with a process group of its own, so that a Ctrl-C of the terminal goes to us alone and we end it in
// our order.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	tail  tail
}

// run starts cmd. One thread starts it and lives as long as it does: the kernel kills the child when the thread that
// started it ends, and the runtime ends threads as it likes.
func run(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.tail, &p.tail
	setAttributes(cmd)
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is of no interest to anybody
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) stop() error {
	_ = p.cmd.Process.Signal(os.Interrupt)
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-p.ended:
		return nil
	case <-timer.C:
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end the S3 server: %w", err)
	}
	<-p.ended
	return nil
}

func (p *process) output() string { return strings.TrimSpace(p.tail.String()) }

// tail keeps the last bytes written to it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	const keep = 4 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(p)
	if extra := t.buf.Len() - keep; extra > 0 {
		t.buf.Next(extra)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}
