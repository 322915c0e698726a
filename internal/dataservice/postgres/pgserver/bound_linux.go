package pgserver

import (
	"os/exec"
	"runtime"
	"syscall"
)

func (a account) attributes() *syscall.SysProcAttr {
	// A group of its own: an interrupt at the terminal is for the caller, who then stops the server.
	return &syscall.SysProcAttr{Credential: a.credential, Setpgid: true}
}

// startBound starts cmd so that it is shut down when this process dies, and closes exited when it has ended. The kernel
// binds a child to the thread that started it, so that thread is kept until then.
func startBound(cmd *exec.Cmd, exited chan struct{}) error {
	cmd.SysProcAttr.Pdeathsig = syscall.SIGINT
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(exited)
		}
	}()
	return <-started
}
