package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/dataservice"
	dataall "github.com/tranship/tranship/internal/dataservice/all"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/secret"
)

// catalogues reads what there is in components, the way a capture would, and no row of it.
type catalogues struct {
	secrets *secret.Resolver
	logf    func(format string, args ...any)
}

// read opens a component and returns its schema for masking policies.
func (c catalogues) read(ctx context.Context, component api.Component) (_ mask.ComponentSchema, err error) {
	schema := mask.ComponentSchema{Name: component.Name, Driver: component.Engine()}
	driver, err := dataall.Drivers().Get(component.Engine())
	if err != nil {
		return schema, fault.Wrap(fault.Permanent, err)
	}
	var block any = component.Postgres
	if component.Files != nil {
		block = component.Files
	}
	config, err := json.Marshal(block)
	if err != nil {
		return schema, fmt.Errorf("component %s: %w", component.Name, err)
	}
	source, err := driver.Source(ctx, config, 1, dataservice.Deps{Secret: c.secret(component.Name), Logf: c.logf})
	if err != nil {
		return schema, fmt.Errorf("component %s: %w", component.Name, err)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	plan, err := source.Plan(ctx)
	if err != nil {
		return schema, fmt.Errorf("component %s: %w", component.Name, err)
	}
	schema.Catalogue = plan.Catalogue
	return schema, nil
}

func (c catalogues) secret(component string) func(context.Context, json.RawMessage) (string, error) {
	return func(ctx context.Context, text json.RawMessage) (string, error) {
		var ref api.SecretRef
		if err := json.Unmarshal(text, &ref); err != nil {
			return "", fault.New(fault.Permanent, secret.CodeInvalid, "a secret reference that cannot be read: %w", err)
		}
		v, err := c.secrets.Resolve(ctx, "component "+component, ref)
		return v.Reveal(), err
	}
}
