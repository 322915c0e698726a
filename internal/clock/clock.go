// Package clock is the one way to ask for the time, so that a test can put a whole cluster of services under virtual
// time and a reader can find every place that depends on it.
package clock

import "time"

// Clock tells the time. Implementations are safe for concurrent use.
type Clock interface {
	Now() time.Time
}

// Real is the wall clock in UTC. Inside a testing/synctest bubble it follows the bubble's time.
type Real struct{}

// Now returns the current time in UTC.
func (Real) Now() time.Time { return time.Now().UTC() }

// Fixed always tells the same time.
type Fixed time.Time

// Now returns the fixed time.
func (f Fixed) Now() time.Time { return time.Time(f) }
