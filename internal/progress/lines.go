package progress

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/tranship/tranship/internal/client"
)

// Display shows one run. Its methods are called from one goroutine.
type Display interface {
	// Event takes in the next event of the run's journal.
	Event(e event.Event) error
	// Progress takes in how far the run is between two events.
	Progress(p client.Progress)
	// Note takes in a line about what happens beside the run. Displays for programs leave it out.
	Note(text string)
	// Close ends the display and leaves its last state to be read.
	Close()
}

// NewLines returns a display for programs: each event is written to w as one line of JSON, a CloudEvent in structured mode.
// Progress is not written: it comes as often as it is asked for, and the journal says the same in the end.
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

// Progress does nothing.
func (lines) Progress(client.Progress) {}

// Note does nothing.
func (lines) Note(string) {}

// Close does nothing.
func (lines) Close() {}

// NewDiscard returns a display that shows nothing.
func NewDiscard() Display { return discard{} }

type discard struct{}

func (discard) Event(event.Event) error  { return nil }
func (discard) Progress(client.Progress) {}
func (discard) Note(string)              {}
func (discard) Close()                   {}
