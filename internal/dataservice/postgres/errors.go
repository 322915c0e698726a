package postgres

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tranship/tranship/internal/fault"
)

// SQLSTATEs that the driver itself acts on.
const (
	stateLockNotAvailable  = "55P03"
	stateDeadlock          = "40P01"
	stateObjectInUse       = "55006"
	stateDuplicateDatabase = "42P04"
	stateNoDatabase        = "3D000"
	stateUndefinedTable    = "42P01"
	stateNoPrivilege       = "42501"
	stateQueryCanceled     = "57014"
)

// stateOf returns the SQLSTATE in err's chain, or "".
func stateOf(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// classify gives an error of the server its class. Errors of the connection are transient. It keeps the text: a server's
// message names objects, and its detail, which may hold values, is not part of it.
func classify(err error) error {
	if err == nil {
		return nil
	}
	var classed *fault.Error
	if errors.As(err, &classed) {
		return err
	}
	state := stateOf(err)
	if len(state) != 5 {
		return err
	}
	switch state {
	case stateLockNotAvailable:
		return (&fault.Error{Class: fault.Throttled, Code: "postgres.locked", Err: err}).WithHint("another session holds a lock for long: a schema change or a maintenance command; wait for it or end it")
	case stateObjectInUse, stateDeadlock, "40001", stateQueryCanceled:
		return fault.Wrap(fault.Transient, err)
	case stateNoPrivilege:
		return (&fault.Error{Class: fault.Denied, Code: "postgres.denied", Err: err}).WithHint("capturing needs SELECT on every table and sequence, and BYPASSRLS where row security applies; restoring needs CREATEDB")
	case stateNoDatabase:
		return fault.Wrap(fault.NotFound, err)
	case "53100":
		return (&fault.Error{Class: fault.Throttled, Code: "postgres.full", Err: err}).WithHint("the server's disk is full")
	case "57P01", "57P02", "57P03", "57P05":
		return fault.Wrap(fault.Transient, err)
	}
	switch state[:2] {
	case "28":
		return (&fault.Error{Class: fault.Denied, Code: "postgres.denied", Err: err}).WithHint("the server refuses the DSN's user or password")
	case "53":
		return fault.Wrap(fault.Throttled, err)
	case "08", "40", "55", "57", "58", "XX":
		return fault.Wrap(fault.Transient, err)
	}
	return fault.Wrap(fault.Permanent, err)
}

// refused reports whether asking another host of the same DSN is pointless.
func refused(err error) bool {
	return fault.Is(err, fault.Denied) || fault.Is(err, fault.NotFound) || fault.Is(err, fault.Permanent)
}

func permanent(code, format string, args ...any) *fault.Error {
	return fault.New(fault.Permanent, code, format, args...)
}
