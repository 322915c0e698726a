package dataservice

// Catalogue is what there is in a component, in terms that do not depend on the engine. It is what a masking policy is
// checked against and what a restored component is compared with.
type Catalogue struct {
	Engine    string     `json:"engine"`            // postgresql, files
	Version   string     `json:"version,omitempty"` // of the server
	Name      string     `json:"name,omitempty"`    // of the database or the directory
	Objects   []Object   `json:"objects,omitempty"`
	Sequences []Sequence `json:"sequences,omitempty"`
	// Settings of the database that a restore must repeat: encoding, collation, ctype.
	Settings map[string]string `json:"settings,omitempty"`
}

// Object is a table, a partition, or a file of a tree.
type Object struct {
	ID      string   `json:"id"`                // schema.name with PostgreSQL's quoting where needed; a path for files
	Schema  string   `json:"schema,omitempty"`  // unquoted
	Name    string   `json:"name"`              // unquoted
	Kind    string   `json:"kind"`              // table, partitioned, partition, view, materialized, foreign, file, directory, symlink, hardlink
	Parent  string   `json:"parent,omitempty"`  // of a partition: Object.ID of the table that a masking rule names
	Columns []Column `json:"columns,omitempty"` // in order
	Indexes []Index  `json:"indexes,omitempty"`
	// Constraints other than NOT NULL, with their definitions.
	Constraints []Constraint `json:"constraints,omitempty"`
	// PartitionKey names the columns that decide to which partition a row of a partitioned table belongs, those within
	// expressions included.
	PartitionKey []string `json:"partitionKey,omitempty"`
	// Define is the query of a view.
	Define string `json:"define,omitempty"`
	Rows   int64  `json:"rows,omitempty"`  // estimate
	Bytes  int64  `json:"bytes,omitempty"` // estimate; size of a file
}

// Column is one column.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"` // as the engine writes it: character varying(40)
	// Base is the name of the type without length, domains resolved: int4, int8, varchar, bpchar, text, numeric, uuid, date,
	// timestamp, timestamptz, json, jsonb, bool, bytea, or the engine's own name.
	Base      string   `json:"base"`
	Length    int      `json:"length,omitempty"` // characters, of varchar and bpchar; 0: unlimited
	Nullable  bool     `json:"nullable"`
	Generated bool     `json:"generated,omitempty"` // never captured, masked or written
	Identity  bool     `json:"identity,omitempty"`
	Default   string   `json:"default,omitempty"` // expression
	Collation string   `json:"collation,omitempty"`
	Enum      []string `json:"enum,omitempty"` // labels
}

// Index is an index with its definition.
type Index struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns,omitempty"` // empty for expressions
	Unique  bool     `json:"unique,omitempty"`
	Primary bool     `json:"primary,omitempty"`
	Define  string   `json:"define"`
}

// Constraint is a constraint with its definition.
type Constraint struct {
	Name    string   `json:"name"`
	Kind    string   `json:"kind"` // primary, unique, foreign, check, exclusion
	Columns []string `json:"columns,omitempty"`
	// References of a foreign key.
	RefObject  string   `json:"refObject,omitempty"` // Object.ID
	RefColumns []string `json:"refColumns,omitempty"`
	Define     string   `json:"define"`
}

// Sequence is a sequence with its place.
type Sequence struct {
	ID      string `json:"id"` // as Object.ID
	Type    string `json:"type"`
	Last    int64  `json:"last"`
	Called  bool   `json:"called"`            // whether Last has been handed out
	OwnedBy string `json:"ownedBy,omitempty"` // Object.ID + "." + column
	Column  string `json:"column,omitempty"`
}

// Object returns the object of that id, or nil.
func (c *Catalogue) Object(id string) *Object {
	for i := range c.Objects {
		if c.Objects[i].ID == id {
			return &c.Objects[i]
		}
	}
	return nil
}

// Column returns the column of that name, or nil.
func (o *Object) Column(name string) *Column {
	for i := range o.Columns {
		if o.Columns[i].Name == name {
			return &o.Columns[i]
		}
	}
	return nil
}
