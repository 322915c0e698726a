package gateway

import (
	"context"
	"net/http"
	"regexp"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/fault"
)

type tenantKey struct{}

// label is what tenants and resources are named by. It keeps whatever comes from outside from being a pattern of subjects.
var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func tenantOf(r *http.Request) (string, error) {
	tenant := r.Header.Get(client.HeaderTenant)
	if tenant == "" {
		return api.DefaultTenant, nil
	}
	if !label.MatchString(tenant) {
		return "", refuse(http.StatusBadRequest, fault.Permanent, "tenant.invalid", "%s: must be a DNS label", client.HeaderTenant)
	}
	return tenant, nil
}

// tenant returns the tenant that a request is about.
func tenant(ctx context.Context) string {
	t, _ := ctx.Value(tenantKey{}).(string)
	return t
}
