// Package postgres captures and restores PostgreSQL databases, from version 13.
//
// A database is one component. Everything is read under one exported snapshot: the schema by pg_dump, the rows of each
// table by COPY over ranges of blocks, so that a large table is many units. A restore builds a second database beside the
// place of the first, closed to everybody else; each unit is one transaction that also records that the unit is done, so
// a restore goes on where it was killed. Publishing renames the database.
//
// Roles, grants, tablespaces, large objects, publications and settings of the database are not captured, and user mappings
// of foreign servers, which hold passwords, are not restored.
package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/fault"
)

// Spec is the driver "postgres".
var Spec = dataservice.Spec{
	Name:    "postgres",
	Summary: "a PostgreSQL database, from version 13: read under one snapshot, restored beside its place and renamed into it",
	Source:  openSource,
	Target:  openTarget,
	Sandbox: openSandbox,
}

// Kinds of units.
const (
	kindPre  = "pre-data"
	kindData = "data"
	kindPost = "post-data"
)

// Names of the units that are not data. Units of data are data-0001 and so on.
const (
	unitPre  = "pre"
	unitPost = "post"
)

// Major versions of servers: the oldest that the driver works with, and the first that reads a range of blocks without
// reading the whole table.
const (
	oldest     = 13
	rangedFrom = 14
)

// config is the driver's part of a component.
type config struct {
	// DSN refers to a secret: the URL, or the keywords and values, of a database.
	DSN json.RawMessage `json:"dsn"`
}

// resolve reads the configuration and the secret that it names.
func resolve(ctx context.Context, raw json.RawMessage, d dataservice.Deps) (endpoint, error) {
	var c config
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return endpoint{}, fault.New(fault.Permanent, "config.invalid", "read the configuration of a postgres component: %w", err)
	}
	if len(c.DSN) == 0 {
		return endpoint{}, fault.New(fault.Permanent, "config.invalid", "dsn: a reference to a secret is needed")
	}
	if d.Secret == nil {
		return endpoint{}, fault.Wrap(fault.Permanent, errors.New("dsn: there is nothing that resolves secrets"))
	}
	dsn, err := d.Secret(ctx, c.DSN)
	if err != nil {
		return endpoint{}, fmt.Errorf("dsn: %w", err)
	}
	return parseDSN(dsn)
}

// logf writes to the operator's log, if there is one.
func logf(d dataservice.Deps, format string, args ...any) {
	if d.Logf != nil {
		d.Logf(format, args...)
	}
}
