package stage

import "sync/atomic"

// Tally adds up what the goroutines of one task do and reports the sum. It is safe for concurrent use.
type Tally struct {
	report func(Progress)
	total  Progress
	store  func() (stored, skipped int64)
	bytes  atomic.Int64
	rows   atomic.Int64
	note   atomic.Pointer[string]
}

// NewTally returns a tally that starts from total, which holds what is known of the whole. store, which may be nil, tells
// how much went to the store and how much was there already.
func NewTally(report func(Progress), total Progress, store func() (stored, skipped int64)) *Tally {
	if store == nil {
		store = func() (int64, int64) { return 0, 0 }
	}
	return &Tally{report: report, total: total, store: store}
}

// Add counts bytes and rows.
func (t *Tally) Add(bytes, rows int64) {
	t.bytes.Add(bytes)
	t.rows.Add(rows)
	t.tell()
}

// Note says what the task is busy with; never a value of the data.
func (t *Tally) Note(text string) {
	t.note.Store(&text)
	t.tell()
}

func (t *Tally) tell() {
	now := t.total
	now.Bytes, now.Rows = t.bytes.Load(), t.rows.Load()
	if now.BytesTotal > 0 { // estimates may fall short, and a unit that is read again counts twice
		now.Bytes = min(now.Bytes, now.BytesTotal)
	}
	now.Stored, now.Skipped = t.store()
	if text := t.note.Load(); text != nil {
		now.Note = *text
	}
	t.report(now)
}
