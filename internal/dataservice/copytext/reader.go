package copytext

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// MaxRow is the longest row that a reader takes unless told otherwise, in bytes with escapes: 256 MiB, within the GiB that
// a server takes for one value.
const MaxRow = 256 << 20

// Errors of a Reader.
var (
	// ErrRowTooLong: a row is longer than the limit.
	ErrRowTooLong = errors.New("the row is too long")
	// ErrCut: the stream ends within a row.
	ErrCut = errors.New("the last row has no newline: the stream was cut")
)

// Reader yields the rows of a stream. It is not safe for concurrent use.
type Reader struct {
	r     *bufio.Reader
	limit int
	long  []byte // a row that does not fit into the reader's buffer
	rows  int64
}

// NewReader returns a reader of rows of at most limit bytes; a limit of 0 stands for MaxRow. Memory grows with the longest
// row that comes, not with the limit.
func NewReader(r io.Reader, limit int) *Reader {
	if limit <= 0 {
		limit = MaxRow
	}
	return &Reader{r: bufio.NewReaderSize(r, 256<<10), limit: limit}
}

// Next returns the next row without its newline, valid until the next call, or io.EOF. Its errors tell the number of the
// row, from 1, and no value.
func (r *Reader) Next() ([]byte, error) {
	row, err := r.r.ReadSlice('\n')
	if err == nil && len(row)-1 <= r.limit {
		r.rows++
		return row[:len(row)-1], nil
	}
	r.long = r.long[:0]
	for {
		if len(row) > r.limit+1-len(r.long) {
			return nil, fmt.Errorf("row %d: %w: more than %d bytes", r.rows+1, ErrRowTooLong, r.limit)
		}
		r.long = append(r.long, row...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			break
		}
		row, err = r.r.ReadSlice('\n')
	}
	switch {
	case err == nil:
		r.rows++
		return r.long[:len(r.long)-1], nil
	case errors.Is(err, io.EOF) && len(r.long) == 0:
		return nil, io.EOF
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("row %d: %w", r.rows+1, ErrCut)
	}
	return nil, fmt.Errorf("read row %d: %w", r.rows+1, err)
}

// Rows is how many rows Next returned.
func (r *Reader) Rows() int64 { return r.rows }
