package mask

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/dataservice"
)

// action is what happens to the cells of a column.
type action uint8

const (
	actKeep action = iota + 1
	actNull
	actConst
	actRedact
	actMask
)

// String returns the word that reports use.
func (a action) String() string {
	return [...]string{"", "keep", "null", "const", "redact", "mask"}[a]
}

// binding is what happens to one column.
type binding struct {
	column    *dataservice.Column
	field     string // of the rule in the policy
	act       action
	kind      Kind
	constant  []byte
	keep      *api.Keep
	identity  *identity // of actMask
	config    Config    // of actMask
	leaves    map[string]api.ColumnRule
	siblings  map[string]string // role to name of a column
	onInvalid api.OnInvalid
	alone     bool // the column alone is a unique key of all rows
}

// kindOf maps the base type of a catalogue's column to a kind.
func kindOf(c *dataservice.Column) Kind {
	if len(c.Enum) > 0 {
		return KindOther
	}
	switch c.Base {
	case "text", "varchar", "int2", "int4", "int8", "numeric", "uuid", "date", "timestamp", "timestamptz", "json", "jsonb", "bool", "bytea":
		return Kind(c.Base)
	case "citext", "name":
		return KindText
	case "bpchar", "char":
		return KindChar
	case "float4", "float8":
		return KindFloat
	}
	return KindOther
}

// columnFor tells a mask what it may know of a column.
func columnFor(o *dataservice.Object, c *dataservice.Column) Column {
	length := c.Length
	switch {
	case c.Base == "char": // PostgreSQL's "char", which cuts off the rest without a word
		length = 1
	case c.Base == "name":
		length = 63
	}
	return Column{Kind: kindOf(c), MaxChars: length, Nullable: c.Nullable, Unique: uniqueAlone(o, c.Name)}
}

func uniqueAlone(o *dataservice.Object, column string) bool {
	return slices.ContainsFunc(uniqueKeys(o), func(k uniqueKey) bool { return len(k.columns) == 1 && k.columns[0] == column })
}

// bind resolves the rule of one column; nil when findings tell why it cannot be.
func (c *compiler) bind(t *tableProgram, column *dataservice.Column, rule api.ColumnRule, at string) *binding {
	b := &binding{column: column, field: at, kind: kindOf(column), onInvalid: rule.OnInvalid}
	if b.onInvalid == "" {
		b.onInvalid = api.OnInvalidRedact
	}
	switch {
	case rule.Keep != nil:
		b.act, b.keep = actKeep, rule.Keep
		c.checkKeep(at, rule.Keep)
	case rule.Null != nil, rule.Drop != nil:
		b.act = actNull
		c.requireNullable(t, b, "the rule leaves the value out")
	case rule.Const != nil:
		b.act = actConst
		return c.bindConstant(t, b, rule.Const)
	default:
		return c.bindMask(t, b, rule)
	}
	return b
}

// bindUnknown applies a rule's on_unknown to a column that it does not name.
func (c *compiler) bindUnknown(t *tableProgram, column *dataservice.Column, how api.OnUnknown, at string) *binding {
	if how != api.OnUnknownRedact {
		return c.bind(t, column, api.ColumnRule{Null: &api.Empty{}}, at)
	}
	b := &binding{column: column, field: at, kind: kindOf(column), act: actRedact}
	if _, ok := AppendRedacted(nil, nil, b.kind); !ok {
		b.act = actNull
		c.requireNullable(t, b, "a "+column.Type+" value cannot be crossed out")
	}
	return b
}

func (c *compiler) fail(t *tableProgram, b *binding, code, fix, format string, args ...any) *binding {
	c.add(Finding{Code: code, Field: b.field, Component: t.component, Object: t.table.ID, Column: b.column.Name,
		Message: fmt.Sprintf(format, args...), Fix: fix})
	return nil
}

func (c *compiler) checkKeep(at string, k *api.Keep) {
	if k.Expired(c.deps.Now) {
		c.add(Finding{Code: "keep-expired", Field: at + ".keep.expires",
			Message: fmt.Sprintf("the decision to keep this ended on %s", k.Expires), Fix: "review it again, then set a later day"})
	}
}

func (c *compiler) requireNullable(t *tableProgram, b *binding, why string) {
	if !b.column.Nullable || inPrimaryKey(t.table, b.column.Name) {
		c.fail(t, b, "not-null", "use const, or a mask", "the column is NOT NULL, but %s", why)
	}
}

func inPrimaryKey(o *dataservice.Object, column string) bool {
	return slices.ContainsFunc(uniqueKeys(o), func(k uniqueKey) bool { return k.primary && slices.Contains(k.columns, column) })
}

func (c *compiler) bindConstant(t *tableProgram, b *binding, value any) *binding {
	text, err := constantText(b.column, b.kind, value)
	if err != nil {
		return c.fail(t, b, "type", "", "const %v", err)
	}
	b.constant = []byte(text)
	return b
}

