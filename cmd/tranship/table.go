package main

import (
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// table is a result for people: columns under a header, aligned and cut to the width of the terminal.
type table struct {
	header []string
	rows   [][]string
	empty  string // what is said when there are no rows
}

func newTable(header ...string) *table { return &table{header: header} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// gap is between two columns.
const gap = 2

// narrowest is what a column keeps of a narrow terminal.
const narrowest = 12

// write prints the table. With a width, columns are cut so that lines fit into it; zero means no limit.
func (t *table) write(w io.Writer, width int, p palette) error {
	if len(t.rows) == 0 && t.empty != "" {
		_, err := io.WriteString(w, t.empty+"\n")
		return err
	}
	widths := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	if width > 0 {
		fit(widths, width)
	}
	var out strings.Builder
	for i, row := range append([][]string{t.header}, t.rows...) {
		line := alignRow(row, widths)
		if i == 0 {
			line = p.bold(line)
		}
		out.WriteString(line + "\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// fit narrows columns until a line has no more than width characters: the last column first, which explains the others,
// then the widest. The first is never cut: a name that cannot be copied is worth nothing.
func fit(widths []int, width int) {
	excess := gap*(len(widths)-1) - width
	for _, n := range widths {
		excess += n
	}
	narrow := func(i int) {
		by := max(0, min(excess, widths[i]-narrowest))
		widths[i] -= by
		excess -= by
	}
	narrow(len(widths) - 1)
	for excess > 0 && len(widths) > 1 {
		widest := 1
		for i := range widths[1:] {
			if widths[i+1] > widths[widest] {
				widest = i + 1
			}
		}
		if widths[widest] <= narrowest {
			return
		}
		narrow(widest)
	}
}

func alignRow(row []string, widths []int) string {
	var line strings.Builder
	for i, cell := range row {
		cell = cut(oneLine(cell), widths[i])
		line.WriteString(cell)
		if i < len(row)-1 {
			line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+gap))
		}
	}
	return strings.TrimRight(line.String(), " ")
}

// oneLine keeps what came from elsewhere from moving the cursor.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// cut shortens a text to n characters.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return string(r[:n-1]) + "…"
}

// width returns the columns of the terminal that results go to, or 0.
func (m *Main) width() int {
	if f := fileOf(m.Stdout); f != nil {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil {
			return n
		}
		return 0
	}
	n, _ := strconv.Atoi(m.env("COLUMNS"))
	return n
}

// palette colours text, when it is on.
type palette struct{ on bool }

func (p palette) paint(code, s string) string {
	if !p.on || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p palette) red(s string) string  { return p.paint("31", s) }
func (p palette) bold(s string) string { return p.paint("1", s) }
func (p palette) dim(s string) string  { return p.paint("2", s) }
