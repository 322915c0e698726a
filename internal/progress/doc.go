// Package progress shows how a run goes on: to people on a terminal, a line for each step with bar, rate and time left; to
// programs, one line of JSON for each event.
//
// A display is fed with what a run's journal says (Event) and with what the workers measure meanwhile (Measure). It keeps
// up with a run from any point on and never needs the whole history.
package progress
