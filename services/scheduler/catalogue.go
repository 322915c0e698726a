package scheduler

import (
	"bytes"
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/bus"
)

// BusResources looks resources up where no Kubernetes holds them. The first token of a resource's key is its tenant.
type BusResources struct {
	Bus bus.Resources
	Log *zap.Logger
}

var _ Resources = BusResources{}

// Tenant implements Resources.
func (r BusResources) Tenant(ctx context.Context, tenant string) (*api.Set, error) {
	var found []api.Resource
	for e, err := range r.Bus.List(ctx, tenant) {
		if err != nil {
			return nil, err
		}
		resources, err := api.Decode(bytes.NewReader(e.Value), e.Key)
		if err != nil {
			r.Log.Warn("a resource is left out", zap.String("key", e.Key), zap.Error(fmt.Errorf("read it: %w", err)))
			continue
		}
		for _, res := range resources {
			if res.Meta().Tenant() == tenant {
				found = append(found, res)
			}
		}
	}
	return api.NewSet(found...), nil
}
