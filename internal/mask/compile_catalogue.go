package mask

import (
	"regexp"
	"slices"
	"strings"

	"github.com/tranship/tranship/internal/dataservice"
)

// maskedCatalogue is the catalogue of the masked capture.
func (p *componentProgram) maskedCatalogue() dataservice.Catalogue {
	c := p.schema.Catalogue
	c.Objects = slices.Clone(c.Objects)
	c.Sequences = slices.Clone(c.Sequences)
	if p.files != nil {
		c.Objects = slices.DeleteFunc(c.Objects, func(o dataservice.Object) bool { return isFile(&o) && !p.files.keep[o.ID] })
	}
	for i := range c.Objects {
		o := &c.Objects[i]
		if t := p.tables[p.root(p.objects[o.ID]).ID]; isTable(o) && t != nil && t.dropped {
			o.Rows, o.Bytes = 0, 0
		}
	}
	for i := range c.Sequences {
		p.restart(&c.Sequences[i])
	}
	return c
}

// restart moves a sequence of permuted keys to the end of their domain: the keys of new rows lie behind it, and none
// meets a masked one.
//
// A sequence that no column owns is found by the defaults of the columns that draw from it.
func (p *componentProgram) restart(s *dataservice.Sequence) {
	if s.OwnedBy == "" {
		for _, t := range p.tables {
			for _, b := range t.bindings {
				if drawsFrom(b.column.Default, s.ID) {
					b.restart(s)
				}
			}
		}
		return
	}
	object, ok := strings.CutSuffix(s.OwnedBy, "."+s.Column)
	if s.Column == "" || !ok {
		object = s.OwnedBy
	}
	o := p.objects[object]
	if o == nil {
		return
	}
	t := p.tables[p.root(o).ID]
	if t == nil || t.bindings[s.Column] == nil {
		return
	}
	t.bindings[s.Column].restart(s)
}

var nextValue = regexp.MustCompile(`nextval\('((?:[^']|'')+)'::regclass\)`)

// drawsFrom reports whether a default takes the next value of a sequence.
func drawsFrom(define, sequence string) bool {
	for _, m := range nextValue.FindAllStringSubmatch(define, -1) {
		if strings.ReplaceAll(m[1], "''", "'") == sequence {
			return true
		}
	}
	return false
}

func (b *binding) restart(s *dataservice.Sequence) {
	if b.act == actMask && b.kind.Integer() && b.identity.spec.Injective && declares(b.identity.spec, "max") {
		s.Last, s.Called = max(s.Last, b.identity.params.Int("max")), true
	}
}

// provePartition refuses to mask what decides to which partition a row belongs.
func (c *compiler) provePartition(t *tableProgram, o *dataservice.Object) {
	for _, name := range o.PartitionKey {
		b := t.bindings[name]
		if b == nil || b.act == actKeep {
			continue
		}
		c.add(Finding{Code: "partition", Field: b.field, Component: t.component, Object: o.ID, Column: name,
			Message: "the column decides to which partition a row belongs, and a masked row would belong to another",
			Fix:     "keep the column"})
	}
}
