package files

import "syscall"

// noatime asks the system not to note that a file was read. Only owners may ask.
const noatime = syscall.O_NOATIME
