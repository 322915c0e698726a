package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is one process of services, which can be killed and started again.
type Process struct {
	Name string // capturer, masker-2
	args []string
	bin  string
	env  []string
	log  string

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
}

// upLine is what a process prints when its services take work.
const upLine = "tranship is up"

// startTimeout bounds the start of a process: recovery of streams on disk included.
const startTimeout = 30 * time.Second

// Setenv sets variables, each as NAME=value, for the next starts, and forgets those that were set before.
func (p *Process) Setenv(variables ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.env = variables
}

// Start starts the process and returns when its services take work. The process ends with its parent.
func (p *Process) Start(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		_ = log.Close()
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	cmd := exec.Command(p.bin, p.args...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdout, cmd.Stderr = w, w
	bind(cmd)
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", p.Name, err), r.Close(), w.Close(), log.Close())
	}
	_ = w.Close()
	up := make(chan struct{})
	p.cmd, p.done = cmd, make(chan struct{})
	done := p.done
	go func() {
		copyLog(log, r, up)
		_ = cmd.Wait() // how it ended is told by its log
		_ = log.Close()
		close(done)
	}()
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	select {
	case <-up:
		return nil
	case <-done:
		return fmt.Errorf("start %s: it ended by itself: %s", p.Name, tail(p.log))
	case <-timeout.C:
		_ = cmd.Process.Kill()
		return fmt.Errorf("start %s: it is not up after %s: %s", p.Name, startTimeout, tail(p.log))
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		return ctx.Err()
	}
}

// copyLog writes every line to the log, and closes up at the line that says so.
func copyLog(log io.Writer, r io.ReadCloser, up chan struct{}) {
	defer r.Close()
	in := bufio.NewReader(r)
	told := false
	for {
		line, err := in.ReadString('\n')
		_, _ = io.WriteString(log, line)
		if !told && strings.HasPrefix(line, upLine) {
			told = true
			close(up)
		}
		if err != nil {
			return
		}
	}
}

// Kill ends the process as a power cut would, with SIGKILL, and waits until it is gone.
func (p *Process) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return nil
	}
	err := p.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-p.done
	return err
}

// Done is closed when the process that was started last is gone. It is nil before the first start.
func (p *Process) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

// Killed reports whether the process is gone because of a SIGKILL: by Kill, or by its own hand at a failpoint.
func (p *Process) Killed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.done:
	default:
		return false
	}
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// Stop asks the process to end in order and waits for it; after the grace period it is killed.
func (p *Process) Stop(grace time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timeout := time.NewTimer(grace)
	defer timeout.Stop()
	select {
	case <-p.done:
	case <-timeout.C:
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// PID returns the id of the process.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Log returns the file that holds what the process printed.
func (p *Process) Log() string { return p.log }

// tail returns the last lines of a log.
func tail(path string) string {
	const lines = 8
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n") + "\n(" + filepath.Base(path) + ")"
}
