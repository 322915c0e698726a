package dataservice

import (
	"io"

	"github.com/tranship/tranship/internal/artifact"
)

// Chunking says where streams of the format may be cut.
func (f Format) Chunking() artifact.Chunking {
	if f == CopyText {
		return artifact.Lines
	}
	return artifact.Stream
}

// Kinds of Point.
const (
	// PointSnapshot: the units belong to one consistent view that a session of the source holds.
	PointSnapshot = "snapshot"
	// PointPerStream: each unit is read as it is at that moment.
	PointPerStream = "per-stream"
)

// MeasuringWriter is a StreamWriter that measures what goes through it: rows of COPY text by their content, other formats
// by the rows that the source counts.
type MeasuringWriter struct {
	w      io.Writer
	meter  *Meter // nil for formats without rows
	rows   int64
	report func(bytes, rows int64)
}

// NewMeasuringWriter returns a writer to w. report, which may be nil, hears of every Write and AddRows what it added.
func NewMeasuringWriter(w io.Writer, f Format, key MeasureKey, report func(bytes, rows int64)) *MeasuringWriter {
	m := &MeasuringWriter{w: w, report: report}
	if f == CopyText {
		m.meter = NewMeter(key)
	}
	if m.report == nil {
		m.report = func(int64, int64) {}
	}
	return m
}

// Write measures p and passes it on.
func (m *MeasuringWriter) Write(p []byte) (int, error) {
	if m.meter != nil {
		_, _ = m.meter.Write(p) // never fails
	}
	n, err := m.w.Write(p)
	m.report(int64(n), 0)
	return n, err
}

// AddRows counts rows for progress, and for the measure of formats that have no rows of text.
func (m *MeasuringWriter) AddRows(n int64) {
	m.rows += n
	m.report(0, n)
}

// Measure returns what went through.
func (m *MeasuringWriter) Measure() (Measure, error) {
	if m.meter == nil {
		return Measure{Rows: m.rows}, nil
	}
	return m.meter.Measure()
}
