package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/keyfile"
	"github.com/tranship/tranship/internal/registry"
)

// defaultKeyDir is the directory of keys that commands and services use when they are told nothing else.
const defaultKeyDir = "secrets"

func newKeysCommand(m *Main) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make key files and show which keys they hold",
		Long: `Keys are files that only their owner can read. Their content is never printed: what is shown of a key is its id,
and the public half of a pair, which goes into resources.`,
	}
	cmd.AddCommand(newKeysGenerateCommand(m), newKeysShowCommand(m))
	return cmd
}

// signerRoles are the services that sign: manifests, and in the restorer's case reports.
var signerRoles = []string{
	string(artifact.Capturer), string(artifact.Masker), string(artifact.Verifier), string(artifact.Transferer), string(artifact.Restorer),
}

// keysWanted is what keys generate was asked for.
type keysWanted struct {
	dir                                  string
	locations, masking, signers, service []string
	epoch                                int
}

func newKeysGenerateCommand(m *Main) *cobra.Command {
	var want keysWanted
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Write key files that are not there yet",
		Long: `Writes key files below a directory, each readable by its owner only (mode 0600):

  NAME.key and NAME.writer.key   key pair and writer key of a location
  NAME-EPOCH.key                 key of an epoch of a masking policy
  ROLE.signing.key               key that a service signs manifests with
  NAME.nk                        key that a service connects to the bus with

A file that is there already is left alone and listed: a key that is overwritten takes everything with it that was
sealed to it.`,
		Example: `  tranship keys generate --location vault --location masked
  tranship keys generate --masking mask --epoch 2
  tranship keys generate --signer masker --service masker --dir /etc/tranship/secrets`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			entries, err := want.generate()
			if err != nil {
				return err
			}
			return m.print(entries, func(wide bool) *table { return keysTable(entries, wide) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&want.dir, "dir", defaultKeyDir, "`directory` of the key files")
	f.StringSliceVar(&want.locations, "location", nil, "`name` of a location to make keys for; may be repeated")
	f.StringSliceVar(&want.masking, "masking", nil, "`name` of a masking key; may be repeated")
	f.IntVar(&want.epoch, "epoch", 1, "`number` of the epoch of masking keys")
	f.StringSliceVar(&want.signers, "signer", nil, "`role` that signs: "+strings.Join(signerRoles, ", ")+"; may be repeated")
	f.StringSliceVar(&want.service, "service", nil, "`name` of a service that connects to the bus; may be repeated")
	cmd.MarkFlagsOneRequired("location", "masking", "signer", "service")
	complete(cmd, "signer", signerRoles...)
	return cmd
}

// check refuses names before the first file is written.
func (w *keysWanted) check() error {
	for _, name := range slices.Concat(w.locations, w.masking, w.service) {
		if !isLabel(name) {
			return misuse("%q is no name for a key", name).hinted("use lower-case letters, digits and -, at most 63, starting and ending with a letter or digit")
		}
	}
	for _, role := range w.signers {
		if slices.Contains(signerRoles, role) {
			continue
		}
		if near := registry.Nearest(role, signerRoles); near != "" {
			return misuse("no role is named %q", role).hinted("did you mean %q?", near)
		}
		return misuse("no role is named %q", role).hinted("the roles are: %s", strings.Join(signerRoles, ", "))
	}
	if w.epoch < 1 {
		return misuse("--epoch must be at least 1")
	}
	return nil
}

func (w *keysWanted) generate() ([]keyEntry, error) {
	if err := w.check(); err != nil {
		return nil, err
	}
	keys := keyset{w.dir}
	if err := keys.open(); err != nil {
		return nil, err
	}
	var all []keyEntry
	add := func(e keyEntry, err error) error {
		all = append(all, e)
		return err
	}
	for _, name := range w.locations {
		entries, err := keys.location(name)
		if err != nil {
			return nil, failed(err, "making the keys of location %s", name)
		}
		all = append(all, entries...)
	}
	for _, name := range w.masking {
		if err := add(keys.masking(name, w.epoch)); err != nil {
			return nil, failed(err, "making masking key %s of epoch %d", name, w.epoch)
		}
	}
	for _, role := range w.signers {
		if err := add(keys.signer(role)); err != nil {
			return nil, failed(err, "making the signing key of role %s", role)
		}
	}
	for _, name := range w.service {
		if err := add(keys.service(name)); err != nil {
			return nil, failed(err, "making the key of service %s", name)
		}
	}
	return all, nil
}

func keysTable(entries []keyEntry, wide bool) *table {
	header := []string{"FILE", "KIND", "ID", "STATE"}
	if wide {
		header = []string{"FILE", "KIND", "ID", "STATE", "PUBLIC KEY"}
	}
	t := newTable(header...)
	for _, e := range entries {
		state := "unchanged"
		if e.Created {
			state = "created"
		}
		row := []string{e.File, string(e.Kind), e.ID, state}
		if wide {
			row = append(row, e.Public)
		}
		t.add(row...)
	}
	return t
}

func newKeysShowCommand(m *Main) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "show [FILE…]",
		Short: "Show kind, id and public half of keys",
		Long:  "Shows which keys the files hold, or all key files of a directory when none is named. No secret is printed.",
		Example: `  tranship keys show
  tranship keys show secrets/vault.key -o json`,
		RunE: func(_ *cobra.Command, files []string) error {
			entries, err := m.showKeys(dir, files)
			if err != nil {
				return err
			}
			return m.print(entries, func(bool) *table {
				t := newTable("FILE", "KIND", "ID", "PUBLIC KEY")
				t.empty = "There are no keys in " + dir + "."
				for _, e := range entries {
					t.add(e.File, string(e.Kind), e.ID, e.Public)
				}
				return t
			})
		},
	}
	cmd.Flags().StringVar(&dir, "dir", defaultKeyDir, "`directory` whose key files are shown when no file is named")
	return cmd
}

// showKeys describes the named files, or those of a directory. Files of a directory that are no keys are left out.
func (m *Main) showKeys(dir string, files []string) ([]keyEntry, error) {
	named := len(files) > 0
	if !named {
		found, err := keyFiles(dir)
		if err != nil {
			return nil, err
		}
		files = found
	}
	entries := []keyEntry{}
	for _, path := range files {
		e, err := describeKey(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, misuse("there is no file %s", path)
		case err != nil && named:
			return nil, failed(err, "reading a key")
		case err != nil:
			m.note("left out: %v", err)
			continue
		}
		if exposed(path) && e.Kind != keyfile.LocationPublic && e.Kind != keyfile.SigningPublic {
			m.note("warning: others can read %s; run: chmod 600 %s", path, path)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// keyFiles lists what looks like a key file in a directory.
func keyFiles(dir string) ([]string, error) {
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, misuse("there is no directory %s", dir).hinted("name one with --dir, or make keys with: tranship keys generate")
	}
	if err != nil {
		return nil, failed(err, "listing keys")
	}
	var files []string
	for _, f := range list {
		if ext := filepath.Ext(f.Name()); !f.IsDir() && (ext == ".key" || ext == ".nk") {
			files = append(files, filepath.Join(dir, f.Name()))
		}
	}
	return files, nil
}
