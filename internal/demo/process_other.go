//go:build !linux

package demo

import (
	"os/exec"
	"syscall"
)

// bind gives the process a group of its own, so that a Ctrl-C reaches it through its parent only.
func bind(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
