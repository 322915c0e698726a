package mask

import (
	"fmt"
	"slices"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/dataservice/tree"
)

// fileProgram says which files of a component stay.
type fileProgram struct {
	keep map[string]bool // by path, for every path of the catalogue
	rule map[string]int  // index of the rule that kept a path
}

// fileRules resolves the rules for the files of a component. A directory stays when something in it does, or when a rule
// keeps it by name.
func (c *compiler) fileRules(schema ComponentSchema) *fileProgram {
	p := &fileProgram{keep: map[string]bool{}, rule: map[string]int{}}
	rules := c.pathRules(schema.Name)
	for i := range schema.Catalogue.Objects {
		o := &schema.Catalogue.Objects[i]
		if !isFile(o) {
			continue
		}
		best, conflict := bestPathRule(rules, o.ID)
		if conflict >= 0 {
			c.add(Finding{Code: "conflict", Field: field(conflict, "match"), Component: schema.Name, Object: o.ID,
				Message: fmt.Sprintf("meets what spec.rules[%d] matches: only one rule can say what happens", best.index)})
		}
		p.keep[o.ID] = false
		switch {
		case best == nil && o.Kind == objectDirectory:
			// It follows what is in it.
		case best == nil:
			c.unclassified = append(c.unclassified, Unclassified{Component: schema.Name, Object: o.ID, Type: o.Kind, Suggested: "drop"})
		case best.rule.Keep != nil:
			c.checkKeep(field(best.index), best.rule.Keep)
			c.use(best.index)
			p.keep[o.ID], p.rule[o.ID] = true, best.index
		default:
			c.use(best.index)
		}
	}
	p.keepParents(schema.Catalogue.Objects)
	return p
}

// pathRule is a rule about files with its pattern.
type pathRule struct {
	matched
	glob api.Glob
}

func (c *compiler) pathRules(component string) []pathRule {
	var list []pathRule
	for i := range c.policy.Spec.Rules {
		r := &c.policy.Spec.Rules[i]
		if r.Match.Table != "" || (r.Match.Component != "" && r.Match.Component != component) {
			continue
		}
		pattern := r.Match.Path
		if pattern == "" {
			pattern = "**"
		}
		g := api.NewGlob(pattern, api.SeparatorPath)
		list = append(list, pathRule{matched{index: i, rule: r, rank: rank(r.Match, g.Exact()), exact: g.Exact()}, g})
	}
	// A pattern for paths says more than none.
	slices.SortStableFunc(list, func(a, b pathRule) int { return specificity(b) - specificity(a) })
	return list
}

func specificity(r pathRule) int {
	n := 2 * r.rank
	if r.rule.Match.Path != "" {
		n++
	}
	return n
}

// bestPathRule returns the first rule for a path, and the index of a second one of its rank or -1.
func bestPathRule(rules []pathRule, path string) (best *pathRule, conflict int) {
	for i := range rules {
		r := &rules[i]
		if best != nil && specificity(*r) < specificity(*best) {
			break
		}
		if !r.glob.Match(path) {
			continue
		}
		if best != nil {
			return best, r.index
		}
		best = r
	}
	return best, -1
}

// keepParents keeps the directories above everything that stays.
func (p *fileProgram) keepParents(objects []dataservice.Object) {
	directories := map[string]bool{}
	for i := range objects {
		if objects[i].Kind == objectDirectory {
			directories[objects[i].ID] = true
		}
	}
	if directories[tree.Root] {
		p.keep[tree.Root] = true
	}
	for path := range p.rule {
		for i := range len(path) {
			if path[i] == '/' && directories[path[:i]] {
				p.keep[path[:i]] = true
			}
		}
	}
}
