package events_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/tranship/tranship/pkg/events"
)

func TestSubjects(t *testing.T) {
	for _, tc := range [][2]string{
		{events.RunSubject("acme", "r1"), "saga.acme.r1.run"},
		{events.RunFilter("acme", "r1"), "saga.acme.r1.>"},
		{events.TaskSubject("acme", "r1", events.StageMask, "prod", "mask-it", events.TaskDraft), "saga.acme.r1.mask.prod.mask-it.draft"},
		{events.WorkSubject(events.StageScan, "prod", "acme", "r1", "mask-it", events.TaskScan), "work.scan.prod.acme.r1.mask-it.scan"},
		{events.CheckpointKey(events.StageCapture, "prod", "acme", "r1", "capture", events.WorkTask(7)), "capture.prod.acme.r1.capture.7"},
		{events.TriggerSubject("acme", "r1"), "work.trigger.acme.r1"},
		{events.TimerSubject("acme", "r1"), "work.timer.acme.r1"},
		{events.ScheduleSubject("retry", "acme", "r1"), "at.retry.acme.r1"},
	} {
		if tc[0] != tc[1] {
			t.Errorf("got %s, want %s", tc[0], tc[1])
		}
	}
}

func TestTaskSubjectIsTakenApart(t *testing.T) {
	for _, stage := range events.Stages() {
		want := events.Address{Tenant: "acme", Run: "r1", Step: "s", Task: "12"}
		got, gotStage, cluster, err := events.ParseTaskSubject(events.TaskSubject("acme", "r1", stage, "prod", "s", "12"))
		if err != nil || got != want || gotStage != stage || cluster != "prod" {
			t.Errorf("%s: got %+v, %s, %s, %v", stage, got, gotStage, cluster, err)
		}
	}
	for _, subject := range []string{
		"", "saga", "saga.acme.r1.run", "work.mask.prod.acme.r1.s.1", "saga.acme.r1.mask.prod.s", "saga.acme.r1.mask.prod.s.1.2",
		"saga..r1.mask.prod.s.1", "saga.acme.r1.paint.prod.s.1", "saga.*.r1.mask.prod.s.1", "saga.acme.r1.mask.prod.s.>",
		"saga.acme.r1.mask.Prod.s.1", "saga.acme.R1.mask.prod.s.1", "saga.acme.r1.mask.prod.s t.1", "saga.acme.r1.mask.prod.s.",
	} {
		if got, _, _, err := events.ParseTaskSubject(subject); !errors.Is(err, events.ErrInvalid) {
			t.Errorf("%q: got %+v, %v", subject, got, err)
		}
	}
}

