package mask

// Value is one cell: the bytes as the application sees them (no COPY, TSV or JSON escapes), or NULL.
type Value struct {
	Raw  []byte
	Null bool
}

// Text is the value of those bytes.
func Text(raw []byte) Value { return Value{Raw: raw} }

// Null is the NULL value.
var Null = Value{Null: true}

// Record is what a Transformer may see of the row that its cell is in. Everything in it is the raw side: as captured,
// before any mask.
type Record struct {
	// Subject is the value that says whom the row is about, in the canonical form of the identity that Config.Subject
	// names. It is nil where the rule names no subject or the row's subject is NULL.
	Subject []byte
	// Siblings are other cells of the row, at the indexes that Column.Siblings gives them.
	Siblings []Value
}

// Kind is the engine-neutral type of a column.
type Kind string

// The kinds that masks tell apart. A driver maps its engine's types to them; what it cannot map is Other.
const (
	KindText        Kind = "text"
	KindVarchar     Kind = "varchar"
	KindChar        Kind = "char"
	KindInt2        Kind = "int2"
	KindInt4        Kind = "int4"
	KindInt8        Kind = "int8"
	KindNumeric     Kind = "numeric"
	KindFloat       Kind = "float"
	KindUUID        Kind = "uuid"
	KindDate        Kind = "date"
	KindTimestamp   Kind = "timestamp"
	KindTimestampTZ Kind = "timestamptz"
	KindJSON        Kind = "json"
	KindJSONB       Kind = "jsonb"
	KindBool        Kind = "bool"
	KindBytea       Kind = "bytea"
	KindOther       Kind = "other"
)

// AllKinds are the kinds above, for masks that never look at a value. It is not to be changed.
var AllKinds = []Kind{
	KindText, KindVarchar, KindChar, KindInt2, KindInt4, KindInt8, KindNumeric, KindFloat, KindUUID,
	KindDate, KindTimestamp, KindTimestampTZ, KindJSON, KindJSONB, KindBool, KindBytea, KindOther,
}

// Textual reports whether a cell of the kind may hold any characters.
func (k Kind) Textual() bool { return k == KindText || k == KindVarchar || k == KindChar }

// Integer reports whether a cell of the kind is a whole number of 2, 4 or 8 bytes.
func (k Kind) Integer() bool { return k == KindInt2 || k == KindInt4 || k == KindInt8 }

// Column is what a mask may know of the column that it is bound to. Apart from Region, Format and Siblings, which say how
// to read, it serves the checks before a run: the masked value of an identity never depends on it.
type Column struct {
	Kind     Kind
	MaxChars int  // most characters that fit; 0 means no limit
	Nullable bool // a NULL may be written
	Unique   bool // the column alone is a unique key

	Region   string         // ISO 3166 region of phone numbers without a country code, such as "US"
	Format   string         // layout of dates in textual columns, in the words of the mask
	Siblings map[string]int // role ("first", "last") to index in Record.Siblings
}
