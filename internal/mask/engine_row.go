package mask

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/dataservice/copytext"
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
	masked   []byte   // the cell at hand, masked and not yet escaped
	unknown  map[string]Unclassified
}

// cell is the part of a runner for one column.
type cell struct {
	*columnProgram
	transformer Transformer
	constant    []byte // escaped
	count       columnCount
	crossed     map[string]int64 // how often a redacted value was written, in a column that is a unique key
}

// columnCount is what a runner counts per column.
type columnCount struct {
	nullsIn, nullsOut, empty, identical, invalid, redacted int64
}

var (
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
			c.constant = copytext.Escape(nil, c.binding.constant)
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
		clear(r.cells[i].crossed)
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

// split finds the fields of a row.
func (r *runner) split(row []byte) error {
	r.fields = copytext.Fields(row, r.fields[:0])
	if err := copytext.CheckFields(r.fields, len(r.cells)); err != nil {
		return &CellError{Object: r.program.object, Err: err}
	}
	return nil
}

// readRecord fills in what masks may see of the row beside their cell.
func (r *runner) readRecord() error {
	var err error
	if at := r.program.subject; at >= 0 {
		r.record.Subject = nil
		var v Value
		if v, r.scratch, err = value(r.fields[at], r.scratch); err != nil {
			return r.fail(&r.cells[at], err)
		}
		// A subject that cannot be read is none: masks that need one find their value invalid.
		if !v.Null {
			if r.subject, err = r.program.canon(r.subject[:0], v.Raw); err == nil {
				r.record.Subject = r.subject
			}
		}
	}
	for i, at := range r.program.places {
		if r.record.Siblings[i], r.siblings[i], err = value(r.fields[at], r.siblings[i]); err != nil {
			return r.fail(&r.cells[at], err)
		}
	}
	return nil
}

// value reads a field. The value aliases the field or buf, which is returned as it has grown.
func value(field, buf []byte) (Value, []byte, error) {
	raw, null, err := copytext.Unescape(buf, field)
	if len(raw) > 0 && cap(raw) > cap(buf) && &raw[0] != &field[0] {
		buf = raw
	}
	return Value{Raw: raw, Null: null}, buf, err
}

// cell appends the masked form of one field.
func (r *runner) cell(c *cell, out, field []byte) ([]byte, error) {
	b := c.binding
	if copytext.IsNull(field) {
		c.count.nullsIn++
	}
	switch b.act {
	case actKeep:
		if copytext.IsNull(field) {
			c.count.nullsOut++
		}
		return append(out, field...), nil
	case actNull:
		return c.null(out), nil
	case actConst:
		if copytext.IsNull(field) {
			return c.null(out), nil
		}
		return append(out, c.constant...), nil
	}
	v, buf, err := value(field, r.scratch)
	r.scratch = buf
	if err != nil {
		return out, err
	}
	if len(v.Raw) == 0 && !v.Null {
		c.count.empty++
	}
	if b.act == actRedact {
		if v.Null {
			return c.null(out), nil
		}
		c.count.redacted++
		r.masked, _ = AppendRedacted(r.masked[:0], v.Raw, b.kind)
		return copytext.Escape(out, r.masked), nil
	}
	masked, err := c.transformer.Transform(r.masked[:0], v, &r.record)
	if err != nil {
		return r.outcome(c, out, v, err)
	}
	r.masked = masked
	if len(v.Raw) > 0 && bytes.Equal(masked, v.Raw) {
		c.count.identical++
	}
	return copytext.Escape(out, masked), nil
}

// null appends a NULL.
func (c *cell) null(out []byte) []byte {
	c.count.nullsOut++
	return append(out, copytext.Null...)
}

// maxCrossed bounds the different redacted values that are told apart in a unique column.
const maxCrossed = 1 << 12

// note remembers a redacted value of a column in which no value may be twice.
func (c *cell) note(redacted []byte) {
	if !c.binding.alone || len(redacted) == 0 {
		return
	}
	if c.crossed == nil {
		c.crossed = map[string]int64{}
	}
	if _, known := c.crossed[string(redacted)]; known || len(c.crossed) < maxCrossed {
		c.crossed[string(redacted)]++
	}
}

// collisions refuses a unit in which redaction gave rows of a unique column one value: no target would take them.
func (p *rowProgram) collisions(runners []*runner) error {
	for i := range p.columns {
		all := map[string]int64{}
		for _, r := range runners {
			for value, n := range r.cells[i].crossed {
				all[value] += n
			}
		}
		for _, n := range all {
			if n > 1 {
				return fault.New(fault.Permanent, "mask.unique", "%s: values that are not valid for mask %s became one when they were crossed out, and the column is a unique key",
					place(p.component, p.object, p.columns[i].name), p.columns[i].binding.identity.spec.Name).
					WithHint("set on_invalid: null for the column, or correct such values at the source")
			}
		}
	}
	return nil
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
		return c.null(out), nil
	case errors.Is(err, ErrDrop):
		return out, errDropped
	case !errors.Is(err, ErrInvalid):
		return out, err
	}
	c.count.invalid++
	switch b.onInvalid {
	case api.OnInvalidNull:
		return c.null(out), nil
	case api.OnInvalidFail:
		return out, errInvalid
	}
	redacted, ok := AppendRedacted(r.masked[:0], v.Raw, b.kind)
	switch {
	case ok:
		r.masked = redacted
		c.count.redacted++
		c.note(redacted)
		return copytext.Escape(out, redacted), nil
	case nullable:
		return c.null(out), nil
	}
	return out, errRedact
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
