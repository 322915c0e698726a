package mask_test

import (
	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/mask/all"
	"github.com/tranship/tranship/internal/registry"
)

// masks is the registry that the tests of this package compile with.
func masks() *registry.Registry[mask.Spec] { return all.Masks() }
