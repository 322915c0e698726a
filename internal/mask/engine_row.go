package mask

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/fault"
)

// runner masks rows, one at a time. It belongs to one goroutine.
type runner struct {
	program  *rowProgram
	cells    []cell
	fields   [][]byte
	record   Record
	subject  []byte
	siblings [][]byte // unescaped, per place
	scratch  []byte   // the cell at hand, unescaped
	escaped  []byte   // the masked cell, where it needs escapes
	unknown  map[string]Unclassified
}

// cell is the part of a runner for one column.
type cell struct {
	*columnProgram
	transformer Transformer
	constant    []byte // escaped
	count       columnCount
}

// columnCount is what a runner counts per column.
type columnCount struct {
	nullsIn, nullsOut, empty, identical, invalid, redacted int64
}

var (
	nullField   = []byte(`\N`)
	errRedact   = errors.New("the value is not valid for its mask, and its type cannot be crossed out")
	errInvalid  = errors.New("the value is not valid for its mask, and on_invalid is fail")
	errNotNull  = errors.New("the mask answers NULL, but the column is NOT NULL")
	errDropped  = fault.New(fault.Permanent, "mask.drop", "the mask drops rows, which a column's rule cannot do")
	errUnmasked = errors.New("the row's documents have paths without a rule")
)

// maxUnknown bounds how many paths without a rule are collected in one run.
const maxUnknown = 200

func newRunner(p *rowProgram) (*runner, error) {
	r := &runner{program: p, cells: make([]cell, len(p.columns)), siblings: make([][]byte, len(p.places))}
	r.record.Siblings = make([]Value, len(p.places))
	for i := range r.cells {
		c := &r.cells[i]
		c.columnProgram = &p.columns[i]
		if c.binding == nil {
			continue
		}
		switch c.binding.act {
		case actConst:
			c.constant = appendEscaped(nil, c.binding.constant)
		case actMask:
			t, err := buildTransformer(c.binding, p.deps, p.ids)
			if err != nil {
				return nil, fmt.Errorf("column %s: %w", c.name, err)
			}
			c.transformer = t
		}
	}
	return r, nil
}

func (r *runner) reset() {
	for i := range r.cells {
		r.cells[i].count = columnCount{}
	}
	clear(r.unknown)
}

// CellError says where masking failed: what and why, without the value.
type CellError struct {
	Object string
	Column string // empty when the row as a whole is wrong
	Row    int64  // ordinal in the unit, from 1
	Err    error
}

// Error names the place and the reason.
func (e *CellError) Error() string {
	return fmt.Sprintf("%s, row %d: %v", place("", e.Object, e.Column), e.Row, e.Err)
}

// Unwrap returns the reason.
func (e *CellError) Unwrap() error { return e.Err }

// mask appends the masked form of one row, which has no newline, and a newline. Errors are CellErrors without the row's
// ordinal, or errUnmasked.
func (r *runner) mask(out, row []byte) ([]byte, error) {
	if r.program.dropped {
		return out, nil
	}
	if err := r.split(row); err != nil {
		return out, err
	}
	if err := r.readRecord(); err != nil {
		return out, err
	}
	start, unmasked := len(out), false
	for i := range r.cells {
		if i > 0 {
			out = append(out, '\t')
		}
		var err error
		if out, err = r.cell(&r.cells[i], out, r.fields[i]); err != nil {
			if !r.collect(&r.cells[i], err) {
				return out[:start], r.fail(&r.cells[i], err)
			}
			unmasked = true
		}
	}
	if unmasked {
		return out[:start], errUnmasked
	}
	return append(out, '\n'), nil
}

func (r *runner) fail(c *cell, err error) error {
	return &CellError{Object: r.program.object, Column: c.name, Err: err}
}

// split finds the fields of a row. A raw tab always separates: tabs in data are written \t.
func (r *runner) split(row []byte) error {
	r.fields = r.fields[:0]
	if len(r.cells) == 0 {
		if len(row) > 0 {
			return &CellError{Object: r.program.object, Err: errors.New("the table has no columns, but the row has a value")}
		}
		return nil
	}
	for {
		i := bytes.IndexByte(row, '\t')
		if i < 0 {
			break
		}
		r.fields = append(r.fields, row[:i])
		row = row[i+1:]
	}
	r.fields = append(r.fields, row)
	if len(r.fields) != len(r.cells) {
		return &CellError{Object: r.program.object, Err: fmt.Errorf("it has %d columns, want %d", len(r.fields), len(r.cells))}
	}
	return nil
}

