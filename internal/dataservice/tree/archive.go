package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
)

// Writer writes an archive. It is not safe for concurrent use.
type Writer struct {
	tar   *tar.Writer
	order order
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{tar: tar.NewWriter(w)} }

// Add begins an entry. A file's content, exactly Size bytes, follows through Write. Errors of the underlying writer keep
// their chain.
func (w *Writer) Add(e Entry) error {
	h, err := e.header()
	if err != nil {
		return err
	}
	if _, err := entryOf(h); err != nil {
		return err
	}
	if err := w.order.next(e.Path); err != nil {
		return err
	}
	if err := w.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("write the header of %q: %w", ID(e.Path), err)
	}
	return nil
}

// Write writes content of the last file added. More than its Size is an error.
func (w *Writer) Write(p []byte) (int, error) { return w.tar.Write(p) }

// Close ends the archive, and fails when the last file is incomplete. It does not close the underlying writer.
func (w *Writer) Close() error { return w.tar.Close() }

// Reader reads an archive. It is not safe for concurrent use.
type Reader struct {
	tar   *tar.Reader
	in    *asked
	order order
}

// NewReader returns a Reader of r.
func NewReader(r io.Reader) *Reader {
	in := &asked{r: r}
	return &Reader{tar: tar.NewReader(in), in: in}
}

// asked is a reader that notes whether more was asked of it than there is. The end of an archive is marked, and nobody who
// has seen the mark reads on.
type asked struct {
	r       io.Reader
	tooMuch bool
}

func (a *asked) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	if errors.Is(err, io.EOF) {
		if n > 0 {
			return n, nil
		}
		a.tooMuch = true
	}
	return n, err
}

// Next returns the next entry, whose content follows through Read, or io.EOF after the last. What is not an archive as
// Writer makes it is an error with ErrInvalid in its chain; errors of the underlying reader keep theirs.
func (r *Reader) Next() (Entry, error) {
	h, err := r.tar.Next()
	switch {
	case errors.Is(err, io.EOF) && r.in.tooMuch:
		return Entry{}, fmt.Errorf("%w: it was cut", ErrInvalid)
	case errors.Is(err, tar.ErrHeader) || errors.Is(err, tar.ErrInsecurePath) || errors.Is(err, io.ErrUnexpectedEOF):
		return Entry{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	case err != nil:
		return Entry{}, err
	}
	e, err := entryOf(h)
	if err == nil {
		err = r.order.next(e.Path)
	}
	return e, err
}

// Read reads content of the entry that Next returned.
func (r *Reader) Read(p []byte) (int, error) { return r.tar.Read(p) }
