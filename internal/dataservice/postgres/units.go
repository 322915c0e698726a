package postgres

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tranship/tranship/internal/dataservice"
)

// A table is cut into ranges of blocks that hold about 32 to 64 MiB each, out-of-line values included.
const (
	rangeBytes   = 64 << 20
	rangesAtMost = 4096 // per table
)

// blocks is a range of blocks of a table: from From, up to and without To.
type blocks struct {
	From int64 `json:"from"`
	// To is 0 for the last range of a table: it is open-ended, as the table may grow after it was measured.
	To int64 `json:"to,omitempty"`
}

// condition is the range as a condition on the rows.
func (b blocks) condition() string {
	c := fmt.Sprintf("ctid >= '(%d,0)'", b.From)
	if b.To > 0 {
		c += fmt.Sprintf(" AND ctid < '(%d,0)'", b.To)
	}
	return c
}

// cut divides a table of total bytes, of which heap lie in blocks of block bytes, into ranges of at most grain bytes.
func cut(total, heap, block, grain int64) []blocks {
	all := heap / block
	n := min((max(total, heap)+grain-1)/grain, all, rangesAtMost)
	if n <= 1 {
		return []blocks{{}}
	}
	each := (all + n - 1) / n
	var ranges []blocks
	for from := int64(0); from < all; from += each {
		ranges = append(ranges, blocks{From: from, To: from + each})
	}
	ranges[len(ranges)-1].To = 0
	return ranges
}

// planUnits lists the units of a catalogue: the definitions that go before the data, the data with the largest units first,
// the definitions that go after. Ids follow the order of the catalogue.
func planUnits(c *dataservice.Catalogue, relations map[string]relation, block, grain int64, ranged bool) ([]dataservice.Unit, error) {
	var data []dataservice.Unit
	for i := range c.Objects {
		o := &c.Objects[i]
		if !holdsRows(o) {
			continue
		}
		ranges := []blocks{{}}
		if ranged {
			ranges = cut(o.Bytes, relations[o.ID].heap, block, grain)
		}
		for _, r := range ranges {
			detail, err := json.Marshal(r)
			if err != nil {
				return nil, fmt.Errorf("write a unit: %w", err)
			}
			data = append(data, dataservice.Unit{
				ID: fmt.Sprintf("data-%04d", len(data)+1), Kind: kindData, Format: dataservice.CopyText, Object: o.ID,
				Columns: capturedColumns(o), Rows: o.Rows / int64(len(ranges)), Bytes: o.Bytes / int64(len(ranges)), Detail: detail,
			})
		}
	}
	slices.SortStableFunc(data, func(a, b dataservice.Unit) int { return cmp.Compare(b.Bytes, a.Bytes) })
	units := []dataservice.Unit{{ID: unitPre, Kind: kindPre, Format: dataservice.SQL}}
	units = append(units, data...)
	return append(units, dataservice.Unit{ID: unitPost, Kind: kindPost, Format: dataservice.SQL}), nil
}

// capturedColumns are the names of the columns with values of their own.
func capturedColumns(o *dataservice.Object) []string {
	names := []string{}
	for _, c := range o.Columns {
		if !c.Generated {
			names = append(names, c.Name)
		}
	}
	return names
}

// copyOut is the command that reads a range of a table.
func copyOut(table string, columns []string, r blocks, ranged bool) string {
	command := "COPY (SELECT " + quoteAll(columns) + " FROM ONLY " + table
	if ranged {
		command += " WHERE " + r.condition()
	}
	return command + ") TO STDOUT"
}
