// Package all is the registry of the drivers of data services.
package all

import (
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/dataservice/files"
	"github.com/tranship/tranship/internal/dataservice/postgres"
	"github.com/tranship/tranship/internal/registry"
)

// Drivers returns the registry of data services.
func Drivers() *registry.Registry[dataservice.Spec] {
	return registry.New("data service", func(s dataservice.Spec) string { return s.Name },
		files.Spec,
		postgres.Spec,
	)
}
