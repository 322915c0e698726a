package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/progress"
)

func newGetCommand(m *Main) *cobra.Command {
	return &cobra.Command{
		Use:   "get KIND [NAME]",
		Short: "List resources, or print one",
		Long: `Lists the resources of a kind, or one of them. KIND is location, cluster, application, maskingpolicy, policy or
subscription, in any case, singular or plural, or all. With -o yaml the output can be applied again.`,
		Example: `  tranship get policies
  tranship get location vault -o yaml
  tranship get all -o yaml > backup.yaml`,
		Args:              wantArgs(1, 2),
		ValidArgsFunction: cobra.FixedCompletions(append(kindNames(), everyKind), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				r, err := m.resource(cmd.Context(), args[0], args[1])
				if err != nil {
					return err
				}
				return m.printResources([]api.Resource{r}, true, false)
			}
			all := strings.EqualFold(args[0], everyKind)
			list, err := m.resources(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return m.printResources(list, false, all)
		},
	}
}

// resource fetches one resource.
func (m *Main) resource(ctx context.Context, kindWord, name string) (api.Resource, error) {
	kind, err := parseKind(kindWord)
	if err != nil {
		return nil, err
	}
	c, err := m.gateway()
	if err != nil {
		return nil, err
	}
	r, err := c.Resource(ctx, kind, name)
	if err != nil {
		return nil, failed(err, "reading %s %s", strings.ToLower(kind), name)
	}
	return r, nil
}

// resources fetches all resources of a kind, or of all kinds.
func (m *Main) resources(ctx context.Context, kindWord string) ([]api.Resource, error) {
	kinds := api.Kinds()
	if !strings.EqualFold(kindWord, everyKind) {
		kind, err := parseKind(kindWord)
		if err != nil {
			return nil, err
		}
		kinds = []string{kind}
	}
	c, err := m.gateway()
	if err != nil {
		return nil, err
	}
	var all []api.Resource
	for _, kind := range kinds {
		list, err := c.Resources(ctx, kind)
		if err != nil {
			return nil, failed(err, "listing resources of kind %s", kind)
		}
		all = append(all, list...)
	}
	return all, nil
}

// printResources prints resources: one as a document, several as documents (YAML) or as a list (JSON).
func (m *Main) printResources(list []api.Resource, single, withKind bool) error {
	switch m.flags.output {
	case formatYAML:
		return api.EncodeYAML(m.Stdout, list...)
	case formatJSON:
		if single {
			return api.EncodeJSON(m.Stdout, list...)
		}
		items := make([]json.RawMessage, 0, len(list))
		for _, r := range list {
			var one bytes.Buffer
			if err := api.EncodeJSON(&one, r); err != nil {
				return err
			}
			items = append(items, one.Bytes())
		}
		return writeValue(m.Stdout, struct {
			Items []json.RawMessage `json:"items"`
		}{items}, formatJSON)
	}
	t := m.resourceTable(list, m.flags.output == formatWide, withKind)
	return t.write(m.Stdout, m.width(), palette{on: m.colours(m.Stdout)})
}

func (m *Main) resourceTable(list []api.Resource, wide, withKind bool) *table {
	header := []string{"NAME", "ABOUT", "AGE"}
	if wide {
		header = []string{"NAME", "TENANT", "ABOUT", "LABELS", "VERSION", "AGE"}
	}
	t := newTable(header...)
	t.empty = "There are none in tenant " + m.flags.tenant + "."
	for _, r := range list {
		meta := r.Meta()
		name := meta.Name
		if withKind {
			name = strings.ToLower(r.Kind()) + "/" + name
		}
		age := m.since(meta.CreatedAt)
		if wide {
			t.add(name, meta.Tenant(), about(r), labelText(meta.Labels), meta.ResourceVersion, age)
		} else {
			t.add(name, about(r), age)
		}
	}
	return t
}

// about says in a few words what a resource is.
func about(r api.Resource) string {
	switch r := r.(type) {
	case *api.Location:
		return string(r.Spec.Trust) + ", " + storeOf(r)
	case *api.Cluster:
		return "accepts " + string(r.Spec.Accepts)
	case *api.Application:
		var parts []string
		for _, c := range r.Spec.Components {
			parts = append(parts, c.Name+" ("+c.Engine()+")")
		}
		if len(r.Spec.Namespaces) > 0 {
			parts = append(parts, "namespaces "+strings.Join(r.Spec.Namespaces, ", ")+" on "+r.Spec.Cluster)
		}
		return strings.Join(parts, ", ")
	case *api.MaskingPolicy:
		return count(len(r.Spec.Rules), "rule") + ", " + count(len(r.Spec.Identities), "identity") + ", epoch " + strconv.Itoa(newestEpoch(r))
	case *api.Policy:
		steps := make([]string, len(r.Spec.Steps))
		for i, s := range r.Spec.Steps {
			steps[i] = s.Name
		}
		text := strings.Join(steps, " → ")
		if r.Spec.Schedule != nil {
			text += ", at " + r.Spec.Schedule.Cron
		}
		return text
	case *api.Subscription:
		return strings.Join(r.Spec.Types, ", ")
	}
	return ""
}

func storeOf(l *api.Location) string {
	switch {
	case l.Spec.S3 != nil:
		at := "s3://" + l.Spec.S3.Bucket
		if l.Spec.S3.Prefix != "" {
			at += "/" + l.Spec.S3.Prefix
		}
		return at
	case l.Spec.File != nil:
		return l.Spec.File.Path
	}
	return ""
}

func newestEpoch(p *api.MaskingPolicy) int {
	newest := 0
	for _, k := range p.Spec.Keys {
		newest = max(newest, k.Epoch)
	}
	return newest
}

// since writes how long ago a moment was, or "" for none.
func (m *Main) since(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	d := m.Clock.Now().Sub(at)
	switch {
	case d < time.Second:
		return "now"
	case d >= 48*time.Hour:
		return strconv.Itoa(int(d.Hours()/24)) + "d"
	case d < 10*time.Second:
		return strconv.Itoa(int(d.Seconds())) + "s"
	}
	return progress.Took(d)
}
