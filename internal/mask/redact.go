package mask

import "unicode/utf8"

// AppendRedacted appends what is left of raw when nothing of it may remain: a value that a column of the kind accepts and
// that says only how long raw was. Text becomes one "x" per character, with line breaks kept; characters that are not
// UTF-8 count one per byte. Kinds without room for that become a constant: 0, false, the nil UUID, 1970-01-01, JSON null,
// no bytes. It reports false where no constant is sure to be accepted (KindOther): then the caller has to write NULL or
// fail.
func AppendRedacted(dst, raw []byte, kind Kind) ([]byte, bool) {
	switch kind {
	case KindText, KindVarchar, KindChar:
		return AppendCrossedOut(dst, raw), true
	case KindInt2, KindInt4, KindInt8, KindNumeric, KindFloat:
		return append(dst, '0'), true
	case KindUUID:
		return append(dst, "00000000-0000-0000-0000-000000000000"...), true
	case KindDate:
		return append(dst, "1970-01-01"...), true
	case KindTimestamp:
		return append(dst, "1970-01-01 00:00:00"...), true
	case KindTimestampTZ:
		return append(dst, "1970-01-01 00:00:00+00"...), true
	case KindJSON, KindJSONB:
		return append(dst, "null"...), true
	case KindBool:
		return append(dst, 'f'), true
	case KindBytea:
		return append(dst, `\x`...), true
	default:
		return dst, false
	}
}

// AppendCrossedOut appends one "x" for each character of raw and keeps its line breaks.
func AppendCrossedOut(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		c := raw[i]
		if c < utf8.RuneSelf {
			if c != '\n' && c != '\r' {
				c = 'x'
			}
			dst = append(dst, c)
			i++
			continue
		}
		_, n := utf8.DecodeRune(raw[i:])
		dst = append(dst, 'x')
		i += n
	}
	return dst
}
