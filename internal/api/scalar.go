package api

import (
	"encoding/json"
	"fmt"
	"time"
)

// Duration is a time span above zero, written as Go writes it: 90s, 15m, 72h. Zero means that none was given.
type Duration time.Duration

// Std returns the span as a time.Duration.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String returns the span in Go's notation.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v <= 0 {
		return fmt.Errorf("must be a time span above zero such as 90s, 15m or 72h")
	}
	*d = Duration(v)
	return nil
}

// Date is a calendar day in UTC, written 2027-12-31. The zero Date means that none was given.
type Date struct{ day time.Time }

// NewDate returns the day of t in UTC.
func NewDate(t time.Time) Date {
	t = t.UTC()
	return Date{time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)}
}

// IsZero reports whether no day was given.
func (d Date) IsZero() bool { return d.day.IsZero() }

// End returns the first instant after the day.
func (d Date) End() time.Time { return d.day.AddDate(0, 0, 1) }

// String returns the day as 2027-12-31, or "" for the zero Date.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return d.day.Format(time.DateOnly)
}

// MarshalText implements encoding.TextMarshaler.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Date) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Date{}
		return nil
	}
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return fmt.Errorf("must be a day such as 2027-12-31")
	}
	*d = Date{t}
	return nil
}

// plainNumbers replaces every json.Number in v by an int64, or by a float64 where it does not fit one.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plainNumbers(v[k])
		}
	}
	return v
}
