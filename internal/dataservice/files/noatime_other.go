//go:build !linux

package files

// noatime is nothing that this system can be asked for.
const noatime = 0
