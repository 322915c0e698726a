package main

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

var labelPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// isLabel reports whether a name is a DNS label, as names of resources are.
func isLabel(name string) bool { return labelPattern.MatchString(name) }

// noArgs refuses words after a command that takes none.
func noArgs(cmd *cobra.Command, args []string) error { return wantArgs(0, 0)(cmd, args) }

// wantArgs checks how many words follow a command, and says which ones it takes.
func wantArgs(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= most {
			return nil
		}
		_, takes, _ := strings.Cut(cmd.Use, " ")
		if takes == "" {
			takes = "no words after it"
		}
		verb := "misses a word after it"
		if len(args) > most {
			verb = "has too many words after it"
		}
		return misuse("%s %s: it takes %s", cmd.CommandPath(), verb, takes).hinted("see: %s --help", cmd.CommandPath())
	}
}
