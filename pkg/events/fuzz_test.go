package events_test

import (
	"bytes"
	"testing"

	"github.com/tranship/tranship/pkg/events"
)

func FuzzDecode(f *testing.F) {
	var all []byte
	for _, s := range samples() {
		_, data, err := events.Encode(s.event)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		all = data
	}
	f.Add([]byte("[" + string(all) + "," + string(all) + "]"))
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/tenants/a/b","type":"io.tranship.run.paused.v1","subject":"r/s/t","tenant":"a","correlationid":"r","data_base64":"e30="}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		evs, err := events.Decode(data)
		if err != nil {
			return
		}
		for _, e := range evs {
			if a, err := events.AddressOf(e); err == nil {
				if _, err := events.New(a, 1, at, events.RunPaused{}); err != nil {
					t.Errorf("an address that is taken and cannot be used: %+v: %v", a, err)
				}
			}
			if p, err := events.Decoded(e); err == nil && p.Validate() != nil {
				t.Errorf("a payload that does not validate was returned: %+v", p)
			}
		}
		_, once, err := events.Encode(evs...)
		if err != nil {
			return // white space and data in base64 can grow beyond the size
		}
		again, err := events.Decode(once)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, once)
		}
		if _, twice, err := events.Encode(again...); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("another round changes it: %v\n%s\n%s", err, once, twice)
		}
	})
}

func FuzzAddressOf(f *testing.F) {
	f.Add("/tenants/acme/masker", "r1/mask/1", "acme", "r1")
	f.Add("/tenants/acme/scheduler", "r1", "acme", "r1")
	f.Add("/tenants//", "/", "", "")
	f.Add("/tenants/a/b/c", "r//t", "a", "r")
	f.Add("%", "0", "x", "0")
	f.Fuzz(func(t *testing.T, source, subject, tenant, run string) {
		e, err := events.New(events.Address{Tenant: "x", Service: "y", Run: "z"}, 1, at, events.RunPaused{})
		check(t, err)
		e.SetSource(source)
		e.SetSubject(subject)
		e.SetExtension(events.ExtTenant, tenant)
		e.SetExtension(events.ExtCorrelationID, run)
		if e.Validate() != nil {
			return // an attribute was not taken
		}
		a, err := events.AddressOf(e)
		if err != nil {
			return
		}
		back, err := events.New(a, 1, at, events.RunPaused{})
		check(t, err)
		if back.Source() != source || back.Subject() != subject || a.Tenant != tenant || a.Run != run {
			t.Errorf("%+v came from %q and %q", a, source, subject)
		}
	})
}

func FuzzParseTaskSubject(f *testing.F) {
	f.Add("saga.acme.r1.mask.prod.mask.1")
	f.Add("saga.acme.r1.run")
	f.Add("saga.*.>.mask.prod.mask.1")
	f.Add("saga.......")
	f.Fuzz(func(t *testing.T, subject string) {
		a, stage, cluster, err := events.ParseTaskSubject(subject)
		if err != nil {
			return
		}
		if back := events.TaskSubject(a.Tenant, a.Run, stage, cluster, a.Step, a.Task); back != subject {
			t.Errorf("%q came back as %q", subject, back)
		}
		a.Service = "masker"
		if _, err := events.New(a, 1, at, events.RunPaused{}); err != nil {
			t.Errorf("%q names an address that cannot be used: %v", subject, err)
		}
	})
}
