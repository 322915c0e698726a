// Package dataservice is the port to things with state: databases, directories, volumes.
//
// A component of an application is captured through a Source and restored through a Target and, sealed until it is
// proven equal, opened through a Sandbox. A driver provides all three in its Spec.
//
// What travels is a Component: a catalogue of what there is and a list of units. A unit is the grain of parallelism and of
// resume, and one stream of bytes in a capture. Its Format says how to read the bytes without knowing the engine, so that
// the masker and the verifier need no driver.
package dataservice

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/tranship/tranship/internal/artifact"
)

// Sentinels of drivers.
var (
	// ErrSnapshotLost: the consistent view of the source that the units belong to is gone. The component must be captured
	// again from its plan; nothing of the old view may be mixed with a new one.
	ErrSnapshotLost = errors.New("the source's snapshot is gone")
	// ErrTargetExists: something stands where the restore would publish.
	ErrTargetExists = errors.New("the target exists already")
	// ErrFenced: a newer claim works on the target.
	ErrFenced = errors.New("a newer claim works on the target")
)

// Format says how the bytes of a unit are to be read.
type Format string

// The formats.
const (
	// CopyText is PostgreSQL's COPY text: a row a line, columns separated by tabs, \N for NULL, backslash escapes. A raw
	// newline always ends a row. See package copytext.
	CopyText Format = "copy-text"
	// SQL is a script of definitions, without data.
	SQL Format = "sql"
	// Tree is a shard of a file tree as a PAX tar archive. See package tree.
	Tree Format = "tree"
)

// Unit is one part of a component. Everything in it goes into the sealed part of a manifest.
type Unit struct {
	// ID is unique within the component and stable for the same plan: "pre", "data-0007".
	ID string `json:"id"`
	// Kind is the driver's word for what it is: pre-data, data, post-data, shard.
	Kind   string `json:"kind"`
	Format Format `json:"format"`
	// Object is the object of the catalogue that the rows of a data unit belong to, as Object.ID; empty otherwise.
	Object string `json:"object,omitempty"`
	// Columns are the columns of a row, in order, of a unit in format CopyText.
	Columns []string `json:"columns,omitempty"`
	// Rows and Bytes are estimates, for progress and for bundling.
	Rows  int64 `json:"rows,omitempty"`
	Bytes int64 `json:"bytes,omitempty"`
	// Detail is the driver's own: a range, a list of paths.
	Detail json.RawMessage `json:"detail,omitempty"`
}

// Captured is a unit with the stream that holds it.
type Captured struct {
	Unit     Unit              `json:"unit"`
	Artifact artifact.Artifact `json:"artifact"`
	Measure  Measure           `json:"measure"`
}

// Component is what a capture holds of one component: the content of the sealed part of a manifest.
type Component struct {
	Name      string     `json:"name"`
	Driver    string     `json:"driver"` // name of the Spec: postgres, files
	Point     Point      `json:"point"`
	Catalogue Catalogue  `json:"catalogue"`
	Units     []Captured `json:"units"`
	Gaps      []Gap      `json:"gaps,omitempty"`
}

// Point says at what moment, in the source's own terms, a component was captured.
type Point struct {
	Kind     string            `json:"kind"`               // snapshot, quiesced, crash, per-stream
	Position string            `json:"position,omitempty"` // "lsn 0/16B3748"
	Details  map[string]string `json:"details,omitempty"`  // server version, timeline
}

// Gap is something that a capture does not hold, and why. It is reported and not fatal.
type Gap struct {
	Object string `json:"object"`
	Code   string `json:"code"` // vanished, changed-while-read, unsupported
	Reason string `json:"reason"`
}

// Codes of gaps.
const (
	GapVanished    = "vanished"           // the catalogue lists it, and it was gone when it was to be read
	GapChanged     = "changed-while-read" // what the capture holds of it may be part of an older and part of a newer state
	GapUnsupported = "unsupported"        // the driver does not know how to carry it
)

