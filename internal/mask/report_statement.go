package mask

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/zeebo/blake3"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/artifact"
)

// Statement says what a masked capture was made by. It goes into the capture's manifest; nothing in it is secret or derived
// from values.
type Statement struct {
	Engine       int                  `json:"engine"` // EngineVersion
	Policy       string               `json:"policy"`
	PolicyDigest artifact.Digest      `json:"policyDigest"`
	Tenant       string               `json:"tenant"`
	Epoch        int                  `json:"epoch"`
	Identities   []IdentityStatement  `json:"identities,omitempty"` // those in use, by name
	Components   []ComponentStatement `json:"components"`
	Keeps        []KeepStatement      `json:"keeps,omitempty"`
	Warnings     []Finding            `json:"warnings,omitempty"`
}

// IdentityStatement is an identity with what decides its values.
type IdentityStatement struct {
	Name    string `json:"name"`
	Mask    string `json:"mask"`
	Version int    `json:"version"` // of the mask's formatter and dictionaries
	// Check tells whether two processes hold the same key.
	Check     string         `json:"check"`
	Params    map[string]any `json:"params,omitempty"`    // of the mask, as the policy has them; not of documents
	Sentinels []string       `json:"sentinels,omitempty"` // values that mean nothing and are kept
}

// ComponentStatement is a component with the structure that the policy was proven against.
type ComponentStatement struct {
	Name        string           `json:"name"`
	Fingerprint artifact.Digest  `json:"fingerprint"`
	Tables      []TableStatement `json:"tables,omitempty"`
	Files       *FilesStatement  `json:"files,omitempty"`
}

// TableStatement says what happens to a table.
type TableStatement struct {
	Object  string            `json:"object"`
	Dropped bool              `json:"dropped,omitempty"`
	Columns []ColumnStatement `json:"columns,omitempty"`
}

// ColumnStatement says what happens to a column.
type ColumnStatement struct {
	Column   string `json:"column"`
	Action   string `json:"action"`
	Identity string `json:"identity,omitempty"`
	Mask     string `json:"mask,omitempty"`
	// Domain is how many values the mask permutes, where its parameters tell.
	Domain int64 `json:"domain,omitempty"`
	// KeptPaths are the paths of a document that are kept or become a constant.
	KeptPaths []string `json:"keptPaths,omitempty"`
}

// FilesStatement counts the files of a component.
type FilesStatement struct {
	Kept    int `json:"kept"`
	Dropped int `json:"dropped"`
}

// KeepStatement is a decision to leave something as it is. It is reported as declared: nobody checked who the reviewer
// was.
type KeepStatement struct {
	Place      string   `json:"place"` // component/object.column and the path within it, or the field of a rule about files
	Reason     string   `json:"reason"`
	ReviewedBy string   `json:"reviewedBy"`
	Expires    api.Date `json:"expires,omitzero"`
}

// Statement returns what masked captures made by the program state.
func (p *Program) Statement() Statement { return p.statement }

func (p *Program) newStatement() (Statement, error) {
	canonical, err := api.Canonical(p.policy)
	if err != nil {
		return Statement{}, fmt.Errorf("taking the digest of masking policy %s: %w", p.policy.Name, err)
	}
	s := Statement{
		Engine: EngineVersion, Policy: p.policy.Name, PolicyDigest: blake3.Sum256(canonical),
		Tenant: p.deps.Epoch.Tenant(), Epoch: p.deps.Epoch.Number(), Warnings: p.warnings,
	}
	for _, name := range slices.Sorted(maps.Keys(p.identities)) {
		id := p.identities[name]
		s.Identities = append(s.Identities, IdentityStatement{Name: name, Mask: id.spec.Name, Version: id.spec.Version,
			Check: p.deps.Epoch.KeyCheckValue(name, id.spec.Name), Params: id.raw, Sentinels: id.sentinels})
	}
	for _, name := range slices.Sorted(maps.Keys(p.components)) {
		c := p.components[name]
		cs, err := c.statement()
		if err != nil {
			return Statement{}, err
		}
		s.Components = append(s.Components, cs)
		s.Keeps = append(s.Keeps, c.keeps()...)
		s.Keeps = append(s.Keeps, c.fileKeeps(p.policy)...)
	}
	return s, nil
}

