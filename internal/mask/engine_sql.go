package mask

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/tranship/tranship/internal/fault"
)

// maxStatement is the most bytes of one statement in a script of definitions.
const maxStatement = 64 << 20

// removed matches statements whose only content is what people wrote about the data, or credentials of the source.
var removed = regexp.MustCompile(`(?is)^\s*(COMMENT\s+ON|SECURITY\s+LABEL|(CREATE|ALTER)\s+USER\s+MAPPING|CREATE\s+SUBSCRIPTION)\b`)

// maskSQL copies a script of definitions without comments, neither COMMENT ON nor those of the script itself, which may
// quote data, and without the passwords for other servers that user mappings and subscriptions hold. Everything else passes: definitions are the structure that a target needs.
func maskSQL(ctx context.Context, r io.Reader, w io.Writer, o RunOptions, report *UnitReport) error {
	in := sqlScanner{r: bufio.NewReaderSize(r, 1<<16)}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		statement, err := in.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("statement %d: %w", report.Rows+1, err)
		}
		report.Rows++
		if removed.Match(statement) {
			report.Dropped++
			continue
		}
		if _, err := w.Write(statement); err != nil {
			return fmt.Errorf("writing definitions: %w", err)
		}
		o.Progress(1)
	}
}

// sqlScanner cuts a script into statements, each with what ends it, and takes comments out.
type sqlScanner struct {
	r   *bufio.Reader
	buf []byte
}

// next returns the next statement up to its semicolon and the white space behind it, or the rest. The slice is valid until
// the next call.
func (s *sqlScanner) next() ([]byte, error) {
	s.buf = s.buf[:0]
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return s.end(err)
		}
		switch c {
		case ';':
			s.buf = append(s.buf, c)
			s.blank()
			return s.buf, nil
		case '\'':
			err = s.quoted(c, s.escapes())
		case '"':
			err = s.quoted(c, false)
		case '$':
			err = s.dollar()
		case '-':
			if s.follows('-') {
				err = s.lineComment()
			} else {
				s.buf = append(s.buf, c)
			}
		case '/':
			if s.follows('*') {
				err = s.blockComment()
			} else {
				s.buf = append(s.buf, c)
			}
		default:
			s.buf = append(s.buf, c)
		}
		if err != nil {
			return nil, cut(err)
		}
		if len(s.buf) > maxStatement {
			return nil, fault.New(fault.Permanent, "mask.statement-size", "a statement has more than %d bytes", maxStatement)
		}
	}
}

func (s *sqlScanner) end(err error) ([]byte, error) {
	if !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(bytes.TrimSpace(s.buf)) == 0 {
		return nil, io.EOF
	}
	return s.buf, nil
}

func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the script ends within a quoted text or a comment")
	}
	return err
}

func (s *sqlScanner) follows(c byte) bool {
	next, err := s.r.Peek(1)
	return err == nil && next[0] == c
}

// blank takes the white space up to the end of the line. An error of the reader is met again by whoever reads next.
func (s *sqlScanner) blank() {
	for {
		next, _ := s.r.Peek(1)
		if len(next) == 0 {
			return
		}
		if c := next[0]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return
		}
		c, _ := s.r.ReadByte()
		s.buf = append(s.buf, c)
		if c == '\n' {
			return
		}
	}
}

// escapes reports whether the quote at hand opens an E'…' text, in which a backslash escapes.
func (s *sqlScanner) escapes() bool {
	n := len(s.buf)
	if n == 0 || (s.buf[n-1] != 'E' && s.buf[n-1] != 'e') {
		return false
	}
	return n == 1 || !isWord(s.buf[n-2])
}

// isWord reports whether a byte can be part of an unquoted identifier.
func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// quoted copies up to the closing quote. A doubled quote closes one text and opens the next, which is just as well.
func (s *sqlScanner) quoted(quote byte, escapes bool) error {
	s.buf = append(s.buf, quote)
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return err
		}
		s.buf = append(s.buf, c)
		switch {
		case c == '\\' && escapes:
			if c, err = s.r.ReadByte(); err != nil {
				return err
			}
			s.buf = append(s.buf, c)
		case c == quote:
			if !escapes || !s.follows(quote) {
				return nil
			}
			_, _ = s.r.ReadByte()
			s.buf = append(s.buf, quote)
		}
		if len(s.buf) > maxStatement {
			return nil // the caller refuses it
		}
	}
}

// dollar copies a $tag$…$tag$ text, or just the dollar sign when it opens none.
func (s *sqlScanner) dollar() error {
	inWord := len(s.buf) > 0 && isWord(s.buf[len(s.buf)-1])
	s.buf = append(s.buf, '$')
	if inWord {
		return nil
	}
	ahead, _ := s.r.Peek(64)
	n := 0
	for n < len(ahead) && isWord(ahead[n]) && ahead[n] != '$' {
		n++
	}
	if n == len(ahead) || ahead[n] != '$' || (n > 0 && ahead[0] >= '0' && ahead[0] <= '9') {
		return nil
	}
	tag := append([]byte{'$'}, ahead[:n+1]...)
	start := len(s.buf) + n + 1
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return err
		}
		s.buf = append(s.buf, c)
		if c == '$' && len(s.buf)-len(tag) >= start && bytes.HasSuffix(s.buf, tag) || len(s.buf) > maxStatement {
			return nil
		}
	}
}

// lineComment leaves out up to the end of the line, which stays.
func (s *sqlScanner) lineComment() error {
	for {
		next, err := s.r.Peek(1)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if next[0] == '\n' {
			return nil
		}
		_, _ = s.r.ReadByte()
	}
}

// blockComment leaves out up to the matching end: such comments nest. A space stands for it, as for the parser.
func (s *sqlScanner) blockComment() error {
	_, _ = s.r.ReadByte()
	s.buf = append(s.buf, ' ')
	for depth := 1; depth > 0; {
		c, err := s.r.ReadByte()
		if err != nil {
			return err
		}
		switch {
		case c == '*' && s.follows('/'):
			_, _ = s.r.ReadByte()
			depth--
		case c == '/' && s.follows('*'):
			_, _ = s.r.ReadByte()
			depth++
		}
	}
	return nil
}
