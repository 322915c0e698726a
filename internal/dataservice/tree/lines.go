package tree

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/zeebo/blake3"
)

// block is the unit in which archives are laid out.
const block = 512

// headersAtMost bounds what is held of one entry's headers: more than any path and link target of a file system need.
const headersAtMost = 1 << 20

// Lines turns the bytes of an archive, written in pieces of any size, into the canonical lines of its entries. It holds
// the headers of one entry, never content. It is an io.Writer, and not safe for concurrent use.
type Lines struct {
	out     io.Writer
	state   lineState
	headers []byte // of the entry to come, whole blocks
	partial []byte // of a block of headers
	left    int64  // bytes of the state still to come
	padding int64  // zeros after the content of the entry

	entry Entry
	order order
	hash  *blake3.Hasher
	line  []byte
	err   error
}

type lineState int

const (
	inHeader   lineState = iota // the next block is a header
	inExtended                  // left bytes of an extended header
	inContent                   // left bytes of content
	inPadding                   // left bytes behind content
	atEnd                       // only zeros may follow, and left of them must
)

// NewLines returns Lines that writes to out, which gets one line with each Write.
func NewLines(out io.Writer) *Lines { return &Lines{out: out, hash: blake3.New()} }

// Write takes the next bytes of the archive. An error stays: ErrInvalid, or that of the writer of lines.
func (l *Lines) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && l.err == nil {
		p = p[l.take(p):]
	}
	return n - len(p), l.err
}

// Close reports whether the archive has come to its end.
func (l *Lines) Close() error {
	if l.err == nil && (l.state != atEnd || l.left > 0) {
		return fmt.Errorf("%w: it was cut", ErrInvalid)
	}
	return l.err
}

// take consumes some bytes of p, at least one, and returns how many.
func (l *Lines) take(p []byte) int {
	switch l.state {
	case inHeader, inExtended:
		n := min(len(p), block-len(l.partial))
		if l.partial = append(l.partial, p[:n]...); len(l.partial) == block {
			l.err = l.header(l.partial)
			l.partial = l.partial[:0]
		}
		return n
	case inContent:
		n := int(min(int64(len(p)), l.left))
		_, _ = l.hash.Write(p[:n]) // never fails
		if l.left -= int64(n); l.left == 0 {
			l.err = l.entryEnds()
		}
		return n
	case inPadding:
		n := int(min(int64(len(p)), l.left))
		if l.left -= int64(n); l.left == 0 {
			l.state = inHeader
		}
		return n
	}
	if i := bytes.IndexFunc(p, func(r rune) bool { return r != 0 }); i >= 0 {
		l.err = fmt.Errorf("%w: something follows its end", ErrInvalid)
	}
	l.left -= int64(len(p))
	return len(p)
}

// header takes a whole block of headers.
func (l *Lines) header(b []byte) error {
	if l.state == inHeader && len(l.headers) == 0 && isZero(b) {
		l.state, l.left = atEnd, block // the end is two blocks of zeros
		return nil
	}
	if len(l.headers)+len(b) > headersAtMost {
		return fmt.Errorf("%w: a header of more than %d bytes", ErrInvalid, headersAtMost)
	}
	l.headers = append(l.headers, b...)
	if l.state == inExtended {
		if l.left -= block; l.left <= 0 {
			l.state = inHeader
		}
		return nil
	}
	if extended(b) {
		size, err := octal(b[124:136])
		if err != nil {
			return err
		}
		if size > 0 {
			l.state, l.left = inExtended, size
		}
		return nil
	}
	return l.entryBegins()
}

// entryBegins reads the headers of an entry, which are all there.
func (l *Lines) entryBegins() error {
	h, err := tar.NewReader(bytes.NewReader(l.headers)).Next()
	l.headers = l.headers[:0]
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if l.entry, err = entryOf(h); err == nil {
		err = l.order.next(l.entry.Path)
	}
	if err != nil {
		return err
	}
	l.hash.Reset()
	l.padding = -l.entry.Size & (block - 1)
	if l.state, l.left = inContent, l.entry.Size; l.left == 0 {
		return l.entryEnds()
	}
	return nil
}

func (l *Lines) entryEnds() error {
	var d Digest
	l.hash.Sum(d[:0])
	l.line = AppendLine(l.line[:0], &l.entry, d)
	if l.state, l.left = inPadding, l.padding; l.left == 0 {
		l.state = inHeader
	}
	_, err := l.out.Write(l.line)
	return err
}

// extended reports whether a header belongs to the entry that follows it.
func extended(b []byte) bool {
	const typeflag = 156
	return b[typeflag] == tar.TypeXHeader
}

// octal reads a number of a header.
func octal(b []byte) (int64, error) {
	var n int64
	for _, c := range bytes.Trim(b, " \x00") {
		if c < '0' || c > '7' {
			return 0, fmt.Errorf("%w: a number in a header", ErrInvalid)
		}
		n = n<<3 | int64(c-'0')
	}
	if n > headersAtMost {
		return 0, fmt.Errorf("%w: a header of more than %d bytes", ErrInvalid, headersAtMost)
	}
	return n, nil
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
