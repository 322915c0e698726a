package mask

import (
	"fmt"
	"regexp"
	"slices"
)

var (
	textConstant = regexp.MustCompile(`'(?:[^']|'')*'`)
	// personal is what a constant looks like that may be about somebody: an address, or a number as long as those of
	// phones, accounts and cards.
	personal = regexp.MustCompile(`[\pL\pN._+-]@[\pL\pN-]+\.\pL|\d(?:[ ()/.-]?\d){6}`)
	// calendar is what such a number is instead when it is a day or a point in time.
	calendar = regexp.MustCompile(`\d{4}-\d\d-\d\d(?:[ T][\d:.+-]+)?`)
)

// looksPersonal reports whether the text of a constant may be about somebody.
func looksPersonal(text string) bool {
	return personal.MatchString(calendar.ReplaceAllString(text, ""))
}

// warnDefinitions tells of constants in definitions that look like personal data: definitions travel as they are. The
// bodies of functions and the bounds of partitions are not in the catalogue, and are not looked at.
func (c *compiler) warnDefinitions(p *componentProgram) {
	for i := range p.schema.Catalogue.Objects {
		o := &p.schema.Catalogue.Objects[i]
		warn := func(column, what, define string) {
			if slices.ContainsFunc(textConstant.FindAllString(define, -1), looksPersonal) {
				c.add(Finding{Severity: SeverityWarning, Code: "definition", Component: p.schema.Name, Object: o.ID, Column: column,
					Message: fmt.Sprintf("%s holds a constant that looks like personal data, and definitions travel as they are", what),
					Fix:     "take it out of the definition at the source, if it is"})
			}
		}
		warn("", "the query of the view", o.Define)
		for _, x := range o.Columns {
			warn(x.Name, "the column's default", x.Default)
			for _, label := range x.Enum {
				warn(x.Name, "a label of "+x.Type, "'"+label+"'")
			}
		}
		for _, x := range o.Indexes {
			warn("", "index "+x.Name, x.Define)
		}
		for _, x := range o.Constraints {
			warn("", "constraint "+x.Name, x.Define)
		}
	}
}
