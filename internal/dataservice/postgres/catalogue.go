package postgres

import (
	"context"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/tranship/tranship/internal/dataservice"
)

// Kinds of objects.
const (
	objectTable        = "table"
	objectPartitioned  = "partitioned"
	objectPartition    = "partition"
	objectView         = "view"
	objectMaterialized = "materialized"
	objectForeign      = "foreign"
)

// Names of the settings of a database.
const (
	settingEncoding = "encoding"
	settingCollate  = "collate"
	settingCtype    = "ctype"
	settingProvider = "localeProvider"
	settingLocale   = "locale"
)

// relation is an object of the catalogue with what only the driver needs to know.
type relation struct {
	object    *dataservice.Object
	heap      int64 // bytes of the main fork
	populated bool
}

// holdsRows reports whether the object has rows of its own that are captured.
func holdsRows(o *dataservice.Object) bool { return o.Kind == objectTable || o.Kind == objectPartition }

// readCatalogue reads what there is in the database of conn, in the snapshot of its transaction.
func readCatalogue(ctx context.Context, conn *pgx.Conn) (dataservice.Catalogue, map[string]relation, error) {
	c := dataservice.Catalogue{
		Engine:  "postgresql",
		Version: conn.PgConn().ParameterStatus("server_version"),
		Name:    conn.Config().Database,
	}
	r := reader{conn: conn}
	c.Settings = r.settings(ctx)
	objects, relations, oids := r.relations(ctx)
	r.partitionKeys(ctx, oids)
	r.columns(ctx, oids)
	r.indexes(ctx, oids)
	r.constraints(ctx, oids)
	c.Objects = objects
	c.Sequences = r.sequences(ctx)
	if r.err == nil && encodingOf(conn) == anyBytes {
		r.err = legible(&c)
	}
	if r.err != nil {
		return dataservice.Catalogue{}, nil, fmt.Errorf("read the catalogue: %w", r.err)
	}
	return c, relations, nil
}

// legible makes a catalogue of a database without an encoding fit for a manifest, which is Unicode: characters of
// definitions that are not are replaced there (the script of the schema keeps them), and such names are refused.
func legible(c *dataservice.Catalogue) error {
	text := func(s *string) { *s = strings.ToValidUTF8(*s, "\uFFFD") }
	var wrong error
	name := func(of string, s string) {
		if wrong == nil && !utf8.ValidString(s) {
			wrong = permanent("postgres.encoding", "a name of %s is not Unicode, and the database has no encoding to read it by", strings.ToValidUTF8(of, "\uFFFD")).
				WithHint("rename it")
		}
	}
	for i := range c.Objects {
		o := &c.Objects[i]
		name(o.ID, o.ID)
		text(&o.Define)
		for j := range o.Columns {
			x := &o.Columns[j]
			name(o.ID, x.Name+x.Type)
			text(&x.Default)
			for k := range x.Enum {
				text(&x.Enum[k])
			}
		}
		for j := range o.Indexes {
			name(o.ID, o.Indexes[j].Name)
			text(&o.Indexes[j].Define)
		}
		for j := range o.Constraints {
			name(o.ID, o.Constraints[j].Name)
			text(&o.Constraints[j].Define)
		}
	}
	for _, s := range c.Sequences {
		name(s.ID, s.ID)
	}
	return wrong
}

// reader runs the queries of a catalogue up to the first error.
type reader struct {
	conn *pgx.Conn
	err  error
}

// each runs a query and calls row for every row, with the variables into which it was scanned set.
func (r *reader) each(ctx context.Context, query string, into []any, row func()) {
	if r.err != nil {
		return
	}
	rows, err := r.conn.Query(ctx, query)
	if err != nil {
		r.err = err
		return
	}
	_, r.err = pgx.ForEachRow(rows, into, func() error {
		row()
		return nil
	})
}

func (r *reader) settings(ctx context.Context) map[string]string {
	var encoding, collate, ctype string
	var provider, locale *string
	s := map[string]string{}
	r.each(ctx, selectSettings, []any{&encoding, &collate, &ctype, &provider, &locale}, func() {
		s[settingEncoding], s[settingCollate], s[settingCtype] = encoding, collate, ctype
		if provider != nil && *provider != "c" {
			s[settingProvider] = map[string]string{"i": "icu", "b": "builtin"}[*provider]
			if locale != nil {
				s[settingLocale] = *locale
			}
		}
	})
	return s
}

