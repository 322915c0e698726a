package postgres

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// statementAtMost bounds the memory that one statement of a schema takes.
const statementAtMost = 64 << 20

// statements splits a script as pg_dump writes it: with standard_conforming_strings, without psql's commands and without
// data. It knows quotes, dollar quotes, comments, parentheses and the bodies of SQL-standard functions, which hold
// semicolons of their own.
type statements struct {
	r *bufio.Reader
	b strings.Builder // the statement so far, without comments before it

	parens int
	words  []string // the first words, in lower case: CREATE OR REPLACE FUNCTION
	begins int      // depth of BEGIN … END in a function's body
}

func splitStatements(r io.Reader) *statements {
	return &statements{r: bufio.NewReaderSize(r, 64<<10)}
}

// next returns the next statement without its semicolon, or io.EOF.
func (s *statements) next() (string, error) {
	s.b.Reset()
	s.parens, s.words, s.begins = 0, s.words[:0], 0
	for {
		c, err := s.r.ReadByte()
		if errors.Is(err, io.EOF) {
			if text := strings.TrimSpace(s.b.String()); text != "" {
				return text, nil
			}
			return "", io.EOF
		}
		if err != nil {
			return "", fmt.Errorf("read the script: %w", err)
		}
		if c == ';' && s.parens <= 0 && s.begins == 0 {
			if text := strings.TrimSpace(s.b.String()); text != "" {
				return text, nil
			}
			s.b.Reset()
			continue
		}
		if err := s.token(c); err != nil {
			return "", err
		}
		if s.b.Len() > statementAtMost {
			return "", permanent("script.invalid", "a statement of the schema is longer than %d bytes", statementAtMost)
		}
	}
}

// token takes in the token that begins with c.
func (s *statements) token(c byte) error {
	switch {
	case c == '-' && s.peek() == '-':
		return s.lineComment()
	case c == '/' && s.peek() == '*':
		return s.blockComment()
	case c == '\'' || c == '"':
		s.b.WriteByte(c)
		return s.quoted(c, false)
	case c == '$':
		s.b.WriteByte(c)
		return s.dollar()
	case wordStart(c):
		return s.word(c)
	case c == '(':
		s.parens++
	case c == ')':
		s.parens--
	}
	s.b.WriteByte(c)
	return nil
}

func (s *statements) peek() byte {
	p, err := s.r.Peek(1)
	if err != nil {
		return 0
	}
	return p[0]
}

// lineComment drops a comment and leaves the end of its line.
func (s *statements) lineComment() error {
	for {
		c, err := s.r.ReadByte()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the script: %w", err)
		}
		if c == '\n' {
			s.b.WriteByte('\n')
			return nil
		}
	}
}

// blockComment drops a comment, which may hold others.
func (s *statements) blockComment() error {
	depth := 0
	last := byte('/')
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return unclosed(err, "comment")
		}
		switch {
		case last == '/' && c == '*':
			depth++
			c = 0 // the star opens and does not also close
		case last == '*' && c == '/':
			if depth--; depth == 0 {
				s.b.WriteByte(' ')
				return nil
			}
			c = 0
		}
		last = c
	}
}

// quoted takes in the rest of a constant or identifier. A doubled quote ends it and begins the next, which is the same.
func (s *statements) quoted(quote byte, escapes bool) error {
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return unclosed(err, "quote")
		}
		s.b.WriteByte(c)
		if escapes && c == '\\' {
			if c, err = s.r.ReadByte(); err != nil {
				return unclosed(err, "quote")
			}
			s.b.WriteByte(c)
			continue
		}
		if c == quote {
			if escapes && s.peek() == quote { // the doubled quote of an E'' constant stays in it
				_, _ = s.r.ReadByte()
				s.b.WriteByte(quote)
				continue
			}
			return nil
		}
		if s.b.Len() > statementAtMost {
			return nil
		}
	}
}

// dollar takes in a constant in dollar quotes, or a parameter like $1.
func (s *statements) dollar() error {
	tag := []byte{'$'}
	for {
		c := s.peek()
		if c != '$' && !wordStart(c) && (len(tag) == 1 || !digit(c)) {
			return nil // not a quote
		}
		_, _ = s.r.ReadByte()
		s.b.WriteByte(c)
		tag = append(tag, c)
		if c == '$' {
			break
		}
	}
	matched := 0
	for matched < len(tag) {
		c, err := s.r.ReadByte()
		if err != nil {
			return unclosed(err, "dollar quote")
		}
		s.b.WriteByte(c)
		switch c {
		case tag[matched]:
			matched++
		case '$':
			matched = 1
		default:
			matched = 0
		}
		if s.b.Len() > statementAtMost {
			return nil
		}
	}
	return nil
}

// word takes in a word. It may turn out to be the prefix of a constant with escapes.
func (s *statements) word(c byte) error {
	word := []byte{c}
	for c := s.peek(); wordStart(c) || digit(c) || c == '$'; c = s.peek() {
		_, _ = s.r.ReadByte()
		word = append(word, c)
	}
	s.b.Write(word)
	lower := strings.ToLower(string(word))
	if lower == "e" && s.peek() == '\'' {
		c, _ := s.r.ReadByte()
		s.b.WriteByte(c)
		return s.quoted('\'', true)
	}
	if len(s.words) < 4 {
		s.words = append(s.words, lower)
	}
	if s.parens == 0 && s.routine() {
		switch lower {
		case "begin":
			s.begins++
		case "case":
			if s.begins > 0 {
				s.begins++
			}
		case "end":
			if s.begins > 0 {
				s.begins--
			}
		}
	}
	return nil
}

// routine reports whether the statement creates a function or procedure.
func (s *statements) routine() bool {
	w := s.words
	if len(w) >= 4 && w[1] == "or" && w[2] == "replace" {
		w = append([]string{w[0]}, w[3])
	}
	return len(w) >= 2 && w[0] == "create" && (w[1] == "function" || w[1] == "procedure")
}

func unclosed(err error, what string) error {
	if errors.Is(err, io.EOF) {
		return permanent("script.invalid", "the script of the schema ends within a %s", what)
	}
	return fmt.Errorf("read the script: %w", err)
}

func wordStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
