// Package copytext reads and writes the text format of PostgreSQL's COPY, a row and a cell at a time, without copying
// what need not change.
//
// A row is a line. Cells are separated by tabs; a cell that is exactly \N is NULL; within a cell, a backslash begins an
// escape, and tabs, newlines, carriage returns and backslashes only ever appear escaped. A raw newline therefore always
// ends a row, and a raw tab always ends a cell.
package copytext

import (
	"bytes"
	"errors"
	"fmt"
)

// Null is a cell that is NULL.
const Null = `\N`

// Fields appends the cells of a row, still escaped, to dst and returns it. The cells share the row's memory. A row of a
// table without columns is empty and yields one empty cell: ask the number of columns first.
func Fields(row []byte, dst [][]byte) [][]byte {
	for {
		i := bytes.IndexByte(row, '\t')
		if i < 0 {
			return append(dst, row)
		}
		dst = append(dst, row[:i])
		row = row[i+1:]
	}
}

// IsNull reports whether a cell is NULL.
func IsNull(field []byte) bool { return string(field) == Null }

// ErrEscape: a cell ends within an escape.
var ErrEscape = errors.New("the cell ends within an escape")

// Unescape returns the value of a cell, and whether it is NULL. The value shares the cell's memory when there is nothing
// to unescape; otherwise it is written to dst[:0], which grows as needed, and belongs to the caller. A cell of a NULL has
// the value nil.
//
// As in PostgreSQL, \b \f \n \r \t \v stand for control characters, \ and one to three octal digits or \x and one or two
// hexadecimal digits for a byte, and \ before any other character for that character.
func Unescape(dst, field []byte) (value []byte, null bool, err error) {
	if IsNull(field) {
		return nil, true, nil
	}
	i := bytes.IndexByte(field, '\\')
	if i < 0 {
		return field, false, nil
	}
	dst = dst[:0]
	for {
		dst = append(dst, field[:i]...)
		field = field[i+1:]
		if len(field) == 0 {
			return nil, false, ErrEscape
		}
		c, n := escaped(field)
		dst = append(dst, c)
		field = field[n:]
		if i = bytes.IndexByte(field, '\\'); i < 0 {
			return append(dst, field...), false, nil
		}
	}
}

// escaped reads what comes after a backslash: which byte it means and how many bytes it takes.
func escaped(s []byte) (c byte, n int) {
	switch s[0] {
	case 'b':
		return '\b', 1
	case 'f':
		return '\f', 1
	case 'n':
		return '\n', 1
	case 'r':
		return '\r', 1
	case 't':
		return '\t', 1
	case 'v':
		return '\v', 1
	case 'x':
		for n = 1; n < len(s) && n <= 2; n++ {
			d, ok := hexDigit(s[n])
			if !ok {
				break
			}
			c = c<<4 | d
		}
		if n == 1 {
			return 'x', 1
		}
		return c, n
	case '0', '1', '2', '3', '4', '5', '6', '7':
		for n = 0; n < len(s) && n < 3 && s[n] >= '0' && s[n] <= '7'; n++ {
			c = c<<3 | (s[n] - '0') // beyond \377 the server drops the high bit too
		}
		return c, n
	}
	return s[0], 1
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// special are the bytes that Escape writes as escapes, and the letter of each.
var special = [256]byte{'\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't', '\v': 'v'}

// Escape appends a value as a cell to dst, written as PostgreSQL writes it. The value must not share memory with dst.
func Escape(dst, value []byte) []byte {
	start := 0
	for i, c := range value {
		if e := special[c]; e != 0 {
			dst = append(dst, value[start:i]...)
			dst = append(dst, '\\', e)
			start = i + 1
		}
	}
	return append(dst, value[start:]...)
}

// AppendRow appends a row of cells, escaped already, with its newline.
func AppendRow(dst []byte, fields [][]byte) []byte {
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, '\t')
		}
		dst = append(dst, f...)
	}
	return append(dst, '\n')
}

// CheckFields returns an error unless a row has as many cells as there are columns. It tells no value.
func CheckFields(fields [][]byte, columns int) error {
	if len(fields) == columns || columns == 0 && len(fields) == 1 && len(fields[0]) == 0 {
		return nil
	}
	return fmt.Errorf("the row has %d cells, and the table %d columns", len(fields), columns)
}
