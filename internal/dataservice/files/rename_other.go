//go:build unix && !linux

package files

import (
	"os"

	"golang.org/x/sys/unix"
)

// renameNew renames a directory to a name at which nothing stands.
func renameNew(from, to string) error { return renameChecked(from, to) }

// flush asks the system to write everything to disk.
func flush(*os.File) error {
	unix.Sync()
	return nil
}
