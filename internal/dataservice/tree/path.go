package tree

import (
	"cmp"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Root is the path of a tree's own directory.
const Root = "."

const hexDigits = "0123456789ABCDEF"

// ID writes a path as valid UTF-8 that FromID turns back: bytes that are not part of UTF-8 become % and two upper-case
// hexadecimal digits, and so does a % that two such digits follow. Nearly all paths are their own ID.
func ID(path string) string {
	if utf8.ValidString(path) && !strings.Contains(path, "%") {
		return path
	}
	var b strings.Builder
	escape := func(c byte) { b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]}) }
	for i := 0; i < len(path); {
		r, size := utf8.DecodeRuneInString(path[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			escape(path[i])
		case r == '%' && escaped(path[i:]):
			escape('%')
		default:
			b.WriteString(path[i : i+size])
		}
		i += size
	}
	return b.String()
}

// FromID returns the path that ID wrote.
func FromID(id string) string {
	if !strings.Contains(id, "%") {
		return id
	}
	var b strings.Builder
	for i := 0; i < len(id); i++ {
		if escaped(id[i:]) {
			b.WriteByte(digit(id[i+1])<<4 | digit(id[i+2]))
			i += 2
			continue
		}
		b.WriteByte(id[i])
	}
	return b.String()
}

// escaped reports whether s begins with % and two digits as ID writes them.
func escaped(s string) bool {
	return len(s) >= 3 && s[0] == '%' && strings.IndexByte(hexDigits, s[1]) >= 0 && strings.IndexByte(hexDigits, s[2]) >= 0
}

func digit(c byte) byte { return byte(strings.IndexByte(hexDigits, c)) }

// Compare orders paths as a walk meets them: a directory before what is in it, and that before whatever comes after the
// directory. The root is first.
func Compare(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == Root:
		return -1
	case b == Root:
		return 1
	}
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return cmp.Compare(rankOf(a[i]), rankOf(b[i]))
		}
	}
	return cmp.Compare(len(a), len(b))
}

// rankOf puts the separator before every byte of a name.
func rankOf(c byte) byte {
	if c == '/' {
		return 0
	}
	return c
}

// checkPath refuses a path that is not the plain name of something in the tree.
func checkPath(path string) error {
	if path == Root {
		return nil
	}
	if strings.ContainsRune(path, 0) {
		return fmt.Errorf("%w: a path has a NUL byte", ErrInvalid)
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("%w: the path %q is not within the tree", ErrInvalid, ID(path))
		}
	}
	return nil
}
