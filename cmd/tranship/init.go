package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/mask"
	maskall "github.com/tranship/tranship/internal/mask/all"
	"github.com/tranship/tranship/internal/secret"
)

// initWanted is what init was asked for.
type initWanted struct {
	name, dsnEnv, dsnFile, files, out string
	s3                                bool
}

// configFile is the name of the starter configuration.
const configFile = "tranship.yaml"

func newInitCommand(m *Main) *cobra.Command {
	var want initWanted
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write keys and a commented starter configuration",
		Long: `Looks at a PostgreSQL database, at a directory, or at both, and writes what is needed to capture, mask, move, restore and
verify them: key files below DIR/secrets and a commented configuration, DIR/tranship.yaml.

The connection string is read from a variable or from a file, and never from the command line: it holds a password, and
everybody on this machine can read the command lines of all processes, and the shell's history afterwards. Of the database,
names and types of columns are read, and no row. The masking policy proposed from them is careful: what names and types do
not tell stays a comment, and runs stop until somebody decides.

Nothing is ever overwritten: run it again, and what is there stays.`,
		Example: `  export TRANSHIP_SECRET_SHOP_DSN=…        # postgres://user:password@host/shop
  tranship init --dsn-env TRANSHIP_SECRET_SHOP_DSN --files ./invoices --dir shop`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return m.init(cmd.Context(), want) },
	}
	f := cmd.Flags()
	f.StringVar(&want.dsnEnv, "dsn-env", "", "`variable` with the connection string of a PostgreSQL database; its name starts with TRANSHIP_SECRET_")
	f.StringVar(&want.dsnFile, "dsn-file", "", "`file` with the connection string of a PostgreSQL database; it is copied to the secrets")
	f.StringVar(&want.files, "files", "", "`directory` that belongs to the application")
	f.StringVar(&want.name, "name", "", "`name` of the application (default: the database's, or the directory's)")
	f.StringVar(&want.out, "dir", ".", "`directory` to write to")
	f.BoolVar(&want.s3, "s3", false, "write placeholders for S3 buckets instead of directories as locations")
	cmd.MarkFlagsOneRequired("dsn-env", "dsn-file", "files")
	cmd.MarkFlagsMutuallyExclusive("dsn-env", "dsn-file")
	return cmd
}

// check refuses what cannot work before anything is written or connected to.
func (w *initWanted) check() error {
	if w.dsnEnv != "" && !strings.HasPrefix(w.dsnEnv, api.SecretEnvPrefix) {
		return misuse("--dsn-env: the name of the variable must start with %s", api.SecretEnvPrefix).
			hinted("workers read no other variables for resources: rename it; and give its name, not the connection string")
	}
	if w.name != "" && !isLabel(w.name) {
		return misuse("--name: %q is no name of a resource", w.name).hinted("use lower-case letters, digits and -")
	}
	if w.files == "" {
		return nil
	}
	info, err := os.Stat(w.files)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return misuse("--files: there is no directory %s", w.files)
	case err != nil:
		return failed(err, "looking at the directory of the application")
	case !info.IsDir():
		return misuse("--files: %s is no directory", w.files)
	}
	return nil
}

func (m *Main) init(ctx context.Context, want initWanted) error {
	if err := want.check(); err != nil {
		return err
	}
	path := filepath.Join(want.out, configFile)
	if _, err := os.Stat(path); err == nil {
		m.note("kept %s: it is there already, and nothing was looked at", path)
		m.next(want.out)
		return nil
	}
	secrets := filepath.Join(want.out, defaultKeyDir)
	keys := keyset{secrets}
	if err := keys.open(); err != nil {
		return err
	}
	starter := starter{s3: want.s3}
	if err := m.inspect(ctx, want, secrets, &starter); err != nil {
		return err
	}
	entries, err := starter.generate(keys)
	if err != nil {
		return failed(err, "making keys")
	}
	text, err := starter.text()
	if err != nil {
		return failed(err, "writing the configuration")
	}
	created, err := writeNew(path, text, 0o644)
	if err != nil {
		return failed(err, "writing the configuration")
	}
	if !created {
		m.note("kept %s: somebody else wrote it meanwhile", path)
	}
	made := 0
	for _, e := range entries {
		if e.Created {
			made++
		}
	}
	m.note("wrote %s and %s (%d kept) below %s", path, count(made, "key"), len(entries)-made, secrets)
	m.judge(path, text)
	m.next(want.out)
	return nil
}

