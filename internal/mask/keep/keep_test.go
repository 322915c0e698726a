package keep_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/mask/keep"
	"github.com/tranship/tranship/internal/mask/masktest"
)

func decision(change map[string]any) map[string]any {
	p := map[string]any{"reason": "order states are not personal", "reviewedBy": "dpo@example.org", "expires": "2026-12-31"}
	for k, v := range change {
		p[k] = v
		if v == nil {
			delete(p, k)
		}
	}
	return p
}

func TestMask(t *testing.T) {
	masktest.Run(t, keep.Spec, "testdata", masktest.Property{
		Params: decision(nil), AnyText: true,
		Values: func(t *rapid.T) string {
			return strings.TrimSpace(rapid.StringMatching(`[a-z]{1,20}`).Draw(t, "value"))
		},
		Valid: func(in, out string) error {
			if in != out {
				return errors.New("it changed")
			}
			return nil
		},
	})
}

func TestDecisionHasToBeCompleteAndCurrent(t *testing.T) {
	build := func(raw map[string]any, now time.Time) error {
		p, err := mask.ParseParams(keep.Spec.Params, raw, "params")
		if err != nil {
			return err
		}
		deps := masktest.Deps()
		deps.Now = now
		_, err = keep.Spec.Build(mask.Config{Identity: "i", Params: p, Column: mask.Column{Kind: mask.KindText}}, deps)
		return err
	}
	for _, name := range []string{"reason", "reviewedBy", "expires"} {
		if err := build(decision(map[string]any{name: nil}), masktest.Now); err == nil || !strings.Contains(err.Error(), "params."+name) {
			t.Errorf("without %s: %v", name, err)
		}
		if err := build(decision(map[string]any{name: " "}), masktest.Now); err == nil || !strings.Contains(err.Error(), "params."+name) {
			t.Errorf("with an empty %s: %v", name, err)
		}
	}
	lastMoment := time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC)
	if err := build(decision(nil), lastMoment); err != nil {
		t.Errorf("on the last day: %v", err)
	}
	if err := build(decision(nil), lastMoment.Add(time.Second)); err == nil {
		t.Error("the day after, values are kept")
	}
	if err := build(decision(nil), time.Time{}); err == nil {
		t.Error("without a clock, values are kept")
	}
}
