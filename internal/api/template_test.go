package api

import (
	"strings"
	"testing"
	"time"
)

func TestTemplatesHoldParametersAndNothingElse(t *testing.T) {
	vars := Vars{Application: "shop", Params: map[string]string{"env": "pr-1", "empty": ""}}
	for _, c := range []struct{ template, want, err string }{
		{"shop", "shop", ""},
		{"shop-{{ .params.env }}", "shop-pr-1", ""},
		{"{{.params.env}}{{ .params.empty }}", "pr-1", ""},
		{"{{ .params.nev }}", "", `parameter "nev" has no value`},
		{"{{ .application }}-nightly", "shop-nightly", ""},
		{"{{ .applications }}", "", "nothing else in braces"},
		{"{{ env }}", "", "nothing else in braces"},
		{"{{ .params.env | printf }}", "", "nothing else in braces"},
		{"{{", "", "nothing else in braces"},
	} {
		got, err := Expand(c.template, vars)
		if got != c.want || (err == nil) != (c.err == "") || (err != nil && !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%q: got %q, %v", c.template, got, err)
		}
	}
}

func TestAValueIsNotExpandedAgain(t *testing.T) {
	got, err := Expand("{{ .params.a }}", Vars{Params: map[string]string{"a": "{{ .params.b }}", "b": "secret"}})
	if err != nil || got != "{{ .params.b }}" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestAParameterMatchesAsAWhole(t *testing.T) {
	for _, c := range []struct {
		pattern, value string
		ok             bool
	}{
		{"[a-z]+", "abc", true},
		{"[a-z]+", "abc; rm -rf /", false},
		{"^[a-z]+$", "abc", true},
		{"a|b", "b", true},
		{"a|b", "ab", false},
		{"(?m)^a$", "a\nb", false},
		{"a)|(.*", "x", false},
	} {
		if err := (Param{Pattern: c.pattern}).Check(c.value); (err == nil) != c.ok {
			t.Errorf("%q takes %q: %v", c.pattern, c.value, err)
		} else if err != nil && len(c.value) > 3 && strings.Contains(err.Error(), c.value) {
			t.Errorf("the error repeats the value: %v", err)
		}
	}
}

func TestScheduleFollowsItsTimeZone(t *testing.T) {
	s := Schedule{Cron: "0 2 * * *", TimeZone: "Europe/Berlin"}
	for _, c := range []struct{ after, want string }{
		{"2026-01-15T00:00:00Z", "2026-01-15T01:00:00Z"},
		{"2026-07-15T00:00:00Z", "2026-07-16T00:00:00Z"},
	} {
		after, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		next, err := s.Next(after)
		if err != nil || next.UTC().Format(time.RFC3339) != c.want {
			t.Errorf("after %s comes %v, %v; want %s", c.after, next, err, c.want)
		}
	}
}

func TestKeepHoldsThroughItsLastDay(t *testing.T) {
	k := Keep{Expires: NewDate(today)}
	if k.Expired(time.Date(2026, 11, 20, 23, 59, 59, 0, time.UTC)) {
		t.Error("expired on its last day")
	}
	if !k.Expired(time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)) {
		t.Error("holds after its last day")
	}
	if (&Keep{}).Expired(today) {
		t.Error("expired without a date")
	}
}

func FuzzSchedule(f *testing.F) {
	for _, line := range []string{"0 2 * * *", "@daily", "TZ=", "CRON_TZ=x 0 2 * * *", "*/0 * * * *", "@every 1s", "1-5/2 * * 1,3 *"} {
		f.Add(line, "Europe/Berlin")
	}
	f.Fuzz(func(t *testing.T, line, zone string) {
		s := Schedule{Cron: line, TimeZone: zone}
		var errs FieldErrors
		s.validate(&errs, "spec.schedule")
		if next, err := s.Next(today); len(errs) == 0 && (err != nil || next.IsZero()) {
			t.Fatalf("a valid schedule never comes: %v, %v", next, err)
		}
	})
}
