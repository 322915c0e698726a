package demo

import (
	"os/exec"
	"syscall"
)

// bind gives the process a group of its own, so that a Ctrl-C reaches it through its parent only, and lets it die with the
// parent.
func bind(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
