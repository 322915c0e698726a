package mask

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/registry"
)

// Proposal is what a starter policy is made for.
type Proposal struct {
	Name    string // of the policy
	KeyFile string // of its first epoch, below the worker's directory of secrets
}

// Propose writes a commented starter policy for the components as YAML, from names and types alone. It is careful: what these
// do not tell becomes a comment, and stops a run until somebody decides. Nothing is proposed to be kept.
func Propose(o Proposal, components []ComponentSchema, masks *registry.Registry[Spec]) []byte {
	w := proposer{masks: masks, identities: map[string]proposedIdentity{}}
	for i := range components {
		w.component(&components[i])
	}
	var b strings.Builder
	b.WriteString(proposalHead)
	fmt.Fprintf(&b, "apiVersion: tranship.io/v1alpha1\nkind: MaskingPolicy\nmetadata: {name: %s}\nspec:\n", o.Name)
	fmt.Fprintf(&b, "  keys: [{epoch: 1, fromFile: %s}]\n", strconv.Quote(o.KeyFile))
	w.writeIdentities(&b)
	b.WriteString("  rules:\n")
	for _, rule := range w.rules {
		b.WriteString(rule)
	}
	return []byte(b.String())
}

// proposalHead says how to go on with a proposal.
const proposalHead = `# A start, from names and types of columns. Columns in comments need a decision: until then runs stop, and nothing is masked.
# Say for each of them what happens to its values (tranship mask ls lists the masks), and uncomment its table:
#   note: {mask: text}                 masked
#   email: {identity: person.email}    masked, with the same result wherever the identity is named
#   status: {keep: {reason: "no personal data", reviewedBy: "you@example.org"}}
#   photo: {"null": {}}                replaced by NULL; {const: "x"} replaces by a value, {drop: {}} leaves the row out
`

// proposedIdentity is an identity with the columns that it would be bound to.
type proposedIdentity struct {
	mask   string
	narrow bool // a column of four bytes is among them
}

type proposer struct {
	masks      *registry.Registry[Spec]
	identities map[string]proposedIdentity
	rules      []string
}

func (w *proposer) component(schema *ComponentSchema) {
	objects := schema.Catalogue.Objects
	files := false
	for i := range objects {
		o := &objects[i]
		files = files || isFile(o)
		if isTable(o) && o.Parent == "" {
			w.table(schema, o)
		}
	}
	if files {
		w.rules = append(w.rules, fmt.Sprintf("    # Files stay out unless a rule keeps them: keep: {reason: …, reviewedBy: …}\n"+
			"    - match: {component: %s, path: \"**\"}\n      drop: {}\n", schema.Name))
	}
}

func (w *proposer) table(schema *ComponentSchema, o *dataservice.Object) {
	subjectColumn, subjectIdentity := w.subjectOf(schema, o)
	var lines []string
	decided := 0
	for i := range o.Columns {
		c := &o.Columns[i]
		if c.Generated {
			continue
		}
		s := w.suggest(schema, o, c)
		name := yamlKey(c.Name)
		switch {
		case s.mask == "" || s.subject && subjectColumn == "":
			lines = append(lines, fmt.Sprintf("        # %s: a decision is needed for %s", name, oneLine(c.Type)))
			continue
		case s.identity != "":
			w.bind(s, c)
			lines = append(lines, fmt.Sprintf("        %s: {identity: %s}", name, s.identity))
		default:
			lines = append(lines, fmt.Sprintf("        %s: {mask: %s}", name, s.mask))
		}
		decided++
	}
	if len(lines) == 0 {
		return
	}
	comment := ""
	if decided == 0 {
		comment = "# "
	}
	var b strings.Builder
	fmt.Fprintf(&b, "    %s- match: {component: %s, table: %s}\n", comment, schema.Name, strconv.Quote(plainID(o)))
	if subjectColumn != "" {
		fmt.Fprintf(&b, "    %s  subject: {column: %s, identity: %s}\n", comment, strconv.Quote(subjectColumn), subjectIdentity)
	}
	fmt.Fprintf(&b, "    %s  columns:\n", comment)
	for _, line := range lines {
		b.WriteString(line + "\n")
	}
	w.rules = append(w.rules, b.String())
}

// suggest proposes a mask that the compiler will accept: the one of the column that a foreign key refers to, else what name
// and type speak for, unless the column's type, length or uniqueness stand against it.
func (w *proposer) suggest(schema *ComponentSchema, o *dataservice.Object, c *dataservice.Column) suggestion {
	holder, column := o, c
	for range len(schema.Catalogue.Objects) {
		object, name, refers := reference(holder, column.Name)
		next := schema.Catalogue.Object(object)
		if !refers || next == nil || next.Column(name) == nil || next == holder && name == column.Name {
			break
		}
		holder, column = next, next.Column(name)
	}
	s := suggest(holder, column)
	spec, err := w.masks.Get(s.mask)
	if s.mask == "" || err != nil {
		return suggestion{}
	}
	params, err := ParseParams(spec.Params, nil, "params")
	if err != nil || spec.Check(params, columnFor(o, c)) != nil || slices.Contains(o.PartitionKey, c.Name) {
		return suggestion{}
	}
	inKey := slices.ContainsFunc(uniqueKeys(o), func(k uniqueKey) bool {
		return slices.Contains(k.columns, c.Name) || len(k.columns) == 0 && mentions(k.define, c.Name)
	})
	_, _, refers := reference(o, c.Name)
	if (inKey || refers) && !spec.Injective && spec.Bits < neededBits(o.Rows) {
		return suggestion{}
	}
	return s
}

