package mask_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/mask"
)

var declared = []mask.Param{
	{Name: "domain", Type: mask.ParamString, Default: "x.test"},
	{Name: "mode", Type: mask.ParamString, Enum: []string{"fast", "slow"}, Default: "fast"},
	{Name: "max", Type: mask.ParamInt, Min: 1, Max: 10, Default: int64(5)},
	{Name: "weeks", Type: mask.ParamBool},
	{Name: "keep", Type: mask.ParamStrings},
	{Name: "expires", Type: mask.ParamDate},
	{Name: "rules", Type: mask.ParamRules},
	{Name: "reason", Type: mask.ParamString, Required: true},
}

func TestParamsAreTyped(t *testing.T) {
	p, err := mask.ParseParams(declared, map[string]any{
		"reason": "r", "max": float64(7), "weeks": true, "keep": []any{"a", "b"}, "expires": "2030-12-31",
		"rules": []any{map[string]any{"path": "$.a", "mask": "const", "params": map[string]any{"value": "x"}}, map[string]any{"path": "$.b", "identity": "i", "region": "US"}},
	}, "identities.i.params")
	if err != nil {
		t.Fatal(err)
	}
	if p.String("domain") != "x.test" || p.String("mode") != "fast" || p.Int("max") != 7 || !p.Bool("weeks") || len(p.Strings("keep")) != 2 {
		t.Errorf("%+v", p)
	}
	if want := time.Date(2030, 12, 31, 0, 0, 0, 0, time.UTC); !p.Date("expires").Equal(want) {
		t.Errorf("expires is %v", p.Date("expires"))
	}
	if r := p.Rules("rules"); len(r) != 2 || r[0].Mask != "const" || r[0].Params["value"] != "x" || r[1].Identity != "i" || r[1].Region != "US" {
		t.Errorf("rules are %+v", r)
	}
	for _, n := range []any{7, int64(7), json.Number("7")} {
		if p, err := mask.ParseParams(declared, map[string]any{"reason": "r", "max": n}, "params"); err != nil || p.Int("max") != 7 {
			t.Errorf("%T: %v", n, err)
		}
	}
}

func TestBadParamsNameTheirPlace(t *testing.T) {
	with := func(name string, v any) map[string]any { return map[string]any{"reason": "r", name: v} }
	for _, c := range []struct {
		raw  map[string]any
		want string
	}{
		{nil, "at.reason is required"},
		{with("reason", nil), "at.reason is required"},
		{with("domian", "x"), `at.domian is unknown: did you mean "domain"?`},
		{with("zzzzzzzz", "x"), "at.zzzzzzzz is unknown: known are"},
		{with("domain", 1), "at.domain is not a string"},
		{with("mode", "fsat"), `at.mode is "fsat": did you mean "fast"?`},
		{with("max", 11), "at.max is 11, want 1 to 10"},
		{with("max", 1.5), "at.max is not an integer"},
		{with("max", "1"), "at.max is not an integer"},
		{with("weeks", "yes"), "at.weeks is not true or false"},
		{with("keep", []any{"a", 1}), "at.keep[1] is not a string"},
		{with("keep", "a"), "at.keep is not a list"},
		{with("expires", "31.12.2030"), "at.expires is not a date"},
		{with("expires", 2030), "at.expires is not a date"},
		{with("rules", []any{"x"}), "at.rules[0] is not a rule"},
		{with("rules", []any{map[string]any{"mask": "text"}}), "at.rules[0].path is required"},
		{with("rules", []any{map[string]any{"path": "$"}}), "at.rules[0] names identity or mask"},
		{with("rules", []any{map[string]any{"path": "$", "mask": "m", "identity": "i"}}), "at.rules[0] names identity or mask"},
		{with("rules", []any{map[string]any{"path": "$", "identity": "i", "params": map[string]any{}}}), "at.rules[0].params belong"},
		{with("rules", []any{map[string]any{"path": "$", "mask": "m", "params": 1}}), "at.rules[0].params is not a map"},
	} {
		_, err := mask.ParseParams(declared, c.raw, "at")
		if err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, fault.Permanent) {
			t.Errorf("%v: %v, want %q", c.raw, err, c.want)
		}
	}
}
