package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/registry"
)

// catalogue is what is stored of a tenant, and the locations of all others: no two tenants may share their keys.
type catalogue struct {
	tenant  string
	entries []stored // by key
	foreign []stored
}

// stored is a resource with its place in the bucket.
type stored struct {
	resource api.Resource
	value    []byte
	revision uint64
}

// keyOf is where a resource stands: the scheduler looks under the tenant's token.
func keyOf(k api.Key) string { return k.Tenant + "." + k.Kind + "." + k.Name }

// catalogue reads what is stored now. What cannot be read counts as missing, as it does for the scheduler.
func (s *Server) catalogue(ctx context.Context, tenant string) (*catalogue, error) {
	c := &catalogue{tenant: tenant}
	for e, err := range s.deps.Resources.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		owner, kind, _ := strings.Cut(e.Key, ".")
		if owner != tenant && !strings.HasPrefix(kind, api.KindLocation+".") {
			continue
		}
		r, err := parse(e.Value)
		switch {
		case err != nil:
			s.deps.Log.Warn("a resource is left out", zap.String("key", e.Key), zap.Error(fmt.Errorf("read it: %w", err)))
		case owner == tenant:
			c.entries = append(c.entries, stored{r, e.Value, e.Revision})
		default:
			c.foreign = append(c.foreign, stored{r, e.Value, e.Revision})
		}
	}
	slices.SortFunc(c.entries, func(a, b stored) int {
		return strings.Compare(api.KeyOf(a.resource).String(), api.KeyOf(b.resource).String())
	})
	return c, nil
}

func parse(value []byte) (api.Resource, error) {
	rs, err := api.Decode(bytes.NewReader(value), "")
	if err != nil {
		return nil, err
	}
	if len(rs) != 1 {
		return nil, fmt.Errorf("%d resources where one is expected", len(rs))
	}
	return rs[0], nil
}

// find returns what stands under a key, or nil.
func (c *catalogue) find(k api.Key) *stored {
	for i := range c.entries {
		if api.KeyOf(c.entries[i].resource) == k {
			return &c.entries[i]
		}
	}
	return nil
}

// names returns the names of a kind's resources.
func (c *catalogue) names(kind string) []string {
	var names []string
	for _, e := range c.entries {
		if e.resource.Kind() == kind {
			names = append(names, e.resource.Meta().Name)
		}
	}
	return names
}

// missing says that a resource does not exist, and what was probably meant.
func (c *catalogue) missing(kind, name string) error {
	e := fault.New(fault.NotFound, strings.ToLower(kind)+".missing", "there is no %s %q in tenant %s", kind, name, c.tenant)
	if near := registry.Nearest(name, c.names(kind)); near != "" {
		return e.WithHint("did you mean %q?", near)
	}
	return e
}

// Where a resource in a check comes from. Those of a request come from no file.
const (
	fromStore   = "stored"
	fromForeign = "foreign"
)

// check judges submitted resources beside those that stay, of which without is left out. It returns what is wrong with the
// submitted ones, and what would become wrong with others: a mistake that stands already keeps nobody from anything else.
func (c *catalogue) check(submitted *api.Set, without *api.Key, now time.Time) error {
	gone := func(k api.Key) bool {
		return (without != nil && *without == k) || slices.ContainsFunc(submitted.Resources(), func(r api.Resource) bool { return api.KeyOf(r) == k })
	}
	after := problems(c.fill(submitted, gone).Check(now))
	if !slices.ContainsFunc(after, isStored) {
		return outward(after).Err()
	}
	standing := map[api.FieldError]bool{}
	for _, e := range problems(c.fill(api.NewSet(), func(api.Key) bool { return false }).Check(now)) {
		standing[e] = true
	}
	after = slices.DeleteFunc(after, func(e api.FieldError) bool { return isStored(e) && standing[e] })
	return outward(after).Err()
}

// fill adds what is stored to a set.
func (c *catalogue) fill(set *api.Set, except func(api.Key) bool) *api.Set {
	for _, e := range c.entries {
		if !except(api.KeyOf(e.resource)) {
			_ = set.Load(bytes.NewReader(e.value), fromStore) // it was read before
		}
	}
	for _, e := range c.foreign {
		_ = set.Load(bytes.NewReader(e.value), fromForeign)
	}
	return set
}

func isStored(e api.FieldError) bool { return e.File == fromStore }

func problems(err error) api.FieldErrors {
	var fields api.FieldErrors
	_ = errors.As(err, &fields)
	return fields
}

// outward is what a request may know of problems: nothing of other tenants, and no lines of what it did not send.
func outward(errs api.FieldErrors) api.FieldErrors {
	var out api.FieldErrors
	for _, e := range errs {
		switch e.File {
		case fromForeign:
			continue
		case fromStore:
			e.File, e.Line = "", 0
		}
		out = append(out, e)
	}
	return out
}
