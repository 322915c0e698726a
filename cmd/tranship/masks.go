package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	maskall "github.com/tranship/tranship/internal/mask/all"
)

// maskEntry is a mask as it is listed.
type maskEntry struct {
	Name          string      `json:"name"`
	Summary       string      `json:"summary"`
	Doc           string      `json:"doc"`
	Kinds         []string    `json:"kinds"`
	Deterministic bool        `json:"deterministic"`
	Injective     bool        `json:"injective"`
	NeedsSubject  bool        `json:"needsSubject"`
	Params        []maskParam `json:"params"`
}

type maskParam struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Summary  string   `json:"summary"`
	Required bool     `json:"required"`
	Enum     []string `json:"enum,omitempty"`
}

func newMasksCommand(m *Main) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the masks that policies can name",
		Long: `Lists the masks that rules and identities of masking policies can name, with their parameters. No server is asked.

With -o wide the kinds of column are listed that a mask can be bound to; -o yaml tells everything, such as the exact mapping.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			entries, err := maskEntries()
			if err != nil {
				return err
			}
			return m.print(entries, func(wide bool) *table { return masksTable(entries, wide) })
		},
	}
}

func maskEntries() ([]maskEntry, error) {
	masks := maskall.Masks()
	var entries []maskEntry
	for _, name := range masks.Names() {
		spec, err := masks.Get(name)
		if err != nil {
			return nil, err
		}
		e := maskEntry{
			Name: spec.Name, Summary: spec.Summary, Doc: spec.Doc, Kinds: []string{}, Params: []maskParam{},
			Deterministic: spec.Deterministic, Injective: spec.Injective, NeedsSubject: spec.NeedsSubject,
		}
		for _, k := range spec.Kinds {
			e.Kinds = append(e.Kinds, string(k))
		}
		for _, p := range spec.Params {
			e.Params = append(e.Params, maskParam{Name: p.Name, Type: fmt.Sprint(p.Type), Summary: p.Summary, Required: p.Required, Enum: p.Enum})
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func masksTable(entries []maskEntry, wide bool) *table {
	header := []string{"MASK", "PARAMETERS", "DOES"}
	if wide {
		header = append(header, "KINDS")
	}
	t := newTable(header...)
	for _, e := range entries {
		var params []string
		for _, p := range e.Params {
			params = append(params, p.Name)
		}
		row := []string{e.Name, strings.Join(params, ", "), e.Summary}
		if wide {
			row = append(row, strings.Join(e.Kinds, ", "))
		}
		t.add(row...)
	}
	return t
}
