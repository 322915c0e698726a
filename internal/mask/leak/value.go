package leak

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"unicode/utf8"
)

// minChars is the length from which a value is worth looking for: shorter ones are everywhere.
const minChars = 5

// maxWords is how many words a piece of free text may have.
const maxWords = 3

// longIdentifier is the length from which an identifier is looked for in columns of other classes too.
const longIdentifier = 9

// plain appends a value's form for comparisons: lower case, without white space at its ends. It returns nil for values that
// are too short.
func plain(dst, value []byte) []byte {
	value = bytes.TrimSpace(value)
	if utf8.RuneCount(value) < minChars {
		return nil
	}
	dst = dst[:0]
	for i, c := range value {
		switch {
		case c >= 'A' && c <= 'Z':
			dst = append(dst, c+'a'-'A')
		case c >= utf8.RuneSelf:
			return append(dst, bytes.ToLower(value[i:])...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// saysNothing reports whether a form is one that values have without telling anything: crossed out, or a word of letters
// alone, which texts and definitions hold for other reasons.
func saysNothing(form []byte) bool {
	if crossedOut(form) {
		return true
	}
	for _, c := range form {
		if c < 'a' || c > 'z' {
			return false
		}
	}
	return len(form) < 16
}

// decodings calls yield for what the words of a value are in base64, hex, percent or JSON escapes, as far as that is text.
// It uses buf.
func decodings(value []byte, buf *[]byte, yield func([]byte)) {
	for word := range bytes.FieldsFuncSeq(value, func(c rune) bool { return c < utf8.RuneSelf && separates(byte(c)) || c == ',' || c == ';' }) {
		if len(word) < minEncoded {
			continue
		}
		if bytes.IndexByte(word, '%') >= 0 || bytes.IndexByte(word, '\\') >= 0 {
			if *buf = unescaped((*buf)[:0], word); len(*buf) < len(word) {
				yield(*buf)
			}
			continue
		}
		if bytes.IndexByte(word, '@') >= 0 || bytes.IndexByte(word, '.') >= 0 {
			continue
		}
		*buf = slices.Grow((*buf)[:0], len(word))[:len(word)]
		hexed := bytes.TrimPrefix(word, []byte(`0x`))
		// Without a look at the characters first, an error would be allocated for every ordinary word.
		if len(hexed)%2 == 0 && consists(hexed, &hexDigits) {
			if n, err := hex.Decode(*buf, hexed); err == nil && printable((*buf)[:n]) {
				yield((*buf)[:n])
				continue
			}
		}
		word = bytes.TrimRight(word, "=")
		encoding := base64.RawStdEncoding
		if bytes.IndexByte(word, '-') >= 0 || bytes.IndexByte(word, '_') >= 0 {
			encoding = base64.RawURLEncoding
		}
		if len(word)%4 != 1 && consists(word, &base64Digits) {
			if n, err := encoding.Decode(*buf, word); err == nil && printable((*buf)[:n]) {
				yield((*buf)[:n])
			}
		}
	}
}

var hexDigits, base64Digits = bytesOf("0123456789abcdefABCDEF"), bytesOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")

func bytesOf(s string) (set [256]bool) {
	for _, c := range []byte(s) {
		set[c] = true
	}
	return set
}

func consists(b []byte, of *[256]bool) bool {
	for _, c := range b {
		if !of[c] {
			return false
		}
	}
	return true
}

// minEncoded is the length from which a word is worth decoding.
const minEncoded = 8

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return len(b) >= minChars && utf8.Valid(b)
}

// unescaped appends b without %XX and \u00XX.
func unescaped(dst, b []byte) []byte {
	for i := 0; i < len(b); i++ {
		var digits int
		switch {
		case b[i] == '%':
			digits = i + 1
		case b[i] == '\\' && bytes.HasPrefix(b[i+1:], []byte("u00")):
			digits = i + 4
		}
		var c [1]byte
		if digits == 0 || digits+2 > len(b) {
			dst = append(dst, b[i])
			continue
		}
		if _, err := hex.Decode(c[:], b[digits:digits+2]); err != nil {
			dst = append(dst, b[i])
			continue
		}
		dst = append(dst, c[0])
		i = digits + 1
	}
	return dst
}

// digits appends the digits of a value that is written like a number of some kind, or returns nil.
func digits(dst, value []byte) []byte {
	dst = dst[:0]
	for _, c := range value {
		switch {
		case c >= '0' && c <= '9':
			dst = append(dst, c)
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= utf8.RuneSelf, c == '@':
			return nil
		}
	}
	if len(dst) < minChars {
		return nil
	}
	return dst
}

// pieces calls yield for the words of a text and for runs of up to maxWords of them. Punctuation at the ends of a piece does
// not belong to it.
func pieces(text []byte, yield func([]byte)) {
	var starts [maxWords]int
	words := 0
	for i := 0; i < len(text); {
		for i < len(text) && separates(text[i]) {
			i++
		}
		if i == len(text) {
			return
		}
		start := i
		for i < len(text) && !separates(text[i]) {
			i++
		}
		copy(starts[1:], starts[:maxWords-1])
		starts[0] = start
		words++
		for n := range min(words, maxWords) {
			piece := trimmed(text[starts[n]:i])
			if len(piece) >= minChars {
				yield(piece)
			}
		}
	}
}

var punctuation = bytesOf(".,;:!?'()[]{}<>\"`*")

func trimmed(b []byte) []byte {
	for len(b) > 0 && punctuation[b[0]] {
		b = b[1:]
	}
	for len(b) > 0 && punctuation[b[len(b)-1]] {
		b = b[:len(b)-1]
	}
	return b
}

func separates(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '"' || c == '<' || c == '>' || c == '|' || c == '='
}

// addresses calls yield for the domain of each e-mail address in a text.
func addresses(text []byte, yield func(domain []byte)) {
	for {
		at := bytes.IndexByte(text, '@')
		if at < 0 {
			return
		}
		local, after := text[:at], text[at+1:]
		end := 0
		for end < len(after) && (isAlphanumeric(after[end]) || after[end] == '.' || after[end] == '-') {
			end++
		}
		domain := bytes.Trim(after[:end], ".-")
		if dot := bytes.LastIndexByte(domain, '.'); dot > 0 && len(domain)-dot > 2 && isLetter(domain[len(domain)-1]) &&
			len(local) > 0 && (isAlphanumeric(local[len(local)-1]) || bytes.IndexByte([]byte("._%+-"), local[len(local)-1]) >= 0) {
			yield(domain)
		}
		text = after
	}
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func isAlphanumeric(c byte) bool { return isLetter(c) || c >= '0' && c <= '9' }

// reserved reports whether a domain can never receive mail (RFC 2606, RFC 6761).
func reserved(domain []byte) bool {
	d := bytes.ToLower(domain)
	for _, end := range []string{"example", "test", "invalid", "localhost", "example.com", "example.net", "example.org"} {
		if string(d) == end || bytes.HasSuffix(d, []byte("."+end)) {
			return true
		}
	}
	return false
}

var crosses = bytesOf("x \t\r\n")

// crossedOut reports whether a value says nothing: only x and white space, or what stands for a redacted value of a type
// without room for them.
func crossedOut(value []byte) bool {
	if consists(value, &crosses) {
		return true
	}
	switch string(value) {
	case "0", "f", "null", "1970-01-01", "1970-01-01 00:00:00", "1970-01-01 00:00:00+00", `\x`, "00000000-0000-0000-0000-000000000000",
		"ffffffff-ffff-ffff-ffff-ffffffffffff",
		"infinity", "-infinity", "0000-00-00", "0000-00-00 00:00:00":
		return true
	}
	return false
}
