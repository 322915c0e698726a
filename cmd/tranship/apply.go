package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/client"
)

func newApplyCommand(m *Main) *cobra.Command {
	var files []string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Create or change resources",
		Long: `Creates or changes the resources of files, of all YAML and JSON files in a directory, or of standard input (-).

Either all resources are taken or none. With --dry-run the server checks everything, and nothing is changed.`,
		Example: `  tranship apply -f tranship.yaml
  tranship apply -f policies/ --dry-run
  generate-policies | tranship apply -f -`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return m.apply(cmd.Context(), files, dryRun) },
	}
	cmd.Flags().StringSliceVarP(&files, "file", "f", nil, "`file` or directory with resources, or - for standard input; may be repeated")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "let the server check the resources and change nothing")
	if err := cmd.MarkFlagRequired("file"); err != nil {
		panic(err)
	}
	return cmd
}

func (m *Main) apply(ctx context.Context, files []string, dryRun bool) error {
	b, err := m.readResources(files)
	if err != nil {
		return err
	}
	c, err := m.gateway()
	if err != nil {
		return err
	}
	result, err := c.Apply(ctx, b.text, dryRun)
	if err != nil {
		var p *client.Problem
		if errors.As(err, &p) && len(p.Fields) > 0 {
			return invalidResources(b.place(p.Fields))
		}
		return failed(err, "applying %s", count(len(b.set.Resources()), "resource"))
	}
	if m.flags.output.structured() {
		return writeValue(m.Stdout, result, m.flags.output)
	}
	for _, r := range result.Resources {
		suffix := ""
		if result.DryRun {
			suffix = " (dry run)"
		}
		printLine(m.Stdout, "%s/%s %s%s", strings.ToLower(r.Kind), r.Name, r.Action, suffix)
	}
	return nil
}

func newDeleteCommand(m *Main) *cobra.Command {
	var files []string
	var force bool
	cmd := &cobra.Command{
		Use:   "delete KIND NAME…",
		Short: "Delete resources",
		Long: `Deletes resources by kind and name, or those that files name. Captures are never deleted by it: they stay in their
location. A resource that others name is deleted only with --force.`,
		Example: `  tranship delete policy nightly
  tranship delete -f tranship.yaml`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(files) > 0 {
				return noArgs(cmd, args)
			}
			return wantArgs(2, 1<<10)(cmd, args)
		},
		ValidArgsFunction: cobra.FixedCompletions(kindNames(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			keys, err := m.toDelete(files, args)
			if err != nil {
				return err
			}
			return m.delete(cmd.Context(), keys, force)
		},
	}
	cmd.Flags().StringSliceVarP(&files, "file", "f", nil, "`file` or directory with the resources to delete, or -; may be repeated")
	cmd.Flags().BoolVar(&force, "force", false, "delete what other resources name, too")
	return cmd
}

// toDelete lists what the words or files name. Files are taken from their end: what is named comes before what names it.
func (m *Main) toDelete(files, args []string) ([]api.Key, error) {
	var keys []api.Key
	if len(files) > 0 {
		b, err := m.readResources(files)
		if err != nil {
			return nil, err
		}
		resources := b.set.Resources()
		kinds := api.Kinds()
		for i := len(kinds) - 1; i >= 0; i-- {
			for _, r := range resources {
				if r.Kind() == kinds[i] {
					keys = append(keys, api.KeyOf(r))
				}
			}
		}
		return keys, nil
	}
	kind, err := parseKind(args[0])
	if err != nil {
		return nil, err
	}
	for _, name := range args[1:] {
		keys = append(keys, api.Key{Kind: kind, Tenant: m.flags.tenant, Name: name})
	}
	return keys, nil
}

func (m *Main) delete(ctx context.Context, keys []api.Key, force bool) error {
	c, err := m.gateway()
	if err != nil {
		return err
	}
	var errs []error
	for _, k := range keys {
		if err := c.Delete(ctx, k.Kind, k.Name, force); err != nil {
			errs = append(errs, failed(err, "deleting %s %s", strings.ToLower(k.Kind), k.Name))
			continue
		}
		m.note("%s/%s deleted", strings.ToLower(k.Kind), k.Name)
	}
	return errors.Join(errs...)
}
