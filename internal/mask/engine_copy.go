package mask

import (
	"bytes"
	"errors"
)

var errEscape = errors.New("the value ends within an escape")

// escapeOf is the letter that stands for a byte in COPY text, or 0.
var escapeOf = [256]byte{'\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't', '\v': 'v', '\\': '\\'}

// byteOf is the byte that a letter after a backslash stands for; itself where nothing is said.
var byteOf = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
	}
	for b, letter := range escapeOf {
		if letter != 0 {
			t[letter] = byte(b)
		}
	}
	return t
}()

// needsEscape reports whether a value has bytes that COPY text escapes.
func needsEscape(b []byte) bool {
	for _, c := range b {
		if escapeOf[c] != 0 {
			return true
		}
	}
	return false
}

// appendEscaped appends a value as COPY text writes it.
func appendEscaped(dst, value []byte) []byte {
	for _, c := range value {
		if e := escapeOf[c]; e != 0 {
			dst = append(dst, '\\', e)
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// appendUnescaped appends the value that a field of COPY text stands for; the field is not \N.
func appendUnescaped(dst, field []byte) ([]byte, error) {
	for {
		i := bytes.IndexByte(field, '\\')
		if i < 0 {
			return append(dst, field...), nil
		}
		dst = append(dst, field[:i]...)
		field = field[i+1:]
		if len(field) == 0 {
			return dst, errEscape
		}
		c, n := unescapeOne(field)
		dst = append(dst, c)
		field = field[n:]
	}
}

// unescapeOne reads what stands behind a backslash: up to three octal digits, x and up to two hexadecimal digits, or one
// character.
func unescapeOne(b []byte) (c byte, n int) {
	switch {
	case b[0] >= '0' && b[0] <= '7':
		for n < 3 && n < len(b) && b[n] >= '0' && b[n] <= '7' {
			c = c<<3 | (b[n] - '0')
			n++
		}
		return c, n
	case b[0] == 'x' && len(b) > 1 && hexDigit(b[1]) >= 0:
		n = 1
		for n < 3 && n < len(b) && hexDigit(b[n]) >= 0 {
			c = c<<4 | byte(hexDigit(b[n]))
			n++
		}
		return c, n
	}
	return byteOf[b[0]], 1
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
