package main

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/registry"
)

// defaultServer is where "tranship up" listens when it is told nothing else.
const defaultServer = "http://127.0.0.1:7480"

// envPrefix starts the name of every variable that stands for a flag.
const envPrefix = "TRANSHIP_"

// globalFlags are the flags of every command.
type globalFlags struct {
	server    string
	tokenFile string
	tenant    string
	output    format
	noColor   bool
	quiet     bool
}

func (f *globalFlags) register(root *cobra.Command) {
	f.output = formatTable
	p := root.PersistentFlags()
	p.StringVar(&f.server, "server", defaultServer, "`URL` of the gateway")
	p.StringVar(&f.tokenFile, "token-file", "", "`file` with the token for the gateway; the variable TRANSHIP_TOKEN holds the token itself (default $XDG_STATE_HOME/tranship/token, or ~/.local/state/tranship/token)")
	p.StringVar(&f.tenant, "tenant", api.DefaultTenant, "`tenant` whose resources and runs are meant")
	p.VarP(&f.output, "output", "o", "`format` of what is printed: table, wide, yaml or json")
	p.BoolVar(&f.noColor, "no-color", false, "print no colours; the variable NO_COLOR does the same")
	p.BoolVarP(&f.quiet, "quiet", "q", false, "print results and errors only")
	complete(root, "output", formats...)
}

// complete offers words for the value of a flag.
func complete(cmd *cobra.Command, flag string, words ...string) {
	// It fails for a flag that does not exist, which is a mistake in the program.
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err)
	}
}

// envName returns the variable that stands for a flag.
func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// bindEnv sets the flags that the command line left alone and that the environment names. An empty variable counts as none.
func bindEnv(cmd *cobra.Command, lookup func(string) (string, bool)) error {
	var errs []error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		value, ok := lookup(envName(f.Name))
		if f.Changed || !ok || value == "" || f.Name == "help" {
			return
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			// The library's text repeats the value, which somebody may have meant for something secret.
			errs = append(errs, misuse("the variable %s has a value that --%s does not take", envName(f.Name), f.Name).
				hinted("it takes: %s", plainUsage(f)))
		}
	})
	return errors.Join(errs...)
}

// plainUsage returns the help of a flag without the marks around the name of its value.
func plainUsage(f *pflag.Flag) string {
	_, usage := pflag.UnquoteUsage(f)
	return usage
}

// stateDir returns where the program keeps its state: the token and, of a server without other orders, everything.
func (m *Main) stateDir() string {
	if dir := m.env("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "tranship")
	}
	if home := m.env("HOME"); home != "" {
		return filepath.Join(home, ".local", "state", "tranship")
	}
	return ".tranship"
}

// tokenFile returns the file that holds the token for the gateway.
func (m *Main) tokenFile() string {
	if m.flags.tokenFile != "" {
		return m.flags.tokenFile
	}
	return filepath.Join(m.stateDir(), "token")
}

// colours reports whether a stream may be coloured: it is a terminal, and nobody objects.
func (m *Main) colours(stream any) bool {
	return !m.flags.noColor && m.env("NO_COLOR") == "" && m.env("TERM") != "dumb" && isTerminal(stream)
}

func isTerminal(stream any) bool {
	f := fileOf(stream)
	return f != nil && term.IsTerminal(int(f.Fd()))
}

// flagError turns what the library says about a flag into an error with a suggestion. When the flag came after a command
// that does not exist, that is the mistake to name.
func flagError(cmd *cobra.Command, err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return misuse("%v", err).hinted("see: %s --help", cmd.CommandPath())
	}
	if cmd.HasAvailableSubCommands() {
		// The words that were read before the flag.
		if words := cmd.Flags().Args(); len(words) > 0 {
			return unknownCommand(cmd, words[0])
		}
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := registry.Nearest(unknown.GetSpecifiedName(), names); near != "" {
		return misuse("%v", err).hinted("did you mean --%s?", near)
	}
	return misuse("%v", err).hinted("see: %s --help", cmd.CommandPath())
}

// refuseUnknownCommands gives every command that only groups others an answer to a word that is none of them.
func refuseUnknownCommands(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		refuseUnknownCommands(c)
	}
	if !cmd.HasSubCommands() || cmd.Runnable() {
		return
	}
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) > 0:
			return unknownCommand(cmd, args[0])
		case !cmd.HasParent():
			return cmd.Help()
		}
		var names []string
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				names = append(names, c.Name())
			}
		}
		return misuse("%s needs a command: %s", cmd.CommandPath(), strings.Join(names, ", ")).hinted("see: %s --help", cmd.CommandPath())
	}
}

func unknownCommand(cmd *cobra.Command, word string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(append(names, c.Name()), c.Aliases...)
		}
	}
	slices.Sort(names)
	e := misuse("%s has no command %q", cmd.CommandPath(), word)
	if near := registry.Nearest(word, names); near != "" {
		return e.hinted("did you mean %q?", near)
	}
	return e.hinted("see: %s --help", cmd.CommandPath())
}
