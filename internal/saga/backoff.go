package saga

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/pkg/events"
)

// throttledExtra is how many doublings a throttled task is ahead of one that failed otherwise: the other side asked for
// patience.
const throttledExtra = 2

// backoff returns how long to wait after the given failure (from 1) of a task before its next attempt: full jitter up to
// min(cap, base·2^(failure-1)). The same arguments give the same answer, so that deciding twice decides the same.
func backoff(p events.RetryPolicy, class fault.Class, failure int, run, step, task string, attempt int) time.Duration {
	doublings := max(failure-1, 0)
	if class == fault.Throttled {
		doublings += throttledExtra
	}
	limit, ceiling := time.Duration(p.Base), time.Duration(p.Cap)
	for range doublings {
		if limit > ceiling/2 {
			limit = ceiling
			break
		}
		limit *= 2
	}
	if limit = min(limit, ceiling); limit <= 0 {
		return 0
	}
	h := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%s/%d", run, step, task, attempt))
	return time.Duration(binary.BigEndian.Uint64(h[:8]) % (uint64(limit) + 1))
}
