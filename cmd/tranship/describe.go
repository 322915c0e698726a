package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tranship/tranship/internal/api"
)

func newDescribeCommand(m *Main) *cobra.Command {
	return &cobra.Command{
		Use:   "describe KIND NAME",
		Short: "Print a resource with what it refers to and what refers to it",
		Example: `  tranship describe policy nightly
  tranship describe location vault`,
		Args:              wantArgs(2, 2),
		ValidArgsFunction: cobra.FixedCompletions(kindNames(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := m.resource(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			if m.flags.output.structured() {
				return m.printResources([]api.Resource{r}, true, false)
			}
			return m.describe(cmd.Context(), r)
		},
	}
}

func (m *Main) describe(ctx context.Context, r api.Resource) error {
	meta := r.Meta()
	printLine(m.Stdout, "%s %s", r.Kind(), meta.Name)
	field := func(name, value string) {
		if value != "" {
			printLine(m.Stdout, "  %-11s %s", name+":", value)
		}
	}
	field("Tenant", meta.Tenant())
	field("About", about(r))
	field("Labels", labelText(meta.Labels))
	field("Version", meta.ResourceVersion)
	if !meta.CreatedAt.IsZero() {
		field("Created", meta.CreatedAt.UTC().Format(time.RFC3339)+" ("+m.since(meta.CreatedAt)+" ago)")
	}
	users, err := m.usedBy(ctx, r)
	if err != nil {
		return err
	}
	field("Used by", strings.Join(users, ", "))
	printLine(m.Stdout, "")
	return api.EncodeYAML(m.Stdout, r)
}

// usedBy names the policies that a resource has a part in.
func (m *Main) usedBy(ctx context.Context, r api.Resource) ([]string, error) {
	if r.Kind() == api.KindPolicy || r.Kind() == api.KindSubscription {
		return nil, nil
	}
	policies, err := m.resources(ctx, api.KindPolicy)
	if err != nil {
		return nil, err
	}
	var users []string
	for _, p := range policies {
		if p, ok := p.(*api.Policy); ok && names(p, r) {
			users = append(users, "policy/"+p.Name)
		}
	}
	return users, nil
}

// names reports whether a policy names a resource.
func names(p *api.Policy, r api.Resource) bool {
	name := r.Meta().Name
	if r.Kind() == api.KindApplication {
		for _, n := range p.Spec.Applications.Names {
			if n == name {
				return true
			}
		}
		return false
	}
	for _, s := range p.Spec.Steps {
		switch r.Kind() {
		case api.KindLocation:
			if s.Location() == name || s.Restore != nil && s.Restore.From != nil && s.Restore.From.Location == name {
				return true
			}
		case api.KindMaskingPolicy:
			if s.Mask != nil && s.Mask.Policy == name {
				return true
			}
		case api.KindCluster:
			if s.Restore != nil && s.Restore.To.Cluster == name {
				return true
			}
		}
	}
	return false
}