// Plan is what a source will yield.
type Plan struct {
	Point     Point
	Catalogue Catalogue
	Units     []Unit
	Gaps      []Gap
}

// Source is one component, opened at one consistent point. Plan is called once; after it, Capture may be called from
// several goroutines. Close releases everything that was held in the source system and is always called.
type Source interface {
	// Plan fixes the consistent point and lists the units. The same state of the source gives the same plan.
	Plan(ctx context.Context) (Plan, error)
	// Capture writes the bytes of a unit to w and returns what it left out. The same point gives the same bytes.
	Capture(ctx context.Context, u Unit, w StreamWriter) ([]Gap, error)
	// Close ends the view. It is safe to call after an error and more than once.
	Close() error
}

// StreamWriter takes the bytes of one unit. The bytes are only read during Write.
type StreamWriter interface {
	io.Writer
	// AddRows counts rows, or files, for progress and for the manifest.
	AddRows(n int64)
}

// OpenUnit opens the bytes of a captured unit for reading, from its start. The reader verifies what it reads: it returns
// an error rather than wrong or missing bytes.
type OpenUnit func(ctx context.Context, c Captured) (io.ReadCloser, error)

// Target is where a component is restored: sealed, out of everybody's sight but its owner's, until a Sandbox publishes
// it. All methods are idempotent, so that another worker can go on after a crash; effects carry the fence given when the
// target was opened, and give way to a higher one with ErrFenced.
type Target interface {
	// Prepare makes the sealed place and everything that must be there before data. It returns ErrTargetExists, changing
	// nothing, when something stands where Publish would put the result.
	Prepare(ctx context.Context, c Component, open OpenUnit) error
	// Restore puts the data of one unit in place, unless that is done already: it reports whether it did something. It may
	// be called from several goroutines.
	Restore(ctx context.Context, c Captured, open OpenUnit) (done bool, err error)
	// Finish makes everything that must come after the data: indexes, constraints, sequences, statistics.
	Finish(ctx context.Context, c Component, open OpenUnit) error
	// Close releases connections. It does not undo anything.
	Close() error
}

// Sandbox is a restored, still sealed target.
type Sandbox interface {
	// Inspect reads back what stands in the sandbox, with every row measured under key (see NewMeter).
	Inspect(ctx context.Context, c Component, key MeasureKey) (Findings, error)
	// Publish opens the sandbox to its users, under the name that was asked for. It is atomic and idempotent.
	Publish(ctx context.Context, c Component) error
	// Discard removes the sandbox. It never touches a published target. It is idempotent.
	Discard(ctx context.Context) error
	// Close releases connections.
	Close() error
}

// Findings is what Inspect read back.
type Findings struct {
	Catalogue Catalogue
	// Measures are per Object.ID; for file trees, one per shard unit's ID.
	Measures map[string]Measure
}

// Restoring says for which run and claim a target is opened.
type Restoring struct {
	Run     string // names the sealed place, so that every worker of the run finds it
	Fence   uint64
	Workers int // goroutines that may call Restore at once
}

// Spec is a driver as data: what the registry, the reference pages and the CLI know of it.
type Spec struct {
	Name    string // postgres
	Summary string
	// Source opens a component for reading. config is the driver's own part of the component, as JSON; workers is how many
	// units will be captured at once.
	Source func(ctx context.Context, config json.RawMessage, workers int, d Deps) (Source, error)
	// Target opens a place to restore to; config is the driver's own part of the target component.
	Target func(ctx context.Context, config json.RawMessage, r Restoring, d Deps) (Target, error)
	// Sandbox opens what a Target made.
	Sandbox func(ctx context.Context, config json.RawMessage, r Restoring, d Deps) (Sandbox, error)
}

// Deps is what drivers get from the outside.
type Deps struct {
	// Secret resolves a secret reference, given as its JSON, at the moment of use.
	Secret func(ctx context.Context, ref json.RawMessage) (string, error)
	// Logf takes a line for the operator; never a value of the data.
	Logf func(format string, args ...any)
}
