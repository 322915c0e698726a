package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/client"
)

// restoreWanted is what the restore command was asked for.
type restoreWanted struct {
	capture, location, application string
	postgres, files, only          []string
	accepts, profile               string
}

var (
	trusts   = []string{string(api.TrustRaw), string(api.TrustMasked)}
	profiles = []string{string(api.ProfileClone), string(api.ProfileRecover), string(api.ProfileMigrate)}
)

func newRestoreCommand(m *Main) *cobra.Command {
	var w waiting
	var want restoreWanted
	cmd := &cobra.Command{
		Use:   "restore CAPTURE --location LOCATION",
		Short: "Restore a capture and verify the result",
		Long: `Restores a capture, as a run of a restore and a verify. The target stays sealed until it is proven equal.

Where a database goes is a reference to a secret of the worker, never a connection string: COMPONENT=env:VARIABLE, with a
variable whose name starts with TRANSHIP_SECRET_, or COMPONENT=file:NAME, with a file in the worker's secrets directory.` + waitingLong,
		Example: `  tranship restore 5c1f0e5a-7a0b-5d2b-9d6e-3b8f52a1c407 --location test-cloud \
      --to-postgres db=env:TRANSHIP_SECRET_TEST_DSN --to-files invoices=./restored --wait`,
		Args: wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			want.capture = args[0]
			return m.restore(cmd.Context(), want, w)
		},
	}
	f := cmd.Flags()
	f.StringVar(&want.location, "location", "", "`location` that the capture is in")
	f.StringVar(&want.application, "application", "", "`name` of the captured application (default: what the capture says)")
	f.StringArrayVar(&want.postgres, "to-postgres", nil, "database of a component as `component=env:VARIABLE` or component=file:NAME; may be repeated")
	f.StringArrayVar(&want.files, "to-files", nil, "directory of a component as `component=path`; may be repeated")
	f.StringSliceVar(&want.only, "only", nil, "`component` to restore; all that have a target when absent; may be repeated")
	f.StringVar(&want.accepts, "accepts", string(api.TrustMasked), "`trust` of what may be restored there: masked or raw")
	f.StringVar(&want.profile, "profile", string(api.ProfileClone), "what the result is `for`: clone, recover or migrate")
	requireLocation(cmd)
	cmd.MarkFlagsOneRequired("to-postgres", "to-files")
	complete(cmd, "accepts", trusts...)
	complete(cmd, "profile", profiles...)
	w.register(cmd)
	return cmd
}

func (m *Main) restore(ctx context.Context, want restoreWanted, w waiting) error {
	components, err := want.components()
	if err != nil {
		return err
	}
	c, err := m.gateway()
	if err != nil {
		return err
	}
	if want.application == "" {
		capture, err := c.Capture(ctx, want.location, "", want.capture)
		if err != nil {
			return failed(err, "looking for capture %s in location %s", want.capture, want.location)
		}
		want.application = capture.Application
	}
	inline, err := inlinePolicy(want.application, api.Step{Restore: &api.RestoreStep{
		From:    &api.RestoreFrom{Capture: want.capture, Location: want.location},
		To:      api.RestoreTarget{Components: components, Accepts: api.Trust(want.accepts)},
		Profile: api.Profile(want.profile),
		Only:    want.only,
	}})
	if err != nil {
		return err
	}
	return m.start(ctx, client.RunRequest{Inline: inline, Application: want.application}, w)
}

// components reads the targets of the flags.
func (w restoreWanted) components() ([]api.TargetComponent, error) {
	var all []api.TargetComponent
	for _, word := range w.postgres {
		name, text, ok := strings.Cut(word, "=")
		ref, known := parseSecretRef(text)
		if !ok || name == "" || !known {
			// The word is not repeated: it may hold a password.
			return nil, misuse("--to-postgres takes component=env:VARIABLE or component=file:NAME").
				hinted("connection strings hold passwords, and everybody on this machine can read a command line: put it into a variable TRANSHIP_SECRET_… or a secrets file of the worker")
		}
		all = append(all, api.TargetComponent{Name: name, Postgres: &api.TargetPostgres{DSN: ref}})
	}
	for _, word := range w.files {
		name, path, ok := strings.Cut(word, "=")
		if !ok || name == "" || path == "" {
			return nil, misuse("--to-files takes component=path")
		}
		all = append(all, api.TargetComponent{Name: name, Files: &api.TargetFiles{Path: path}})
	}
	return all, nil
}

// parseSecretRef reads env:NAME or file:NAME.
func parseSecretRef(word string) (api.SecretRef, bool) {
	kind, name, _ := strings.Cut(word, ":")
	switch {
	case name == "" || strings.Contains(name, "://"):
		return api.SecretRef{}, false
	case kind == "env" || kind == "fromEnv":
		return api.SecretRef{FromEnv: name}, true
	case kind == "file" || kind == "fromFile":
		return api.SecretRef{FromFile: name}, true
	}
	return api.SecretRef{}, false
}