// subjectOf chooses the column that says whose row it is: a primary key of one column that is masked as a key.
func (w *proposer) subjectOf(schema *ComponentSchema, o *dataservice.Object) (column, identity string) {
	for _, k := range uniqueKeys(o) {
		if !k.primary || len(k.columns) != 1 {
			continue
		}
		c := o.Column(k.columns[0])
		if c == nil {
			continue
		}
		if s := w.suggest(schema, o, c); s.mask == "id.int" || s.mask == "id.uuid" {
			w.bind(s, c)
			return c.Name, s.identity
		}
	}
	return "", ""
}

func (w *proposer) bind(s suggestion, c *dataservice.Column) {
	id := w.identities[s.identity]
	id.mask = s.mask
	id.narrow = id.narrow || kindOf(c) != KindInt8
	w.identities[s.identity] = id
}

func (w *proposer) writeIdentities(b *strings.Builder) {
	if len(w.identities) == 0 {
		return
	}
	b.WriteString("  identities:\n")
	_, first := w.identities["person.first"]
	_, last := w.identities["person.last"]
	for _, name := range slices.Sorted(maps.Keys(w.identities)) {
		id := w.identities[name]
		params := ""
		switch {
		case id.mask == "id.int" && !id.narrow:
			params = ", max: 4503599627370495"
		case id.mask == "name.full" && first && last:
			params = ", first: person.first, last: person.last"
		}
		fmt.Fprintf(b, "    %s: {mask: %s%s}\n", name, id.mask, params)
	}
}

// yamlKey quotes a column's name where YAML would read it as something else.
func yamlKey(name string) string {
	for i, c := range name {
		plain := c >= 'a' && c <= 'z' || c == '_' || i > 0 && c >= '0' && c <= '9'
		if !plain {
			return strconv.Quote(name)
		}
	}
	switch name {
	case "", "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return strconv.Quote(name)
	}
	return name
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Patch returns rules for what is unclassified, as YAML to be added to the policy: suggestions where there are any, and
// comments where somebody has to decide.
func (e *UnclassifiedError) Patch() []byte {
	var b strings.Builder
	b.WriteString("# Add these to spec.rules, or to the rules that are there for the same tables.\nrules:\n")
	last := ""
	for i, u := range e.Items {
		if u.Column == "" {
			fmt.Fprintf(&b, "  # %s\n  - match: {component: %s, path: %s}\n    drop: {}\n", oneLine(u.Type), u.Component, strconv.Quote(u.Object))
			continue
		}
		if table := u.Component + "/" + u.Object; table != last {
			comment := "# "
			if e.proposes(i) {
				comment = ""
			}
			fmt.Fprintf(&b, "  %s- match: {component: %s, table: %s}\n  %s  columns:\n", comment, u.Component, strconv.Quote(unquoteID(u.Object)), comment)
			last = table
		}
		name, what := yamlKey(u.Column), "mask: "+u.Suggested
		switch {
		case u.Path != "" && u.Suggested == "":
			fmt.Fprintf(&b, "      # %s, in its paths: %s: a decision is needed for %s\n", name, strconv.Quote(u.Path), oneLine(u.Type))
		case u.Path != "":
			fmt.Fprintf(&b, "      # %s, in its paths: %s: {%s}\n", name, strconv.Quote(u.Path), what)
		case u.Suggested == "":
			fmt.Fprintf(&b, "      # %s: a decision is needed for %s\n", name, oneLine(u.Type))
		default:
			fmt.Fprintf(&b, "      %s: {%s}\n", name, what)
		}
	}
	return []byte(b.String())
}

// proposes reports whether there is a suggestion for a column of the table of item i, which is its first.
func (e *UnclassifiedError) proposes(i int) bool {
	return slices.ContainsFunc(e.Items[i:], func(u Unclassified) bool {
		return u.Component == e.Items[i].Component && u.Object == e.Items[i].Object && u.Path == "" && u.Suggested != ""
	})
}

// unquoteID turns the id of a table, with names quoted where SQL needs it, into what rules match.
func unquoteID(id string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(id); i++ {
		switch {
		case id[i] != '"':
			b.WriteByte(id[i])
		case quoted && i+1 < len(id) && id[i+1] == '"':
			b.WriteByte('"')
			i++
		default:
			quoted = !quoted
		}
	}
	return b.String()
}
