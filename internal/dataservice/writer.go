package dataservice

import (
	"io"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/dataservice/tree"
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

// MeasuringWriter is a StreamWriter that measures what goes through it: rows of COPY text by their content, entries of a
// tree by their canonical lines, other formats by the rows that the source counts.
type MeasuringWriter struct {
	w      io.Writer
	meter  *Meter      // nil for formats without rows
	lines  *tree.Lines // turns an archive into rows for the meter; nil for other formats
	rows   int64
	report func(bytes, rows int64)
}

// NewMeasuringWriter returns a writer to w. report, which may be nil, hears of every Write and AddRows what it added.
func NewMeasuringWriter(w io.Writer, f Format, key MeasureKey, report func(bytes, rows int64)) *MeasuringWriter {
	m := &MeasuringWriter{w: w, report: report}
	switch f {
	case CopyText:
		m.meter = NewMeter(key)
	case Tree:
		m.meter = NewMeter(key)
		m.lines = tree.NewLines(m.meter)
	}
	if m.report == nil {
		m.report = func(int64, int64) {}
	}
	return m
}

// Write measures p and passes it on. Bytes that are not of the format are an error, and are not passed on.
func (m *MeasuringWriter) Write(p []byte) (int, error) {
	switch {
	case m.lines != nil:
		if _, err := m.lines.Write(p); err != nil {
			return 0, err
		}
	case m.meter != nil:
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

// Measure returns what went through. A stream that was cut is an error, where the format can tell.
func (m *MeasuringWriter) Measure() (Measure, error) {
	if m.meter == nil {
		return Measure{Rows: m.rows}, nil
	}
	if m.lines != nil {
		if err := m.lines.Close(); err != nil {
			return Measure{}, err
		}
	}
	return m.meter.Measure()
}