// readRecord fills in what masks may see of the row beside their cell.
func (r *runner) readRecord() error {
	var err error
	if at := r.program.subject; at >= 0 {
		r.record.Subject = nil
		v, buf, bad := value(r.fields[at], r.subject[:0])
		if r.subject = buf; bad != nil {
			return r.fail(&r.cells[at], bad)
		}
		// A subject that cannot be read is none: masks that need one find their value invalid.
		if !v.Null {
			if r.subject, err = r.program.canon(r.subject[:len(buf)], v.Raw); err == nil {
				r.record.Subject = r.subject[len(buf):]
			}
		}
	}
	for i, at := range r.program.places {
		if r.record.Siblings[i], r.siblings[i], err = value(r.fields[at], r.siblings[i][:0]); err != nil {
			return r.fail(&r.cells[at], err)
		}
	}
	return nil
}

// value reads a field. The value may alias the field; otherwise it was written to buf, which is returned.
func value(field, buf []byte) (Value, []byte, error) {
	at := bytes.IndexByte(field, '\\')
	if at < 0 {
		return Value{Raw: field}, buf, nil
	}
	if len(field) == 2 && field[1] == 'N' {
		return Null, buf, nil
	}
	buf, err := appendUnescaped(buf, field)
	return Value{Raw: buf}, buf, err
}

// cell appends the masked form of one field.
func (r *runner) cell(c *cell, out, field []byte) ([]byte, error) {
	b := c.binding
	isNull := len(field) == 2 && field[0] == '\\' && field[1] == 'N'
	if isNull {
		c.count.nullsIn++
	}
	switch b.act {
	case actKeep:
		if isNull {
			c.count.nullsOut++
		}
		return append(out, field...), nil
	case actNull:
		c.count.nullsOut++
		return append(out, nullField...), nil
	case actConst:
		if isNull {
			return r.null(c, out)
		}
		return append(out, c.constant...), nil
	}
	v, buf, err := value(field, r.scratch[:0])
	r.scratch = buf
	if err != nil {
		return out, err
	}
	if len(v.Raw) == 0 && !v.Null {
		c.count.empty++
	}
	from := len(out)
	if b.act == actRedact {
		if v.Null {
			return r.null(c, out)
		}
		c.count.redacted++
		out, _ = AppendRedacted(out, v.Raw, b.kind)
		return r.escape(out, from), nil
	}
	masked, err := c.transformer.Transform(out, v, &r.record)
	if err != nil {
		return r.outcome(c, out, v, err)
	}
	out = masked
	if len(v.Raw) > 0 && bytes.Equal(out[from:], v.Raw) {
		c.count.identical++
	}
	return r.escape(out, from), nil
}

func (r *runner) null(c *cell, out []byte) ([]byte, error) {
	c.count.nullsOut++
	return append(out, nullField...), nil
}

// outcome acts on what Transform returned instead of bytes.
func (r *runner) outcome(c *cell, out []byte, v Value, err error) ([]byte, error) {
	b := c.binding
	nullable := b.column.Nullable
	switch {
	case errors.Is(err, ErrNull):
		if !v.Null && !nullable {
			return out, errNotNull
		}
		return r.null(c, out)
	case errors.Is(err, ErrDrop):
		return out, errDropped
	case !errors.Is(err, ErrInvalid):
		return out, err
	}
	c.count.invalid++
	switch b.onInvalid {
	case api.OnInvalidNull:
		return r.null(c, out)
	case api.OnInvalidFail:
		return out, errInvalid
	}
	from := len(out)
	redacted, ok := AppendRedacted(out, v.Raw, b.kind)
	switch {
	case ok:
		c.count.redacted++
		return r.escape(redacted, from), nil
	case nullable:
		return r.null(c, out)
	}
	return out, errRedact
}

// escape escapes what stands in out from an index on, if it has to be.
func (r *runner) escape(out []byte, from int) []byte {
	if !needsEscape(out[from:]) {
		return out
	}
	r.escaped = append(r.escaped[:0], out[from:]...)
	return appendEscaped(out[:from], r.escaped)
}

// collect notes a path that no rule covers, and reports whether err was one: then the rest of the unit is read for more of
// them, so that one report names them all.
func (r *runner) collect(c *cell, err error) bool {
	var path *UnknownPathError
	if !errors.As(err, &path) {
		return false
	}
	if r.unknown == nil {
		r.unknown = map[string]Unclassified{}
	}
	if len(r.unknown) < maxUnknown {
		r.unknown[c.name+"\x00"+path.Path+"\x00"+path.Type] = Unclassified{Component: r.program.component, Object: r.program.object, Column: c.name, Path: path.Path,
			Type: path.Type, Suggested: suggestPath(path.Path)}
	}
	return true
}
