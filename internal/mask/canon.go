package mask

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Canon appends the canonical form of raw to dst: two spellings of one value have one form, whatever the column's type or
// engine. It returns an error that Is ErrInvalid for values that are not of the identity's shape. dst and raw may not
// overlap.
type Canon func(dst, raw []byte) ([]byte, error)

// Reasons why a value has no canonical form.
var (
	errNotUTF8    = Invalid("it is not UTF-8")
	errNotInteger = Invalid("it is not a whole number")
	errNotUUID    = Invalid("it is not a UUID")
	errNoDigits   = Invalid("it has no digits")
	errNotEmail   = Invalid("it is not an e-mail address")
)

// CanonText is Unicode NFC without white space at either end.
func CanonText(dst, raw []byte) ([]byte, error) {
	if !utf8.Valid(raw) {
		return dst, errNotUTF8
	}
	return norm.NFC.Append(dst, Trim(raw)...), nil
}

// CanonFold is CanonText in lower case, for identities whose weakest collation ignores case.
func CanonFold(dst, raw []byte) ([]byte, error) {
	if !utf8.Valid(raw) {
		return dst, errNotUTF8
	}
	from := len(dst)
	raw = Trim(raw)
	ascii := true
	for _, c := range raw {
		if c >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii {
		dst = append(dst, raw...)
		for i := from; i < len(dst); i++ {
			dst[i] = lowerASCII(dst[i])
		}
		return dst, nil
	}
	dst = norm.NFC.Append(dst, raw...)
	// Lower case may have another length in UTF-8, so it is written behind the text and moved to the front.
	end := len(dst)
	for i := from; i < end; {
		c, n := utf8.DecodeRune(dst[i:end])
		dst = utf8.AppendRune(dst, unicode.ToLower(c))
		i += n
	}
	return append(dst[:from], dst[end:]...), nil
}

// CanonEmail is the address in lower case, without white space at either end: one "@" or more, the last one with something
// on both sides.
func CanonEmail(dst, raw []byte) ([]byte, error) {
	from := len(dst)
	out, err := CanonFold(dst, raw)
	if err != nil {
		return dst, err
	}
	at := -1
	for i, c := range out[from:] {
		if c == '@' {
			at = i
		}
		if c <= ' ' {
			return dst, errNotEmail
		}
	}
	if at <= 0 || at == len(out)-from-1 {
		return dst, errNotEmail
	}
	return out, nil
}

// CanonInteger is the shortest decimal text: no plus sign, no leading zeros, no minus before zero. The integer 123 and the
// texts "123", "+123" and " 0123 " are one value.
func CanonInteger(dst, raw []byte) ([]byte, error) {
	raw = Trim(raw)
	negative := false
	if len(raw) > 0 && (raw[0] == '+' || raw[0] == '-') {
		negative = raw[0] == '-'
		raw = raw[1:]
	}
	if len(raw) == 0 {
		return dst, errNotInteger
	}
	for _, c := range raw {
		if c < '0' || c > '9' {
			return dst, errNotInteger
		}
	}
	for len(raw) > 1 && raw[0] == '0' {
		raw = raw[1:]
	}
	if negative && raw[0] != '0' {
		dst = append(dst, '-')
	}
	return append(dst, raw...), nil
}

// CanonDigits is the ASCII digits alone, for numbers that people write with separators (cards, accounts).
func CanonDigits(dst, raw []byte) ([]byte, error) {
	from := len(dst)
	for _, c := range raw {
		if c >= '0' && c <= '9' {
			dst = append(dst, c)
		}
	}
	if len(dst) == from {
		return dst, errNoDigits
	}
	return dst, nil
}

// CanonUUID is 32 lower-case hexadecimal digits with hyphens at the usual places. It reads them in upper case, without
// hyphens and in braces too.
func CanonUUID(dst, raw []byte) ([]byte, error) {
	raw = Trim(raw)
	if len(raw) == 38 && raw[0] == '{' && raw[37] == '}' {
		raw = raw[1:37]
	}
	hyphens := len(raw) == 36
	if !hyphens && len(raw) != 32 {
		return dst, errNotUUID
	}
	from := len(dst)
	for i, c := range raw {
		if hyphens && (i == 8 || i == 13 || i == 18 || i == 23) {
			if c != '-' {
				return dst[:from], errNotUUID
			}
			continue
		}
		c = lowerASCII(c)
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return dst[:from], errNotUUID
		}
		switch len(dst) - from {
		case 8, 13, 18, 23:
			dst = append(dst, '-')
		}
		dst = append(dst, c)
	}
	return dst, nil
}

// Trim cuts ASCII white space from both ends.
func Trim(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'
}

func lowerASCII(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}
