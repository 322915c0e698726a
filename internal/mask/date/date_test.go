package date_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/mask/date"
	"github.com/tranship/tranship/internal/mask/masktest"
)

const layoutISO = "2006-01-02 15:04:05.999999-07"

func draw(t *rapid.T) string {
	at := time.Unix(rapid.Int64Range(-60_000_000_000, 200_000_000_000).Draw(t, "seconds"), 0).UTC()
	layout := rapid.SampledFrom([]string{time.DateOnly, time.DateTime, layoutISO, time.RFC3339Nano}).Draw(t, "layout")
	return at.Format(layout)
}

func day(s string) (time.Time, error) { return time.Parse(time.DateOnly, s[:10]) }

func TestMask(t *testing.T) {
	moved := func(multiple int) func(in, out string) error {
		return func(in, out string) error {
			if in[10:] != out[10:] {
				return errors.New("time of day or zone changed")
			}
			a, errIn := day(in)
			b, errOut := day(out)
			if errIn != nil || errOut != nil {
				return errors.Join(errIn, errOut)
			}
			days := int(a.Sub(b).Hours() / 24)
			if days < 1 || days > 365 || days%multiple != 0 {
				return fmt.Errorf("it moved by %d days", days)
			}
			return nil
		}
	}
	masktest.Run(t, date.Spec, "testdata",
		masktest.Property{Name: "days", Subject: "customer.id", Column: mask.Column{Kind: mask.KindTimestampTZ},
			Values: draw, Valid: moved(1), Identifier: true, SameLength: true},
		masktest.Property{Name: "weeks", Subject: "customer.id", Params: map[string]any{"weeks": true},
			Values: draw, Valid: moved(7), Identifier: true, SameLength: true},
	)
}

func build(t *testing.T, identity, subject string, c mask.Column) mask.Transformer {
	t.Helper()
	tr, err := date.Spec.Build(mask.Config{Identity: identity, Subject: subject, Column: c}, masktest.Deps())
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestAllDatesOfASubjectMoveTogether(t *testing.T) {
	birth := build(t, "person.birth", "person.id", mask.Column{Kind: mask.KindDate})
	visit := build(t, "visit.at", "person.id", mask.Column{Kind: mask.KindTimestamp})
	written := build(t, "letter.date", "person.id", mask.Column{Kind: mask.KindText, Format: "DD.MM.YYYY"})
	unix := build(t, "login.at", "person.id", mask.Column{Kind: mask.KindInt8, Format: "unix"})
	shifts := map[time.Duration]bool{}
	for i := range 50 {
		r := &mask.Record{Subject: fmt.Append(nil, i)}
		move := func(tr mask.Transformer, in, layout string) time.Duration {
			out, err := tr.Transform(nil, mask.Text([]byte(in)), r)
			if err != nil {
				t.Fatal(err)
			}
			a, errIn := time.Parse(layout, in)
			b, errOut := time.Parse(layout, string(out))
			if errIn != nil || errOut != nil {
				t.Fatal(errIn, errOut)
			}
			return a.Sub(b)
		}
		want := move(birth, "1980-02-29", time.DateOnly)
		shifts[want] = true
		if got := move(visit, "2024-03-01 10:00:00", time.DateTime); got != want {
			t.Errorf("subject %d: a visit moved by %v, the birth by %v", i, got, want)
		}
		if got := move(written, "01.03.2024", "02.01.2006"); got != want {
			t.Errorf("subject %d: a letter moved by %v, the birth by %v", i, got, want)
		}
		out, err := unix.Transform(nil, mask.Text([]byte("1700000000")), r)
		if want := fmt.Sprint(1700000000 - int64(want.Seconds())); err != nil || string(out) != want {
			t.Errorf("subject %d: a login moved to %s, want %s (%v)", i, out, want, err)
		}
	}
	if len(shifts) < 30 {
		t.Errorf("50 subjects have only %d different shifts", len(shifts))
	}
}

func TestEveryDayIsParsedAndWritten(t *testing.T) {
	tr := build(t, "d", "s", mask.Column{Kind: mask.KindDate})
	r := &mask.Record{Subject: []byte("1")}
	var before time.Time
	for at := time.Date(1899, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2105; at = at.AddDate(0, 0, 1) {
		out, err := tr.Transform(nil, mask.Text([]byte(at.Format(time.DateOnly))), r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := time.Parse(time.DateOnly, string(out))
		if err != nil {
			t.Fatal(err)
		}
		if !before.IsZero() && got.Sub(before) != 24*time.Hour {
			t.Fatalf("%s became %s, the day before %s", at, got, before)
		}
		before = got
	}
}

func TestRowWithoutSubjectIsInvalid(t *testing.T) {
	tr := build(t, "d", "s", mask.Column{Kind: mask.KindDate})
	if _, err := tr.Transform(nil, mask.Text([]byte("2020-01-01")), &mask.Record{}); !errors.Is(err, mask.ErrInvalid) {
		t.Errorf("%v, want ErrInvalid", err)
	}
	_, err := date.Spec.Build(mask.Config{Identity: "d", Column: mask.Column{Kind: mask.KindDate}}, masktest.Deps())
	if err == nil {
		t.Error("a rule without a subject is accepted")
	}
}

func TestFormatHasToSuitTheColumn(t *testing.T) {
	for _, c := range []mask.Column{
		{Kind: mask.KindInt8}, {Kind: mask.KindInt8, Format: "ISO"}, {Kind: mask.KindDate, Format: "DD.MM.YYYY"}, {Kind: mask.KindText, Format: "DD.MM.YY"},
	} {
		if _, err := date.Spec.Build(mask.Config{Identity: "d", Subject: "s", Column: c}, masktest.Deps()); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

func TestTextNeverGetsLonger(t *testing.T) {
	tr := build(t, "d", "s", mask.Column{Kind: mask.KindVarchar, MaxChars: 10})
	r := &mask.Record{Subject: []byte("1")}
	if out, err := tr.Transform(nil, mask.Text([]byte("0001-01-01")), r); !errors.Is(err, mask.ErrInvalid) {
		t.Errorf("the first day of the era became %s, %v", out, err)
	}
}

// FuzzTransform checks that what the mask accepts it also accepts after the move, with everything behind the date kept.
func FuzzTransform(f *testing.F) {
	for _, s := range []string{"2020-02-29", "0044-03-15 BC", "2020-01-01 12:34:56.789+05:30", "294276-12-31T23:59:60Z", "2020-01-01 "} {
		f.Add(s, []byte("1"))
	}
	tr, err := date.Spec.Build(mask.Config{Identity: "d", Subject: "s", Column: mask.Column{Kind: mask.KindTimestamp}}, masktest.Deps())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string, subject []byte) {
		if subject == nil {
			subject = []byte{}
		}
		out, err := tr.Transform(nil, mask.Text([]byte(s)), &mask.Record{Subject: subject})
		if err != nil || s == "" {
			return
		}
		again, err := tr.Transform(nil, mask.Text(out), &mask.Record{Subject: subject})
		if err != nil && !strings.Contains(err.Error(), "this old") {
			t.Fatalf("%q became %q, which is not a date: %v", s, out, err)
		}
		if err == nil && string(again) == string(out) && !strings.Contains(s, "infinity") && !strings.HasPrefix(s, "0000") {
			t.Fatalf("%q did not move", out)
		}
	})
}

func BenchmarkMask(b *testing.B) {
	masktest.Benchmark(b, date.Spec, masktest.Property{Subject: "customer.id", Column: mask.Column{Kind: mask.KindTimestampTZ}},
		"1980-02-29", "2024-03-01 10:00:00.123456+01")
}
