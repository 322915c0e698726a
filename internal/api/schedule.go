package api

import (
	"errors"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

var errCron = errors.New("must be five fields (minute hour day month weekday), or @hourly, @daily, @weekly or @monthly")

// Next returns the first moment after the given one at which the schedule starts a run, or the zero time when it never does.
func (s Schedule) Next(after time.Time) (time.Time, error) {
	line, err := s.line()
	if err != nil {
		return time.Time{}, err
	}
	zone, err := s.zone()
	if err != nil {
		return time.Time{}, err
	}
	return line.Next(after.In(zone)), nil
}

func (s Schedule) line() (cron.Schedule, error) {
	if strings.Contains(s.Cron, "TZ=") {
		return nil, errors.New("must not name a time zone: that is the field timeZone")
	}
	if strings.HasPrefix(s.Cron, "@every") {
		return nil, errCron
	}
	line, err := cron.ParseStandard(s.Cron)
	if err != nil {
		return nil, errCron // the library's message repeats the value
	}
	return line, nil
}

func (s Schedule) zone() (*time.Location, error) {
	if s.TimeZone == "Local" {
		return nil, errors.New("must be a name such as Europe/Berlin: local time differs between workers")
	}
	zone, err := time.LoadLocation(s.TimeZone)
	if err != nil {
		return nil, errors.New("is no time zone of the IANA database, such as Europe/Berlin")
	}
	return zone, nil
}

func (s Schedule) validate(errs *FieldErrors, path string) {
	if _, err := s.zone(); err != nil {
		errs.add(child(path, "timeZone"), "%v", err)
	}
	line, err := s.line()
	if err != nil {
		errs.add(child(path, "cron"), "%v", err)
		return
	}
	// Any day will do: a line that comes at all comes within a leap cycle of it.
	if line.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		errs.add(child(path, "cron"), "never comes: no month has that day")
	}
}
