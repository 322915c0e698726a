package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/tranship/tranship/internal/fault"
)

// lockDir holds dir for one server at a time: a second one would overwrite what the first has acknowledged. The operating
// system lets go of it when the process ends, however it ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the directory of the NATS server: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fault.New(fault.Conflict, "nats.locked", "another process runs a NATS server on %s", dir).
			WithHint("stop it first, or give this one a directory of its own (--state-dir)")
	}
	return nil, fmt.Errorf("lock the directory of the NATS server: %w", err)
}
