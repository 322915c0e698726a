package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
)

// Content types of a message with one event and with several.
const (
	ContentType      = "application/cloudevents+json"
	BatchContentType = "application/cloudevents-batch+json"
)

// MaxSize is the largest message, in bytes, that may be published. Larger content is an object in a store that the
// event refers to.
const MaxSize = 256 << 10

// Sentinels for events that cannot be taken.
var (
	// ErrType: the event is of another type than asked for, or of one that this version does not know.
	ErrType = errors.New("unexpected event type")
	// ErrInvalid: the event is of the right type, and its envelope or payload breaks the contract.
	ErrInvalid = errors.New("invalid event")
)

// Payload is the data of an event. Every payload type has one event type, with its version.
type Payload interface {
	EventType() string
	Validate() error
}

// Address says what an event is about and which service speaks.
type Address struct {
	Tenant  string // DNS label
	Service string // scheduler, capturer, masker, verifier, transferer, restorer, gateway
	Run     string // run id
	Step    string // step name, empty for the run as a whole
	Task    string // task id within the step, empty for the step as a whole
}

// Extension attributes of every event. CloudEvents allows lower-case letters and digits only.
const (
	ExtTenant        = "tenant"
	ExtPartitionKey  = "partitionkey"  // the run id: events of a run keep their order
	ExtCorrelationID = "correlationid" // the run id
	ExtCausationID   = "causationid"   // id of the event that led to this one
	ExtAttempt       = "attempt"       // attempt of the task, as a decimal string
	ExtRunState      = "runstate"      // on every event of a run's own subject: the state after it
	ExtTraceParent   = "traceparent"
	ExtTraceState    = "tracestate"
	ExtDataRef       = "dataref"
)

// New builds the n-th event at an address. The id is <run>/<n> for a run and <run>/<step>/<task>/<n> for a task, so that
// the same event built twice has the same id.
func New[P Payload](at Address, n uint64, now time.Time, p P) (event.Event, error) {
	if err := at.validate(); err != nil {
		return event.Event{}, err
	}
	if err := p.Validate(); err != nil {
		return event.Event{}, fmt.Errorf("%w: %s: %w", ErrInvalid, p.EventType(), err)
	}
	e := event.New(event.CloudEventsVersionV1)
	e.SetType(p.EventType())
	e.SetSource("/tenants/" + at.Tenant + "/" + at.Service)
	e.SetTime(now.UTC())
	e.SetDataSchema(SchemaID(p.EventType()))
	subject, id := at.Run, fmt.Sprintf("%s/%d", at.Run, n)
	switch {
	case at.Task != "":
		subject, id = at.Run+"/"+at.Step+"/"+at.Task, fmt.Sprintf("%s/%s/%s/%d", at.Run, at.Step, at.Task, n)
	case at.Step != "":
		subject = at.Run + "/" + at.Step
	}
	e.SetSubject(subject)
	e.SetID(id)
	e.SetExtension(ExtTenant, at.Tenant)
	e.SetExtension(ExtPartitionKey, at.Run)
	e.SetExtension(ExtCorrelationID, at.Run)
	if err := e.SetData(event.ApplicationJSON, p); err != nil {
		return event.Event{}, fmt.Errorf("encode %s: %w", p.EventType(), err)
	}
	return e, nil
}

// Data decodes and validates the payload of e. It returns ErrType when e is of another type, and ErrInvalid when the
// payload cannot be decoded or does not validate.
func Data[P Payload](e event.Event) (P, error) {
	var p P
	if e.Type() != p.EventType() {
		return p, fmt.Errorf("%w: got %q, want %q", ErrType, e.Type(), p.EventType())
	}
	if err := json.Unmarshal(e.Data(), &p); err != nil {
		return p, fmt.Errorf("%w: %s: %w", ErrInvalid, e.Type(), err)
	}
	if err := p.Validate(); err != nil {
		return p, fmt.Errorf("%w: %s: %w", ErrInvalid, e.Type(), err)
	}
	return p, nil
}

// AddressOf reads back what New wrote. An envelope that New would not write is ErrInvalid.
func AddressOf(e event.Event) (Address, error) {
	var a Address
	tenant, _ := e.Extensions()[ExtTenant].(string)
	run, _ := e.Extensions()[ExtCorrelationID].(string)
	a.Tenant, a.Run = tenant, run
	service, ok := strings.CutPrefix(e.Source(), "/tenants/"+tenant+"/")
	if !ok {
		return a, fmt.Errorf("%w: source %q", ErrInvalid, e.Source())
	}
	a.Service = service
	parts := strings.Split(e.Subject(), "/")
	if parts[0] != run || len(parts) > 3 || slices.Contains(parts, "") {
		return a, fmt.Errorf("%w: subject %q is not <run>, <run>/<step> or <run>/<step>/<task> of run %q", ErrInvalid, e.Subject(), run)
	}
	if len(parts) > 1 {
		a.Step = parts[1]
	}
	if len(parts) > 2 {
		a.Task = parts[2]
	}
	return a, a.validate()
}

// Encode writes one event as an object and several as a batch, and returns the content type with the bytes.
func Encode(evs ...event.Event) (contentType string, data []byte, err error) {
	switch len(evs) {
	case 0:
		return "", nil, fmt.Errorf("%w: a message without events", ErrInvalid)
	case 1:
		contentType, data, err = encodeOne(evs[0])
	default:
		contentType = BatchContentType
		data, err = json.Marshal(evs)
	}
	if err != nil {
		return "", nil, fmt.Errorf("encode events: %w", err)
	}
	if len(data) > MaxSize {
		return "", nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrInvalid, len(data), MaxSize)
	}
	return contentType, data, nil
}

func encodeOne(e event.Event) (string, []byte, error) {
	data, err := json.Marshal(e)
	return ContentType, data, err
}

// Decode reads what Encode wrote: an object or a batch. Every event's envelope is validated; payloads are not decoded.
func Decode(data []byte) ([]event.Event, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrInvalid, len(data), MaxSize)
	}
	var evs []event.Event
	for _, c := range data {
		if c == ' ' || c == '\n' || c == '\r' || c == '\t' {
			continue
		}
		if c == '[' {
			if err := json.Unmarshal(data, &evs); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
			}
		} else {
			var e event.Event
			if err := json.Unmarshal(data, &e); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
			}
			evs = []event.Event{e}
		}
		break
	}
	if len(evs) == 0 {
		return nil, fmt.Errorf("%w: a message without events", ErrInvalid)
	}
	for i := range evs {
		if err := evs[i].Validate(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	return evs, nil
}