func (c *componentProgram) statement() (ComponentStatement, error) {
	fingerprint, err := Fingerprint(c.schema.Catalogue)
	if err != nil {
		return ComponentStatement{}, fmt.Errorf("component %s: %w", c.schema.Name, err)
	}
	s := ComponentStatement{Name: c.schema.Name, Fingerprint: fingerprint}
	for _, id := range slices.Sorted(maps.Keys(c.tables)) {
		t := c.tables[id]
		ts := TableStatement{Object: id, Dropped: t.dropped}
		for i := range t.table.Columns {
			b := t.bindings[t.table.Columns[i].Name]
			if t.dropped && !t.table.Columns[i].Generated {
				ts.Columns = append(ts.Columns, ColumnStatement{Column: t.table.Columns[i].Name, Action: "drop"})
			}
			if b == nil {
				continue
			}
			cs := ColumnStatement{Column: b.column.Name, Action: b.act.String()}
			if b.act == actMask {
				cs.Identity, cs.Mask = b.identity.name, b.identity.spec.Name
				cs.Domain, cs.KeptPaths = b.identity.domain(), b.keptPaths()
			}
			ts.Columns = append(ts.Columns, cs)
		}
		s.Tables = append(s.Tables, ts)
	}
	if c.files != nil {
		s.Files = &FilesStatement{}
		for _, kept := range c.files.keep {
			if kept {
				s.Files.Kept++
			} else {
				s.Files.Dropped++
			}
		}
	}
	return s, nil
}

// keeps lists the decisions about columns and paths.
func (c *componentProgram) keeps() []KeepStatement {
	var list []KeepStatement
	for _, id := range slices.Sorted(maps.Keys(c.tables)) {
		t := c.tables[id]
		for _, name := range slices.Sorted(maps.Keys(t.bindings)) {
			b := t.bindings[name]
			at := place(c.schema.Name, id, name)
			if b.keep != nil {
				list = append(list, keepStatement(at, b.keep))
			}
			for _, path := range slices.Sorted(maps.Keys(b.leaves)) {
				if k := b.leaves[path].Keep; k != nil {
					list = append(list, keepStatement(at+" "+path, k))
				}
			}
		}
	}
	return list
}

func (c *componentProgram) fileKeeps(policy *api.MaskingPolicy) []KeepStatement {
	if c.files == nil {
		return nil
	}
	rules := map[int]bool{}
	for _, index := range c.files.rule {
		rules[index] = true
	}
	var list []KeepStatement
	for _, index := range slices.Sorted(maps.Keys(rules)) {
		r := &policy.Spec.Rules[index]
		list = append(list, keepStatement(place(c.schema.Name, cmp.Or(r.Match.Path, "**"), ""), r.Keep))
	}
	return list
}

func keepStatement(at string, k *api.Keep) KeepStatement {
	return KeepStatement{Place: at, Reason: k.Reason, ReviewedBy: k.ReviewedBy, Expires: k.Expires}
}

// domain is how many values the mask of the identity permutes, or 0 when its parameters do not tell.
func (id *identity) domain() int64 {
	if !id.spec.Injective || !declares(id.spec, "min") || !declares(id.spec, "max") {
		return 0
	}
	return id.params.Int("max") - id.params.Int("min") + 1
}

// keptPaths are the paths whose leaves may equal their input.
func (b *binding) keptPaths() []string {
	var paths []string
	for _, path := range slices.Sorted(maps.Keys(b.leaves)) {
		if rule := b.leaves[path]; rule.Keep != nil || rule.Const != nil {
			paths = append(paths, path)
		}
	}
	return paths
}
