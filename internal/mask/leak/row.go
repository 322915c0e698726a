package leak

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// rowReader reads rows of COPY text.
type rowReader struct {
	r      *bufio.Reader
	maxRow int
	line   []byte
	cells  []cell
	n      int64
}

// cell is one value. raw is valid until the next row.
type cell struct {
	raw  []byte
	null bool
}

var errCut = errors.New("the last row has no newline: the stream was cut")

func newRowReader(r io.Reader, maxRow int) *rowReader {
	return &rowReader{r: bufio.NewReaderSize(r, 1<<18), maxRow: maxRow}
}

// next reads a row with the given number of columns, or returns io.EOF.
func (r *rowReader) next(columns int) ([]cell, error) {
	if err := r.readLine(); err != nil {
		return nil, err
	}
	r.n++
	r.cells = r.cells[:0]
	rest := r.line
	for len(r.cells) < columns {
		field, after, more := bytes.Cut(rest, []byte{'\t'})
		r.cells = append(r.cells, decode(field))
		if rest = after; !more {
			break
		}
		if len(r.cells) == columns {
			return nil, fmt.Errorf("row %d has more than %d columns", r.n, columns)
		}
	}
	if len(r.cells) != columns || (columns == 0 && len(rest) > 0) {
		return nil, fmt.Errorf("row %d has %d columns, want %d", r.n, len(r.cells), columns)
	}
	return r.cells, nil
}

func (r *rowReader) readLine() error {
	r.line = r.line[:0]
	for {
		part, err := r.r.ReadSlice('\n')
		r.line = append(r.line, part...)
		switch {
		case err == nil:
			r.line = r.line[:len(r.line)-1]
			return nil
		case len(r.line) > r.maxRow:
			return fmt.Errorf("row %d has more than %d bytes", r.n+1, r.maxRow)
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(r.line) > 0:
			return errCut
		default:
			return err
		}
	}
}

// decode takes the escapes out of a field, in place: a value is never longer than its field.
func decode(field []byte) cell {
	at := bytes.IndexByte(field, '\\')
	if at < 0 {
		return cell{raw: field}
	}
	if string(field) == `\N` {
		return cell{null: true}
	}
	out := field[:at]
	for i := at; i < len(field); i++ {
		if field[i] != '\\' || i+1 == len(field) {
			out = append(out, field[i])
			continue
		}
		i++
		c, extra := escaped(field[i:])
		out = append(out, c)
		i += extra
	}
	return cell{raw: out}
}

// escaped reads what stands behind a backslash and returns how many bytes it takes beyond the first.
func escaped(b []byte) (c byte, extra int) {
	if at := bytes.IndexByte([]byte("bfnrtv"), b[0]); at >= 0 {
		return "\b\f\n\r\t\v"[at], 0
	}
	if b[0] >= '0' && b[0] <= '7' {
		n := 0
		for ; n < 3 && n < len(b) && b[n] >= '0' && b[n] <= '7'; n++ {
			c = c*8 + b[n] - '0'
		}
		return c, n - 1
	}
	if b[0] == 'x' {
		n := 1
		for ; n < 3 && n < len(b); n++ {
			digit := bytes.IndexByte([]byte("0123456789abcdef"), b[n]|0x20)
			if digit < 0 {
				break
			}
			c = c*16 + byte(digit)
		}
		if n > 1 {
			return c, n - 1
		}
	}
	return b[0], 0
}