// constantText writes a value of a policy as the column's type does, and refuses what the column would.
func constantText(column *dataservice.Column, kind Kind, value any) (string, error) {
	text := fmt.Sprint(value)
	if v, ok := value.(bool); ok && kind == KindBool {
		text = map[bool]string{true: "t", false: "f"}[v]
	}
	if v, ok := value.(float64); ok {
		text = strconv.FormatFloat(v, 'f', -1, 64)
	}
	switch {
	case len(column.Enum) > 0 && !slices.Contains(column.Enum, text):
		return "", fmt.Errorf("is not a label of %s", column.Type)
	case kind == KindBool && text != "t" && text != "f" && text != "true" && text != "false":
		return "", fmt.Errorf("is neither true nor false")
	case column.Length > 0 && utf8.RuneCountInString(text) > column.Length:
		return "", fmt.Errorf("has more than the %d characters that fit", column.Length)
	case kind == KindUUID:
		if _, err := CanonUUID(nil, []byte(text)); err != nil {
			return "", fmt.Errorf("is not a UUID")
		}
	case kind.Integer():
		size := map[Kind]int{KindInt2: 16, KindInt4: 32, KindInt8: 64}[kind]
		if _, err := strconv.ParseInt(text, 10, size); err != nil {
			return "", fmt.Errorf("is not an %s", kind)
		}
	case (kind == KindJSON || kind == KindJSONB) && !json.Valid([]byte(text)):
		return "", fmt.Errorf("is not JSON")
	case kind == KindNumeric || kind == KindFloat:
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			return "", fmt.Errorf("is not a number")
		}
	}
	return text, nil
}

func (c *compiler) bindMask(t *tableProgram, b *binding, rule api.ColumnRule) *binding {
	b.act = actMask
	reading, own := columnParams(rule)
	switch {
	case rule.Identity != "":
		if len(own) > 0 {
			return c.fail(t, b, "params", "move them to spec.identities."+rule.Identity,
				"%s: parameters belong to the identity", slices.Sorted(maps.Keys(own))[0])
		}
		b.identity = c.declared(b.field+".identity", rule.Identity)
	default:
		own = documentParams(c.deps, rule, own)
		b.identity = c.implicit(b.field, rule.Mask, own)
		b.leaves = rule.Paths
		c.bindLeaves(b)
	}
	if b.identity == nil {
		return nil
	}
	column := columnFor(t.table, b.column)
	b.alone = slices.ContainsFunc(uniqueKeys(t.table), func(k uniqueKey) bool {
		return !k.partial && len(k.columns) == 1 && k.columns[0] == b.column.Name
	})
	if !c.readingParams(t, b, &column, reading) {
		return nil
	}
	spec := b.identity.spec
	b.config = Config{Identity: b.identity.name, Column: column, Params: b.identity.params, Sentinels: b.identity.sentinels}
	if t.subject != nil {
		b.config.Subject = t.subject.identity.name
	}
	if spec.Keeps {
		return c.fail(t, b, "type", "write keep: {reason, reviewedBy, expires}", "mask %s keeps values: that is a decision, not a mask", spec.Name)
	}
	if len(b.column.Enum) > 0 {
		return c.fail(t, b, "type", "use keep, null or const", "labels of %s cannot be masked", b.column.Type)
	}
	if b.onInvalid == api.OnInvalidNull {
		c.requireNullable(t, b, "on_invalid writes NULL")
	}
	// One Transformer is built now, so that everything that could refuse a run later refuses it here.
	if _, err := c.build(b); err != nil {
		f := problem("type", b.field, err)
		f.Component, f.Object, f.Column = t.component, t.table.ID, b.column.Name
		c.add(f)
		return nil
	}
	return b
}

// bindLeaves makes known the implicit identities of the rules within a document, and checks its decisions to keep.
func (c *compiler) bindLeaves(b *binding) {
	for _, path := range slices.Sorted(maps.Keys(b.leaves)) {
		rule, at := b.leaves[path], fmt.Sprintf("%s.paths[%q]", b.field, path)
		switch {
		case rule.Keep != nil:
			c.checkKeep(at, rule.Keep)
		case rule.Mask != "":
			_, own := columnParams(rule)
			c.implicit(at, rule.Mask, own)
		}
	}
}

// readingParams takes over what a rule says about how to read its column.
func (c *compiler) readingParams(t *tableProgram, b *binding, column *Column, params map[string]any) bool {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		switch v := params[name].(type) {
		case string:
			if name == "region" {
				column.Region = v
				continue
			}
			if name == "format" {
				column.Format = v
				continue
			}
		case map[string]any:
			if name == "siblings" && c.siblingRoles(t, b, v) {
				continue
			}
		}
		c.fail(t, b, "params", "", "%s: want text for region and format, a map of role to column for siblings", name)
		return false
	}
	if len(b.siblings) > 0 {
		column.Siblings = map[string]int{}
		for i, role := range slices.Sorted(maps.Keys(b.siblings)) {
			column.Siblings[role] = i
		}
	}
	return true
}

func (c *compiler) siblingRoles(t *tableProgram, b *binding, roles map[string]any) bool {
	b.siblings = map[string]string{}
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		name, ok := roles[role].(string)
		if !ok {
			return false
		}
		if t.table.Column(name) == nil {
			c.add(unknownColumn(t, b.field+".siblings."+role, name))
			return false
		}
		b.siblings[role] = name
	}
	return true
}

// resolveSiblings gives the siblings of all columns of a table places in one record.
func (c *compiler) resolveSiblings(t *tableProgram) {
	places := siblingPlaces(t)
	for _, b := range t.bindings {
		for role, name := range b.siblings {
			b.config.Column.Siblings[role] = slices.Index(places, name)
		}
	}
}

// siblingPlaces lists the columns of a table that masks of other columns look at.
func siblingPlaces(t *tableProgram) []string {
	seen := map[string]bool{}
	for _, b := range t.bindings {
		for _, name := range b.siblings {
			seen[name] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func (c *compiler) build(b *binding) (Transformer, error) {
	return buildTransformer(b, c.deps, c.identities)
}
