package scheduler

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/pkg/events"
)

func shop(t *testing.T) *api.Set {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "shop.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	rs, err := api.Decode(f, "shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return api.NewSet(rs...)
}

func planned(t *testing.T, p events.TriggerFired) (events.Definition, error) {
	t.Helper()
	pl, err := newPlan(Config{}.withDefaults(), shop(t), "default", p, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		return events.Definition{}, err
	}
	return pl.definition(pl.applications[0])
}

func TestPolicyBecomesADefinitionThatPinsItsResources(t *testing.T) {
	def, err := planned(t, events.TriggerFired{Policy: "nightly", Params: map[string]string{"env": "pr-7"}})
	if err != nil {
		t.Fatal(err)
	}
	if def.Retry.MaxAttempts != 3 || def.Window != 4 || def.Application != "shop" || len(def.Steps) != 5 {
		t.Errorf("the definition is %+v", def)
	}
	name := func(r events.Resource) string {
		var m struct{ Metadata struct{ Name string } }
		if err := json.Unmarshal(r, &m); err != nil {
			t.Fatal(err)
		}
		return m.Metadata.Name
	}
	mask, transfer, restore, verify := def.Steps[1].Work.Mask, def.Steps[2].Work.Transfer, def.Steps[3].Work.Restore, def.Steps[4].Work.Verify
	for want, got := range map[string]string{
		"vault": name(mask.From), "masked": name(mask.To), "pii": name(mask.Policy), "test-cloud": name(transfer.To),
	} {
		if got != want {
			t.Errorf("%q stands where %q belongs", got, want)
		}
	}
	if name(transfer.From) != "masked" || name(restore.From) != "test-cloud" || name(verify.From) != "test-cloud" {
		t.Error("a step does not read where the one before wrote")
	}
	if target := string(verify.Target.Components[0]); !strings.Contains(target, "./restored/pr-7") || restore.Target.Accepts != "masked" {
		t.Errorf("the target is %s, accepting %s", target, restore.Target.Accepts)
	}
}

func TestRequestsThatCannotBeMetSayWhy(t *testing.T) {
	inline := func(steps string) events.TriggerFired {
		return events.TriggerFired{Inline: events.Resource(`{"spec":{"applications":{"names":["shop"]},"steps":` + steps + `}}`)}
	}
	for name, tc := range map[string]struct {
		p    events.TriggerFired
		code string
		text string
	}{
		"unknown policy":         {events.TriggerFired{Policy: "weekly"}, "policy.missing", "weekly"},
		"unknown application":    {events.TriggerFired{Policy: "nightly", Application: "shap"}, "application.missing", "shap"},
		"undeclared parameter":   {events.TriggerFired{Policy: "nightly", Params: map[string]string{"x": "1"}}, "param.unknown", "params.x"},
		"unfit parameter":        {events.TriggerFired{Policy: "nightly", Params: map[string]string{"env": "../../etc"}}, "param.invalid", "params.env"},
		"not an object":          {events.TriggerFired{Inline: events.Resource(`[]`)}, "policy.invalid", "inline"},
		"unknown field":          {inline(`[{"capture":{"to":"vault","fast":true}}]`), "policy.invalid", "fast"},
		"unknown location":       {inline(`[{"capture":{"to":"volt"}}]`), "policy.invalid", "vault"},
		"masked capture":         {inline(`[{"capture":{"to":"masked"}}]`), "policy.invalid", "spec.steps[0].capture.to"},
		"raw into masked":        {inline(`[{"capture":{"to":"vault"}},{"transfer":{"to":"test-cloud"}}]`), "policy.invalid", "spec.steps[1].transfer.to"},
		"capture to be picked":   {inline(`[{"restore":{"from":{"policy":"nightly","location":"test-cloud"},"to":{"components":[{"name":"invoices","files":{"path":"./x"}}]}}}]`), "restore.pick", "restore.from.capture"},
		"namespace of a cluster": {inline(`[{"restore":{"from":{"capture":"c1","location":"test-cloud"},"to":{"cluster":"local","namespace":"x"}}}]`), "policy.invalid", "restore.to"},
	} {
		_, err := planned(t, tc.p)
		if err == nil || fault.CodeOf(err) != tc.code || !strings.Contains(err.Error()+fault.HintOf(err), tc.text) {
			t.Errorf("%s: %v (%s), want %s about %q", name, err, fault.CodeOf(err), tc.code, tc.text)
		}
		if err != nil && strings.Contains(err.Error(), "../../etc") {
			t.Errorf("%s: the error repeats the value: %v", name, err)
		}
	}
}

func TestStepByHandRunsWithoutAPolicy(t *testing.T) {
	def, err := planned(t, events.TriggerFired{Inline: events.Resource(`{"spec":{"applications":{"names":["shop"]},"steps":[{"capture":{"to":"vault"}}]}}`)})
	if err != nil {
		t.Fatal(err)
	}
	if def.Policy != "" || len(def.Steps) != 1 || def.Steps[0].Kind != events.StepCapture {
		t.Errorf("the definition is %+v", def)
	}
}

func TestRunThatWouldOutgrowItsMessagesIsRefusedBeforeItStarts(t *testing.T) {
	work := func(n int) events.Work {
		return events.Work{Transfer: &events.TransferWork{From: events.Resource(`{"x":"` + strings.Repeat("x", n) + `"}`), To: events.Resource(`{}`)}}
	}
	for name, sizes := range map[string][]int{"one step": {events.MaxWork}, "all steps": {events.MaxWork / 2, events.MaxWork / 2, events.MaxWork}} {
		var def events.Definition
		for _, n := range sizes {
			def.Steps = append(def.Steps, events.StepDefinition{Work: work(n - 100)})
		}
		if name == "one step" {
			def.Steps[0].Work = work(events.MaxWork)
		}
		if err := fits(def); fault.CodeOf(err) != "run.large" || !fault.Is(err, fault.Permanent) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := fits(events.Definition{Steps: []events.StepDefinition{{Work: work(events.MaxWork / 2)}}}); err != nil {
		t.Error(err)
	}
}

func TestRunWhoseCommandsNobodyCouldTakeIsRefused(t *testing.T) {
	def := events.Definition{Steps: []events.StepDefinition{{Cluster: "local"}, {Cluster: "prod"}}}
	for clusters, want := range map[string]string{"local": "cluster.unreachable", "local prod": "", "": ""} {
		p := &plan{cfg: Config{Clusters: strings.Fields(clusters)}}
		if got := fault.CodeOf(p.reachable(def)); got != want {
			t.Errorf("a scheduler that knows %q says %q, want %q", clusters, got, want)
		}
	}
}
