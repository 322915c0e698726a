package artifact

import (
	"errors"
	"fmt"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

// Sentinels of the repository. They come wrapped, with a fault class and a code.
var (
	// ErrExists: another content stands under the key. What was there is unchanged and worth adopting.
	ErrExists = errors.New("another content is there already")
	// ErrVoid: the capture was given up. Nothing can commit it any more; capture again under a new id.
	ErrVoid = errors.New("the capture was given up")
	// ErrNotCommitted: there is no manifest, so there is no such capture, yet.
	ErrNotCommitted = errors.New("the capture has no manifest")
	// ErrRetired: retention has given the capture up. It must not be built upon.
	ErrRetired = errors.New("the capture is retired")
	// ErrCorrupt: an object is not what its writer wrote, or not where its writer put it.
	ErrCorrupt = errors.New("the object is damaged or was tampered with")
	// ErrKey: the key that is needed is missing, or is another one.
	ErrKey = errors.New("the key does not fit")
	// ErrUntrusted: a signature is missing, wrong, or by a key that is not trusted for its role.
	ErrUntrusted = errors.New("the signatures do not suffice")
	// ErrTrust: raw was given where masked is needed, or the other way round.
	ErrTrust = errors.New("raw and masked must not meet")
	// ErrClosed: the writer or its session has ended.
	ErrClosed = errors.New("already closed")
)

func corrupt(k blob.Key, format string, args ...any) error {
	return fault.New(fault.Permanent, "artifact.corrupt", "object %s: %w: %w", k, ErrCorrupt, fmt.Errorf(format, args...)).
		WithHint("compare with another copy of the location; the store or someone with access to it changed the object")
}

func trustMismatch(what string, got, want Trust) error {
	return fault.New(fault.Denied, "trust.mismatch", "%s: %w: it is %s, and %s is needed", what, ErrTrust, got, want)
}

func keyMissing(kind, id, what string) error {
	return fault.New(fault.Denied, "key.missing", "%s: %w: the %s %s is needed and not here", what, ErrKey, kind, id).
		WithHint("give this worker the %s %s, or let a worker that has it do this", kind, id)
}

func keyMismatch(kind, got, want, what string) error {
	return fault.New(fault.Denied, "key.mismatch", "%s: %w: the %s is %s, and %s is needed", what, ErrKey, kind, got, want).
		WithHint("compare the location's keys with those that `tranship keys show` prints")
}

func voided(id string) error {
	return fault.New(fault.Conflict, "lease.expired", "capture %s: %w", id, ErrVoid).
		WithHint("capture again under a new id")
}
