package date

import (
	"time"

	"github.com/tranship/tranship/internal/mask"
)

// maxDigits bounds the year: PostgreSQL's last date is in the year 5874897.
const maxDigits = 7

// firstDay is PostgreSQL's first date, 4714-11-24 BC, in days since 1970-01-01.
const firstDay = -2440588

var (
	errNotDate = mask.Invalid("it is not a date in the format of the column")
	errTooOld  = mask.Invalid("a date this old cannot be moved into the past")
	errSubject = mask.Invalid("the row names no subject to move the date by")
)

// parsed is a date taken apart.
type parsed struct {
	days  int64  // since 1970-01-01 in the proleptic Gregorian calendar
	clock []byte // time of day and zone as written, with the separator before them
	bc    bool   // the text has an era
}

// parseISO reads YYYY-MM-DD with four or more digits of year, an optional time of day with fraction and zone, and an
// optional " BC", as PostgreSQL writes them and RFC 3339 does.
func parseISO(raw []byte) (parsed, bool) {
	var p parsed
	rest := raw
	if n := len(rest); n > 3 && rest[n-3] == ' ' && rest[n-2] == 'B' && rest[n-1] == 'C' {
		p.bc = true
		rest = rest[:n-3]
	}
	width := 0
	for width < len(rest) && isDigit(rest[width]) {
		width++
	}
	if width < 4 || width > maxDigits || len(rest) < width+6 || rest[width] != '-' || rest[width+3] != '-' {
		return p, false
	}
	y := number(rest[:width])
	m, okMonth := twoDigits(rest[width+1:])
	d, okDay := twoDigits(rest[width+4:])
	if !okMonth || !okDay || y == 0 {
		return p, false
	}
	if p.bc {
		y = 1 - y
	}
	p.clock = rest[width+6:]
	if !validDay(y, m, d) || !validClock(p.clock) {
		return p, false
	}
	p.days = daysOf(y, m, d)
	return p, true
}

// appendISO writes p with another day.
func (p parsed) appendISO(dst []byte, days int64) []byte {
	y, m, d := civil(days)
	bc := y <= 0
	if bc {
		y = 1 - y
	}
	dst = appendNumber(dst, y, 4)
	dst = append(dst, '-')
	dst = appendNumber(dst, m, 2)
	dst = append(dst, '-')
	dst = appendNumber(dst, d, 2)
	dst = append(dst, p.clock...)
	if bc {
		dst = append(dst, " BC"...)
	}
	return dst
}

// validClock accepts nothing, or [ T]HH:MM[:SS[.f…]] with an optional zone Z, ±HH, ±HHMM, ±HH:MM or ±HH:MM:SS.
func validClock(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if b[0] != ' ' && b[0] != 'T' {
		return false
	}
	b = b[1:]
	hour, ok := twoDigits(b)
	if !ok || hour > 24 {
		return false
	}
	b = b[2:]
	for i := range 2 {
		if len(b) == 0 || b[0] != ':' {
			if i == 0 {
				return false
			}
			break
		}
		n, ok := twoDigits(b[1:])
		if !ok || n > 60 || i == 0 && n > 59 {
			return false
		}
		b = b[3:]
	}
	if len(b) > 1 && b[0] == '.' && isDigit(b[1]) {
		for b = b[1:]; len(b) > 0 && isDigit(b[0]); {
			b = b[1:]
		}
	}
	return validZone(b)
}

func validZone(b []byte) bool {
	if len(b) == 0 || len(b) == 1 && b[0] == 'Z' {
		return true
	}
	if b[0] != '+' && b[0] != '-' {
		return false
	}
	b = b[1:]
	for i := range 3 {
		if i > 0 && len(b) > 0 && b[0] == ':' {
			b = b[1:]
		}
		if _, ok := twoDigits(b); !ok {
			return false
		}
		if b = b[2:]; len(b) == 0 {
			return true
		}
	}
	return false
}

// layout is a date of fixed width in digits, such as DD.MM.YYYY.
type layout string

// layouts are the values of Column.Format besides ISO.
var layouts = []layout{"DD.MM.YYYY", "DD/MM/YYYY", "MM/DD/YYYY", "DD-MM-YYYY", "YYYY/MM/DD", "YYYYMMDD"}

func (l layout) parse(raw []byte) (int64, bool) {
	if len(raw) != len(l) {
		return 0, false
	}
	var y, m, d int64
	for i, c := range raw {
		digit := int64(c - '0')
		switch l[i] {
		case 'Y':
			y = y*10 + digit
		case 'M':
			m = m*10 + digit
		case 'D':
			d = d*10 + digit
		default:
			if c != l[i] {
				return 0, false
			}
			continue
		}
		if !isDigit(c) {
			return 0, false
		}
	}
	if y == 0 || !validDay(y, m, d) {
		return 0, false
	}
	return daysOf(y, m, d), true
}

func (l layout) append(dst []byte, days int64) ([]byte, bool) {
	y, m, d := civil(days)
	if y < 1 || y > 9999 {
		return dst, false
	}
	for i := 0; i < len(l); {
		switch l[i] {
		case 'Y':
			dst = appendNumber(dst, y, 4)
			i += 4
		case 'M':
			dst = appendNumber(dst, m, 2)
			i += 2
		case 'D':
			dst = appendNumber(dst, d, 2)
			i += 2
		default:
			dst = append(dst, l[i])
			i++
		}
	}
	return dst, true
}

// daysOf counts days since 1970-01-01; year 0 is 1 BC. The year is counted from March, so that the leap day is its last.
func daysOf(y, m, d int64) int64 {
	if m <= 2 {
		y--
	}
	era := floorDiv(y, 400)
	yoe := y - era*400
	doy := (153*((m+9)%12)+2)/5 + d - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

// civil is the inverse of daysOf.
func civil(days int64) (y, m, d int64) {
	days += 719468
	era := floorDiv(days, 146097)
	doe := days - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d = doy - (153*mp+2)/5 + 1
	m = (mp+2)%12 + 1
	y = yoe + era*400
	if m <= 2 {
		y++
	}
	return y, m, d
}

func validDay(y, m, d int64) bool {
	if m < 1 || m > 12 || d < 1 {
		return false
	}
	last := [...]int64{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[m-1]
	if m == int64(time.February) && y%4 == 0 && (y%100 != 0 || y%400 == 0) {
		last = 29
	}
	return d <= last
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func twoDigits(b []byte) (int64, bool) {
	if len(b) < 2 || !isDigit(b[0]) || !isDigit(b[1]) {
		return 0, false
	}
	return int64(b[0]-'0')*10 + int64(b[1]-'0'), true
}

func number(b []byte) int64 {
	n := int64(0)
	for _, c := range b {
		n = n*10 + int64(c-'0')
	}
	return n
}

func appendNumber(dst []byte, n int64, width int) []byte {
	var digits [20]byte
	at := len(digits)
	for n > 0 || width > 0 {
		at--
		digits[at] = byte('0' + n%10)
		n /= 10
		width--
	}
	return append(dst, digits[at:]...)
}
