package saga

import (
	"context"
	"iter"
)

// Feed is the journal as an onlooker sees it: the API, its event streams and the deliveries to subscribers.
type Feed interface {
	// Follow yields the entries after a sequence in stream order, first those that stand, then those to come, until ctx ends
	// or the caller stops. An empty Run follows all runs of the tenant, an empty Tenant those of all tenants. An error ends
	// it, the end of ctx with ctx's; go on after the last entry's Seq. The entries of one message share a Seq: whoever stops
	// in the middle of a message and goes on after its Seq misses the rest of it.
	Follow(ctx context.Context, run RunID, after Seq) iter.Seq2[Entry, error]
	// Runs returns the last message of each run's own subject, of the run that moved last first: at most limit (1 to
	// MaxRuns) of those whose message stands before a sequence (0: from the end). For the next page, pass the last Head's Seq.
	// An empty tenant lists the runs of all tenants.
	Runs(ctx context.Context, tenant string, before Seq, limit int) ([]Head, error)
}

// MaxRuns is the largest page of Runs.
const MaxRuns = 500

// Head is the last message about a run as a whole: all of its entries share a Seq.
type Head struct {
	Run     RunID
	Seq     Seq
	Entries []Entry
}
