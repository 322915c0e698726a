package progress

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/cloudevents/sdk-go/v2/event"
)

// Display shows one run. Its methods are called from one goroutine.
type Display interface {
	// Event takes in the next event of the run's journal.
	Event(e event.Event) error
	// Measure takes in what a worker says about its task.
	Measure(m Measure)
	// Close ends the display and leaves its last state to be read.
	Close()
}

// NewLines returns a display for programs: each event is written to w as one line of JSON, a CloudEvent in structured mode.
// Measures are not written: they come as often as somebody asks for them.
func NewLines(w io.Writer) Display { return lines{w} }

type lines struct{ w io.Writer }

// Event writes a line.
func (l lines) Event(e event.Event) error {
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encoding an event: %w", err)
	}
	_, err = l.w.Write(append(data, '\n'))
	return err
}

// Measure does nothing.
func (lines) Measure(Measure) {}

// Close does nothing.
func (lines) Close() {}

// NewDiscard returns a display that shows nothing.
func NewDiscard() Display { return discard{} }

type discard struct{}

func (discard) Event(event.Event) error { return nil }
func (discard) Measure(Measure)         {}
func (discard) Close()                  {}
