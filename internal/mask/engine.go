package mask

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/dataservice/copytext"
	"github.com/tranship/tranship/internal/fault"
)

// EngineVersion is the version of the way from policy and rows to masked rows, apart from the masks, which have versions
// of their own. Equal versions give equal bytes for equal input, policy and key.
const EngineVersion = 1

// UnitProgram masks the stream of one unit. It is safe for concurrent use.
type UnitProgram struct {
	component string
	unit      dataservice.Unit
	rows      *rowProgram  // of CopyText
	files     *fileProgram // of Tree
}

// RunOptions bound one run of a UnitProgram.
type RunOptions struct {
	// Workers is how many goroutines mask at once; 0 means 1. The output does not depend on it.
	Workers int
	// MaxRow is the most bytes that one row may have; 0 means copytext.MaxRow. A row is held in memory a few times: as
	// captured, without escapes, and masked.
	MaxRow int
	// Progress is told how many more rows or entries were written. It may be nil, and is called from one goroutine.
	Progress func(rows int64)
}

// Unit returns the program for a unit of a component. A unit whose object or columns the compiler did not see is refused:
// nothing passes that no rule was proven for.
func (p *Program) Unit(component string, u dataservice.Unit) (*UnitProgram, error) {
	c := p.components[component]
	if c == nil {
		return nil, fault.New(fault.Permanent, "mask.unit", "unit %s: the policy was not compiled for a component %q", u.ID, component)
	}
	up := &UnitProgram{component: component, unit: u}
	switch u.Format {
	case dataservice.CopyText:
		rows, err := p.rowProgram(c, u)
		if err != nil {
			return nil, fault.Wrap(fault.Permanent, fmt.Errorf("unit %s of %s: %w", u.ID, component, err))
		}
		up.rows = rows
	case dataservice.SQL:
	case dataservice.Tree:
		if c.files == nil {
			return nil, fault.New(fault.Permanent, "mask.unit", "unit %s of %s: the component has no files in its catalogue", u.ID, component)
		}
		up.files = c.files
	default:
		return nil, fault.New(fault.Permanent, "mask.unit", "unit %s of %s: no mask reads format %q", u.ID, component, u.Format)
	}
	return up, nil
}

// Run masks r into w. It writes whole rows, in blocks of about 1 MiB, in the order of r. After an error what was written is
// worthless: it is a prefix of a stream that does not exist. Errors name table, column and row, never a value.
func (u *UnitProgram) Run(ctx context.Context, r io.Reader, w io.Writer, o RunOptions) (UnitReport, error) {
	if o.MaxRow <= 0 {
		o.MaxRow = copytext.MaxRow
	}
	if o.Progress == nil {
		o.Progress = func(int64) {}
	}
	report := UnitReport{Component: u.component, Unit: u.unit.ID, Object: u.unit.Object}
	var err error
	switch u.unit.Format {
	case dataservice.CopyText:
		err = u.rows.run(ctx, r, w, o, &report)
	case dataservice.SQL:
		err = maskSQL(ctx, r, w, o, &report)
	default:
		err = u.files.run(ctx, r, w, o, &report)
	}
	if err != nil {
		return report, fmt.Errorf("masking unit %s: %w", u.unit.ID, err)
	}
	return report, nil
}

// rowProgram masks rows with certain columns in a certain order.
type rowProgram struct {
	component string
	object    string
	dropped   bool
	columns   []columnProgram
	subject   int // index of a column, or -1
	canon     Canon
	places    []int // of siblings: indexes of columns
	deps      CompileDeps
	ids       map[string]*identity

	mu   sync.Mutex
	idle []*runner // kept for the next Run: some masks take long to build
}

// columnProgram is what happens to one column of a row.
type columnProgram struct {
	name    string
	binding *binding
}

func (p *Program) rowProgram(c *componentProgram, u dataservice.Unit) (*rowProgram, error) {
	o := c.objects[u.Object]
	if o == nil {
		return nil, fmt.Errorf("the catalogue has no object %q", u.Object)
	}
	t := c.tables[c.root(o).ID]
	if t == nil {
		return nil, fmt.Errorf("%s is a %s and holds no rows to mask", u.Object, o.Kind)
	}
	rp := &rowProgram{component: t.component, object: u.Object, dropped: t.dropped, subject: -1, deps: p.deps, ids: p.identities}
	if len(u.Columns) == 0 && !t.dropped && len(t.bindings) > 0 {
		return nil, fmt.Errorf("rows of %s come without the names of their columns", u.Object)
	}
	for _, name := range u.Columns {
		column := columnProgram{name: name}
		if !t.dropped {
			if column.binding = t.bindings[name]; column.binding == nil {
				return nil, fmt.Errorf("column %s of %s is not in the catalogue, or generated", name, u.Object)
			}
		}
		rp.columns = append(rp.columns, column)
	}
	if t.subject != nil {
		rp.subject, rp.canon = slices.Index(u.Columns, t.subject.column), t.subject.canon
		if rp.subject < 0 {
			return nil, fmt.Errorf("rows of %s come without their subject, column %s", u.Object, t.subject.column)
		}
	}
	for _, name := range siblingPlaces(t) {
		at := slices.Index(u.Columns, name)
		if at < 0 {
			return nil, fmt.Errorf("rows of %s come without column %s, which the mask of another column looks at", u.Object, name)
		}
		rp.places = append(rp.places, at)
	}
	return rp, nil
}

// runner returns an idle runner or a new one.
func (p *rowProgram) runner() (*runner, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		r := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return r, nil
	}
	p.mu.Unlock()
	return newRunner(p)
}

// release puts a runner back. Its counters start again.
func (p *rowProgram) release(r *runner) {
	r.reset()
	p.mu.Lock()
	p.idle = append(p.idle, r)
	p.mu.Unlock()
}
