package files

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// renameNew renames a directory to a name at which nothing stands, in one step where the file system can. It returns an
// error for which fs.ErrExist holds otherwise.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return renameChecked(from, to)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

// flush waits until everything that was written to the file system of f is on its disk.
func flush(f *os.File) error { return unix.Syncfs(int(f.Fd())) }
