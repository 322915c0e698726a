package tree

import (
	"encoding/hex"
	"strconv"
)

// Digest is the BLAKE3 of a file's content.
type Digest [32]byte

// AppendLine appends the canonical line of an entry, ending with a newline, to dst: what makes two entries equal.
//
//	file <mode> <size> <mtime> <digest> <path>
//	directory <mode> <mtime> <path>
//	symlink <mtime> <path> <link>
//	hardlink <path> <link>
//
// Modes are octal, times seconds and nanoseconds since 1970 joined by a dot, and in paths the bytes up to the space,
// DEL and % are written as % and two hexadecimal digits. Owners are not part of it: only root can restore them.
func AppendLine(dst []byte, e *Entry, content Digest) []byte {
	dst = append(dst, e.Kind...)
	switch e.Kind {
	case File:
		dst = appendMode(dst, e)
		dst = strconv.AppendInt(append(dst, ' '), e.Size, 10)
		dst = appendTime(dst, e)
		dst = hex.AppendEncode(append(dst, ' '), content[:])
	case Directory:
		dst = appendTime(appendMode(dst, e), e)
	case Symlink:
		dst = appendTime(dst, e)
	case Hardlink:
	}
	dst = appendText(append(dst, ' '), e.Path)
	if e.Kind == Symlink || e.Kind == Hardlink {
		dst = appendText(append(dst, ' '), e.Link)
	}
	return append(dst, '\n')
}

func appendMode(dst []byte, e *Entry) []byte {
	return strconv.AppendInt(append(dst, ' '), tarMode(e.Mode), 8)
}

func appendTime(dst []byte, e *Entry) []byte {
	dst = strconv.AppendInt(append(dst, ' '), e.ModTime.Unix(), 10)
	return strconv.AppendInt(append(dst, '.'), int64(e.ModTime.Nanosecond()), 10)
}

func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == 0x7f || c == '%' {
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}
