package progress

import "time"

// meter measures the rate of a count that is told now and then. The zero value, and nil, know nothing yet.
type meter struct {
	samples []sample // by time, of the last window
}

type sample struct {
	at    time.Time
	count int64
}

const (
	window  = 8 * time.Second // over which a rate is taken
	stalled = 5 * time.Second // without growth: then there is no rate to speak of
)

// add takes in a count. One that jumps back, as that of a task that began again, starts the measure anew.
func (m *meter) add(now time.Time, count int64) {
	if n := len(m.samples); n > 0 {
		switch last := m.samples[n-1].count; {
		case count < last:
			m.samples = nil
		case count == last:
			return
		}
	}
	for len(m.samples) > 2 && now.Sub(m.samples[0].at) > window {
		m.samples = m.samples[1:]
	}
	m.samples = append(m.samples, sample{now, count})
}

// rate returns the growth per second, or 0 where it cannot be told.
func (m *meter) rate(now time.Time) float64 {
	if m == nil || len(m.samples) < 2 {
		return 0
	}
	first, last := m.samples[0], m.samples[len(m.samples)-1]
	passed := last.at.Sub(first.at)
	if passed <= 0 || now.Sub(last.at) > stalled {
		return 0
	}
	return float64(last.count-first.count) / passed.Seconds()
}