func TestAddressIsReadBack(t *testing.T) {
	for _, want := range []events.Address{
		{Tenant: "acme", Service: "scheduler", Run: "r1"},
		{Tenant: "acme", Service: "scheduler", Run: "r1", Step: "mask"},
		{Tenant: "acme", Service: "masker", Run: "r1", Step: "mask", Task: "commit"},
	} {
		e, err := events.New(want, 7, at, events.RunPaused{})
		check(t, err)
		if got, err := events.AddressOf(e); err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
}

func TestAddressesThatAreNotOnesAreRefused(t *testing.T) {
	good := events.Address{Tenant: "acme", Service: "masker", Run: "r1", Step: "mask", Task: "1"}
	for what, spoil := range map[string]func(*events.Address){
		"no tenant":         func(a *events.Address) { a.Tenant = "" },
		"tenant of two":     func(a *events.Address) { a.Tenant = "a.b" },
		"no service":        func(a *events.Address) { a.Service = "" },
		"no run":            func(a *events.Address) { a.Run = "" },
		"upper case":        func(a *events.Address) { a.Run = "R1" },
		"wildcard":          func(a *events.Address) { a.Step = "*" },
		"task without step": func(a *events.Address) { a.Step = "" },
		"path in task":      func(a *events.Address) { a.Task = "../1" },
		"long step":         func(a *events.Address) { a.Step = strings.Repeat("s", 64) },
	} {
		a := good
		spoil(&a)
		if _, err := events.New(a, 1, at, events.RunPaused{}); !errors.Is(err, events.ErrInvalid) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	for what, spoil := range map[string]func(*event.Event){
		"foreign source":      func(e *event.Event) { e.SetSource("/elsewhere") },
		"another tenant":      func(e *event.Event) { e.SetExtension(events.ExtTenant, "other") },
		"another run":         func(e *event.Event) { e.SetExtension(events.ExtCorrelationID, "r2") },
		"subject too long":    func(e *event.Event) { e.SetSubject("r1/mask/1/2") },
		"no subject":          func(e *event.Event) { e.SetSubject("") },
		"empty step":          func(e *event.Event) { e.SetSubject("r1/") },
		"empty task":          func(e *event.Event) { e.SetSubject("r1/mask/") },
		"service with a path": func(e *event.Event) { e.SetSource("/tenants/acme/a/b") },
	} {
		e, err := events.New(good, 1, at, events.RunPaused{})
		check(t, err)
		spoil(&e)
		if a, err := events.AddressOf(e); !errors.Is(err, events.ErrInvalid) {
			t.Errorf("%s: got %+v, %v", what, a, err)
		}
	}
}

func TestMessagesOfSeveralEventsKeepTheirOrder(t *testing.T) {
	var evs []event.Event
	for _, s := range samples()[:3] {
		check(t, s.err)
		evs = append(evs, s.event)
	}
	contentType, data, err := events.Encode(evs...)
	check(t, err)
	if contentType != events.BatchContentType {
		t.Errorf("content type %q", contentType)
	}
	got, err := events.Decode(append([]byte(" \n"), data...))
	check(t, err)
	if len(got) != 3 || got[0].ID() != evs[0].ID() || got[2].Type() != evs[2].Type() {
		t.Errorf("got %v", got)
	}
}

func TestMessagesThatAreNoneAreRefused(t *testing.T) {
	good := sampleOf(t, events.TypeRunPaused)
	_, data, err := events.Encode(good)
	check(t, err)
	big := good.Clone()
	check(t, big.SetData(event.ApplicationJSON, strings.Repeat("x", events.MaxSize)))
	if _, _, err := events.Encode(big); !errors.Is(err, events.ErrInvalid) {
		t.Errorf("an event above the size was written: %v", err)
	}
	if _, _, err := events.Encode(); !errors.Is(err, events.ErrInvalid) {
		t.Errorf("a message without events was written: %v", err)
	}
	for what, data := range map[string][]byte{
		"nothing":      nil,
		"white space":  []byte(" \n\t"),
		"no JSON":      []byte("hello"),
		"empty batch":  []byte("[]"),
		"empty object": []byte("{}"),
		"cut":          data[:len(data)-2],
		"no id":        bytes.Replace(data, []byte(`"id":"`+good.ID()+`",`), nil, 1),
		"old version":  bytes.Replace(data, []byte(`"specversion":"1.0"`), []byte(`"specversion":"0.1"`), 1),
		"too large":    append(data, bytes.Repeat([]byte(" "), events.MaxSize)...),
		"two objects":  append(bytes.Clone(data), data...),
	} {
		if evs, err := events.Decode(data); !errors.Is(err, events.ErrInvalid) {
			t.Errorf("%s: got %v, %v", what, evs, err)
		}
	}
}

func TestEventsOfOtherTypesAreNotMistaken(t *testing.T) {
	e := sampleOf(t, events.TypeRunPaused)
	if _, err := events.Data[events.RunResumed](e); !errors.Is(err, events.ErrType) {
		t.Errorf("got %v", err)
	}
	e.SetType("io.tranship.run.paused.v2")
	if _, err := events.Decoded(e); !errors.Is(err, events.ErrType) {
		t.Errorf("got %v", err)
	}
}
