// Package files captures and restores directories: directories, regular files, symbolic and hard links, modes, times to the
// nanosecond, names of any bytes and, where both sides run as root, owners.
//
// A directory is one component. It is walked in the order of its names; the walk is cut into shards of about 32 MiB, which
// are the units. There is no consistent view of a directory: each file is read as it is at that moment, and one that
// vanishes or changes meanwhile is reported as a gap. Symbolic links are never followed. What is neither file, directory
// nor link is left out and reported.
//
// A restore builds the tree within a sealed directory beside its place, <path>.tranship-<run>, that only its owner may
// enter. Files appear in the tree whole, by rename, so a restore goes on where it was killed, and a worker that was thought
// dead can do no harm. Publishing renames the tree into its place.
//
// Extended attributes, access control lists and holes in sparse files are not captured.
package files

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/dataservice/tree"
	"github.com/tranship/tranship/internal/fault"
)

// shardBytes is the size of a shard's archive at which the next one begins. A larger file has a shard of its own.
const shardBytes = 32 << 20

// Spec is the driver "files".
var Spec = specFor(shardBytes)

func specFor(shard int64) dataservice.Spec {
	return dataservice.Spec{
		Name:    "files",
		Summary: "a directory: walked in order, restored beside its place and renamed into it",
		Source: func(ctx context.Context, config json.RawMessage, _ int, d dataservice.Deps) (dataservice.Source, error) {
			return openSource(ctx, config, d, shard)
		},
		Target:  openTarget,
		Sandbox: openSandbox,
	}
}

// engine is what catalogues say of directories.
const engine = "files"

// kindShard is the kind of all units.
const kindShard = "shard"

// config is the driver's part of a component.
type config struct {
	Path    string   `json:"path"`
	Include []string `json:"include,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
}

func decode(raw json.RawMessage) (config, error) {
	var c config
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return c, fault.New(fault.Permanent, "config.invalid", "read the configuration of a files component: %w", err)
	}
	if c.Path == "" {
		return c, fault.New(fault.Permanent, "config.invalid", "path: a directory is needed")
	}
	absolute, err := filepath.Abs(c.Path)
	if err != nil {
		return c, fault.New(fault.Permanent, "config.invalid", "path: %w", err)
	}
	c.Path = absolute
	return c, nil
}

// span is the Detail of a unit: the first and the last entry of a shard, as tree.ID writes them. A shard reaches from its
// first entry to that of the next one; the entries in between are those of the catalogue.
type span struct {
	First string `json:"first"`
	Last  string `json:"last"`
}

func spanOf(u dataservice.Unit) (span, error) {
	var s span
	if err := json.Unmarshal(u.Detail, &s); err != nil || s.First == "" {
		return s, fault.New(fault.Permanent, "component.invalid", "unit %s does not say which part of the tree it is", u.ID)
	}
	return span{First: tree.FromID(s.First), Last: tree.FromID(s.Last)}, nil
}

// pattern says which entries of a tree are taken.
type pattern struct {
	include, exclude []api.Glob
}

func newPattern(c config) pattern {
	globs := func(patterns []string) []api.Glob {
		list := make([]api.Glob, len(patterns))
		for i, p := range patterns {
			list[i] = api.NewGlob(p, api.SeparatorPath)
		}
		return list
	}
	return pattern{include: globs(c.Include), exclude: globs(c.Exclude)}
}

// includes reports whether an entry is named to be taken. Everything in a directory that is named is taken with it.
func (p pattern) includes(id string) bool { return len(p.include) == 0 || matches(p.include, id) }

// excludes reports whether an entry is left out, and with a directory everything in it.
func (p pattern) excludes(id string) bool { return matches(p.exclude, id) }

func matches(globs []api.Glob, id string) bool {
	for _, g := range globs {
		if g.Match(id) {
			return true
		}
	}
	return false
}
