//go:build unix

package files

import (
	"io/fs"
	"syscall"
)

// inode identifies a file under all of its names.
type inode struct{ device, number uint64 }

// inodeOf returns the identity of a file and how many names it has.
func inodeOf(info fs.FileInfo) (id inode, names uint64) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return inode{}, 1
	}
	return inode{uint64(s.Dev), uint64(s.Ino)}, uint64(s.Nlink) //nolint:unconvert // other widths on other systems
}

func ownerOf(info fs.FileInfo) (uid, gid int) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid), int(s.Gid)
	}
	return 0, 0
}