// inspect reads what the application consists of.
func (m *Main) inspect(ctx context.Context, want initWanted, secrets string, s *starter) error {
	name := want.name
	if want.dsnEnv != "" || want.dsnFile != "" {
		ref := api.SecretRef{FromEnv: want.dsnEnv}
		if want.dsnFile != "" {
			copied, err := m.keepDSN(want.dsnFile, secrets)
			if err != nil {
				return err
			}
			ref = api.SecretRef{FromFile: copied}
		}
		reader := catalogues{secrets: secret.New(secret.Config{Dir: secrets}, secret.Deps{LookupEnv: m.lookupEnv}), logf: func(string, ...any) {}}
		schema, err := reader.read(ctx, api.Component{Name: databaseComponent, Postgres: &api.Postgres{DSN: ref}})
		if err != nil {
			return failed(err, "looking at the database")
		}
		s.database, s.schemas = &ref, append(s.schemas, schema)
		if name == "" {
			name = label(schema.Catalogue.Name)
		}
	}
	if want.files != "" {
		dir, err := relativeTo(want.out, want.files)
		if err != nil {
			return failed(err, "looking at the directory of the application")
		}
		s.files = dir
		// A policy names files by patterns: that there are some is all that a proposal needs to know.
		some := dataservice.Object{ID: filesComponent, Name: filesComponent, Kind: "file"}
		s.schemas = append(s.schemas, mask.ComponentSchema{
			Name: filesComponent, Driver: api.EngineFiles, Catalogue: dataservice.Catalogue{Engine: api.EngineFiles, Objects: []dataservice.Object{some}},
		})
		if name == "" {
			abs, err := filepath.Abs(want.files)
			if err != nil {
				return failed(err, "looking at the directory of the application")
			}
			name = label(filepath.Base(abs))
		}
	}
	s.name = name
	return nil
}

// keepDSN copies a file with a connection string to the secrets, and returns its name there.
func (m *Main) keepDSN(path, secrets string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", misuse("--dsn-file: there is no file %s", path)
	}
	if err != nil {
		return "", failed(err, "reading the connection string")
	}
	defer clear(text)
	name := filepath.Base(path)
	to := filepath.Join(secrets, name)
	created, err := writeNew(to, bytes.TrimSpace(text), 0o600)
	if err != nil {
		return "", failed(err, "copying the connection string to the secrets")
	}
	if created {
		m.note("copied the connection string to %s, readable by its owner only", to)
	}
	return name, nil
}

// writeNew writes a file that does not exist yet and reports whether it did.
func writeNew(path string, text []byte, mode os.FileMode) (created bool, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = f.Write(text)
	return true, errors.Join(err, f.Close())
}

// relativeTo returns a path as it is seen from a directory, or as an absolute one.
func relativeTo(dir, path string) (string, error) {
	from, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	to, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if rel, err := filepath.Rel(from, to); err == nil && filepath.IsLocal(rel) {
		return "./" + filepath.ToSlash(rel), nil
	}
	return to, nil
}

// label makes a name of a resource of any name.
func label(name string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	clean = strings.Trim(clean[:min(len(clean), 40)], "-")
	if clean == "" {
		return "app"
	}
	return clean
}

// judge says what still has to be decided in a starter configuration.
func (m *Main) judge(path string, text []byte) {
	set := api.NewSet()
	if err := set.Load(bytes.NewReader(text), path); err != nil {
		m.note("decide first: %v", err)
	}
}

// next says what to do with a starter configuration.
func (m *Main) next(out string) {
	policy := "NAME"
	var targets []string
	if text, err := os.ReadFile(filepath.Join(out, configFile)); err == nil {
		set := api.NewSet()
		// Problems were told already, and are no reason to be silent about the rest.
		_ = set.Load(bytes.NewReader(text), configFile)
		for _, p := range named[*api.Policy](set, "") {
			policy = p.Name
			targets = m.missingTargets(p)
		}
	}
	m.note("\nNext:")
	if out != "." {
		m.note("  cd %s", out)
	}
	type step struct{ command, does string }
	steps := []step{
		{"$EDITOR " + configFile, "decide on the columns in comments, and where the copy goes"},
		{"tranship mask lint -f " + configFile + " --connect", "checks the masking policy against the database"},
	}
	for _, variable := range targets {
		steps = append(steps, step{"export " + variable + "=…", "the database that the copy becomes: tranship up needs it"})
	}
	steps = append(steps,
		step{"tranship up", "runs the services, in another terminal"},
		step{"tranship apply -f " + configFile, "hands the configuration over"},
		step{"tranship run " + policy + " --wait", "captures, masks, moves, restores and verifies"})
	for _, step := range steps {
		m.note("  %-46s # %s", step.command, step.does)
	}
}

// missingTargets names the variables with the databases that a policy restores to, as far as they are not set.
func (m *Main) missingTargets(p *api.Policy) []string {
	var missing []string
	for _, step := range p.Spec.Steps {
		if step.Restore == nil {
			continue
		}
		for _, c := range step.Restore.To.Components {
			if c.Postgres != nil && c.Postgres.DSN.FromEnv != "" && m.env(c.Postgres.DSN.FromEnv) == "" {
				missing = append(missing, c.Postgres.DSN.FromEnv)
			}
		}
	}
	return missing
}

// databaseComponent and filesComponent are the names of the components in a starter configuration.
const (
	databaseComponent = "db"
	filesComponent    = "files"
)

// proposal returns a masking policy for what was seen.
func (s *starter) proposal() []byte {
	return mask.Propose(mask.Proposal{Name: s.name + "-masking", KeyFile: maskingKeyFile("mask", 1)}, s.schemas, maskall.Masks())
}

// secretText writes a reference to a secret the way that people do.
func secretText(ref api.SecretRef) string {
	if ref.FromFile != "" {
		return fmt.Sprintf("{fromFile: %q}", ref.FromFile)
	}
	return fmt.Sprintf("{fromEnv: %s}", ref.FromEnv)
}
