package file

import (
	"context"
	"fmt"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

// Spec describes the driver to the registry.
var Spec = blob.Spec{
	Name:    "file",
	Summary: "A directory, also one that several machines share over a network file system whose link(2) is atomic.",
	Example: `file:
  path: /srv/vault
`,
	Open: func(_ context.Context, c blob.Config, d blob.Deps) (blob.Store, error) {
		config, err := blob.Decode[Config](c)
		if err != nil {
			return nil, err
		}
		if config.Path == "" {
			return nil, fault.New(fault.Permanent, "config.missing", "%s.path: must not be empty", c.Field)
		}
		s, err := New(config, d.Clock)
		if err != nil {
			return nil, fmt.Errorf("%s.path: %w", c.Field, err)
		}
		return s, nil
	},
}