func (r *reader) relations(ctx context.Context) ([]dataservice.Object, map[string]relation, map[uint32]*dataservice.Object) {
	var (
		oid                  uint32
		schema, name         string
		kind                 byte
		partition, populated bool
		rootSchema, rootName *string
		tuples               float64
		heap, total          int64
		define               *string
		objects              []dataservice.Object
		order                []uint32
		heaps                []int64
		filled               []bool
	)
	r.each(ctx, selectRelations, []any{&oid, &schema, &name, &kind, &partition, &rootSchema, &rootName, &tuples, &heap, &total, &define, &populated}, func() {
		o := dataservice.Object{ID: objectID(schema, name), Schema: schema, Name: name, Rows: max(0, int64(math.Round(tuples))), Bytes: total}
		switch kind {
		case 'r':
			o.Kind = objectTable
			if partition {
				o.Kind = objectPartition
			}
		case 'p':
			o.Kind = objectPartitioned
		case 'v':
			o.Kind = objectView
		case 'm':
			o.Kind = objectMaterialized
		case 'f':
			o.Kind = objectForeign
		}
		if rootSchema != nil && rootName != nil {
			o.Parent = objectID(*rootSchema, *rootName)
		}
		if define != nil {
			o.Define = strings.TrimSpace(*define)
		}
		objects, order, heaps, filled = append(objects, o), append(order, oid), append(heaps, heap), append(filled, populated)
	})
	relations := make(map[string]relation, len(objects))
	oids := make(map[uint32]*dataservice.Object, len(objects))
	for i := range objects {
		oids[order[i]] = &objects[i]
		relations[objects[i].ID] = relation{object: &objects[i], heap: heaps[i], populated: filled[i]}
	}
	return objects, relations, oids
}

func (r *reader) partitionKeys(ctx context.Context, oids map[uint32]*dataservice.Object) {
	var oid uint32
	var columns []string
	r.each(ctx, selectPartitionKeys, []any{&oid, &columns}, func() {
		if o := oids[oid]; o != nil {
			o.PartitionKey = columns
		}
	})
}

func (r *reader) columns(ctx context.Context, oids map[uint32]*dataservice.Object) {
	var (
		oid                           uint32
		name, typ, base, def          string
		length                        int
		nullable, generated, identity bool
		collationSchema, collation    *string
		enum                          []string
	)
	r.each(ctx, selectColumns, []any{&oid, &name, &typ, &base, &length, &nullable, &generated, &identity, &def, &collationSchema, &collation, &enum}, func() {
		c := dataservice.Column{
			Name: name, Type: typ, Base: base, Length: length, Nullable: nullable, Generated: generated, Identity: identity,
			Default: def, Enum: enum,
		}
		if collationSchema != nil && collation != nil {
			c.Collation = objectID(*collationSchema, *collation)
		}
		if o := oids[oid]; o != nil {
			o.Columns = append(o.Columns, c)
		}
		enum = nil
	})
}

func (r *reader) indexes(ctx context.Context, oids map[uint32]*dataservice.Object) {
	var (
		oid             uint32
		name, define    string
		unique, primary bool
		columns         []string
	)
	r.each(ctx, selectIndexes, []any{&oid, &name, &unique, &primary, &define, &columns}, func() {
		if o := oids[oid]; o != nil {
			o.Indexes = append(o.Indexes, dataservice.Index{Name: name, Columns: columns, Unique: unique, Primary: primary, Define: define})
		}
		columns = nil
	})
}

func (r *reader) constraints(ctx context.Context, oids map[uint32]*dataservice.Object) {
	kinds := map[byte]string{'p': "primary", 'u': "unique", 'f': "foreign", 'c': "check", 'x': "exclusion"}
	var (
		oid                  uint32
		name, define         string
		kind                 byte
		columns, refColumns  []string
		refSchema, refObject *string
	)
	r.each(ctx, selectConstraints, []any{&oid, &name, &kind, &define, &columns, &refSchema, &refObject, &refColumns}, func() {
		c := dataservice.Constraint{Name: name, Kind: kinds[kind], Columns: columns, RefColumns: refColumns, Define: define}
		if refSchema != nil && refObject != nil {
			c.RefObject = objectID(*refSchema, *refObject)
		}
		if o := oids[oid]; o != nil {
			o.Constraints = append(o.Constraints, c)
		}
		columns, refColumns = nil, nil
	})
}

// sequencesAtOnce bounds the length of one query for the places of sequences.
const sequencesAtOnce = 200

func (r *reader) sequences(ctx context.Context) []dataservice.Sequence {
	var (
		schema, name, typ          string
		tableSchema, table, column *string
		sequences                  []dataservice.Sequence
		places                     []string
	)
	r.each(ctx, selectSequences, []any{&schema, &name, &typ, &tableSchema, &table, &column}, func() {
		s := dataservice.Sequence{ID: objectID(schema, name), Type: typ}
		if tableSchema != nil && table != nil && column != nil {
			s.OwnedBy, s.Column = objectID(*tableSchema, *table)+"."+*column, *column
		}
		places = append(places, fmt.Sprintf("SELECT %d, last_value, is_called FROM %s", len(sequences), qualified(schema, name)))
		sequences = append(sequences, s)
	})
	var (
		i      int
		last   int64
		called bool
	)
	for start := 0; start < len(places); start += sequencesAtOnce {
		query := strings.Join(places[start:min(len(places), start+sequencesAtOnce)], "\nUNION ALL\n")
		r.each(ctx, query, []any{&i, &last, &called}, func() { sequences[i].Last, sequences[i].Called = last, called })
	}
	return sequences
}
