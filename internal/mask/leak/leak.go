// Package leak looks for raw values in a masked capture before anybody may read it.
//
// It reads both captures, row beside row, and judges by what it finds, not by what the masker says: it shares no code with
// the masker, not even the reader of rows. Whatever it derives from raw values stays in its memory. Its verdict holds
// counts and places, never values.
//
// Three questions are asked of every masked column: does a row keep its value more often than chance would have it; does a
// sensitive value of the source appear anywhere in the output; does the output hold addresses that mail could reach. A
// value that is one of few (a phone number, a key) meets another row's value by chance, so such columns are judged by a
// one-sided binomial bound of 10⁻⁹, on their different values. For addresses, random identifiers, secrets and canaries one
// hit is enough. Values are found in any case, in pieces of text, among the keys of documents, and written in base64, hex,
// percent or JSON escapes.
//
// It does not find: a few phone or card numbers that keep their value in a large column (two in ten thousand may be chance);
// names that went to another row, as dictionaries hold real names; numbers, names and words inside free text that was
// crossed out in part, unless they are identifiers of nine characters or more; values that were reversed, encrypted,
// compressed or cut; values of fewer than five characters; words of letters alone, apart from rows that keep them. Of very
// large columns of identifiers it looks at a sample. Definitions are searched for values of the source; other addresses
// in them are told and fail nothing.
package leak

import (
	"context"
	"io"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/dataservice"
)

// Version is the version of the scanner's judgement. It is part of every verdict.
const Version = 2

// Class says how the masked values of a column are judged.
type Class string

// The classes.
const (
	// Strict values are so many that none can appear by chance: addresses, UUIDs, secrets. One hit fails.
	Strict Class = "strict"
	// Identifier values are permuted among few: keys, phone and card numbers. They are judged statistically.
	Identifier Class = "identifier"
	// Name values are drawn from a dictionary. Only rows that keep their value count.
	Name Class = "name"
	// Redrawn values are drawn from a dictionary, and again when the draw is the value itself: no row keeps its value.
	Redrawn Class = "redrawn"
	// Text is crossed out, or moved like dates: no row keeps its value.
	Text Class = "text"
	// Document is JSON, judged leaf by leaf.
	Document Class = "document"
	// Kept columns are left as they are by decision. Hits in them are told, and fail nothing.
	Kept Class = "kept"
	// Constant columns hold one value, or NULL, whatever the source holds. They are not judged row by row.
	Constant Class = "constant"
)

// Column is a column of the captures with what to expect of it.
type Column struct {
	Component string
	Object    string // of the table that partitions belong to, or of the partition itself
	Column    string
	Class     Class
	// Chance is the probability that a masked value equals its own input. 0 means the default of the class.
	Chance float64
	// Domain is how many values the mask of an Identifier permutes. 0 means unknown: then values of the source may be up to
	// half of the different masked values.
	Domain float64
	// KeptPaths are paths of a Document that are left as they are or become constants, as policies write them.
	KeptPaths []string
}

// Open opens a stream from its start.
type Open func(ctx context.Context) (io.ReadCloser, error)

// Unit is one stream of both captures. Unit.Rows sizes the filters: give the number that was counted, if there is one.
type Unit struct {
	Component string
	Unit      dataservice.Unit
	Table     string // Object.ID of the table that the unit's object is a partition of; may be empty
	Raw       Open   // nil for SQL and Tree units if there is none
	Masked    Open
	Dropped   bool // the masked stream must be empty
}

// Config is what to scan and within which bounds.
type Config struct {
	Columns  []Column
	Units    []Unit
	Canaries [][]byte // planted in the source; none may appear in any masked byte
	// Stop lists values that mean nothing and are kept everywhere ("unknown"); in any case.
	Stop []string
	// KeptDomains are domains of addresses that a policy keeps.
	KeptDomains []string
	// RawRoot and MaskedRoot are the digests of the two captures. They go into the verdict, so that it speaks of no others.
	RawRoot, MaskedRoot artifact.Digest
	Memory              int64 // bytes for filters of source values; 0 means 64 MiB
	Workers             int   // units that are read at once; 0 means 1
	MaxRow              int   // most bytes of one row; 0 means 1 GiB and a bit
}

// Verdict is what a scan found. Its JSON has one spelling, to be signed.
type Verdict struct {
	Version    int             `json:"version"`
	Passed     bool            `json:"passed"`
	RawRoot    artifact.Digest `json:"rawRoot"`
	MaskedRoot artifact.Digest `json:"maskedRoot"`
	Findings   []Finding       `json:"findings,omitempty"`
	Columns    []ColumnCount   `json:"columns,omitempty"`
	Rows       int64           `json:"rows"`
	Units      int             `json:"units"`
}

// Finding is something in the masked capture that should not be there.
type Finding struct {
	Kind      string `json:"kind"`
	Component string `json:"component"`
	Object    string `json:"object,omitempty"`
	Column    string `json:"column,omitempty"`
	Path      string `json:"path,omitempty"` // within documents
	Count     int64  `json:"count"`
	// Fails is false for what is only told, as hits in kept columns.
	Fails bool `json:"fails"`
}

// Kinds of findings.
const (
	KindSameRow  = "same-row" // rows keep their value more often than chance explains
	KindSource   = "source"   // values of the source appear in the output
	KindAddress  = "address"  // addresses that mail could reach
	KindCanary   = "canary"   // planted values appear
	KindRows     = "rows"     // the captures do not have the same rows
	KindUnlisted = "unlisted" // a column of the output that the configuration does not name
	KindOverflow = "overflow" // more suspects than can be confirmed one by one
)

// ColumnCount is what was counted in one column.
type ColumnCount struct {
	Component string  `json:"component"`
	Object    string  `json:"object"`
	Column    string  `json:"column"`
	Class     Class   `json:"class"`
	Cells     int64   `json:"cells"`     // with a value in both captures
	Identical int64   `json:"identical"` // of those, equal in one row
	Expected  float64 `json:"expected"`  // equal by chance
	Hits      int64   `json:"hits"`      // cells with a confirmed value of the source
}

// ClassOf returns how to judge a column by what a masked capture states of it: its action and the name of its mask. A mask
// that is not known here is judged as Identifier.
func ClassOf(action, mask string) Class {
	switch action {
	case "keep":
		return Kept
	case "null", "const", "drop":
		return Constant
	case "redact":
		return Text
	}
	switch mask {
	case "email", "id.uuid", "secret":
		return Strict
	case "name.first", "name.last":
		return Redrawn
	case "name.full":
		return Name
	case "text", "date":
		return Text
	case "json":
		return Document
	case "null", "const":
		return Constant
	}
	return Identifier
}
