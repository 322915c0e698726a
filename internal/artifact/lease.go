package artifact

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/zeebo/blake3"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

// lease says that a session is at work on a capture and builds on others, so that nobody collects what they need. It is
// written before the session looks at anything, and never changed.
type lease struct {
	Session string   `json:"session"`
	Run     string   `json:"run"`
	Capture string   `json:"capture"`
	Parents []string `json:"parents"`
	// Abandoned captures of the run whose sessions it may use; the names of their sessions begin with theirs.
	Abandoned []string `json:"abandoned"`
	// Reads is set for those who only read the capture.
	Reads   bool      `json:"reads"`
	Created time.Time `json:"created"`
}

const maxLease = 64 << 10

func leaseKey(run, session string) blob.Key { return blob.Key("l/" + run + "/" + session) }

// checked is the form of the small objects that must be readable without any key: a value and a digest of it. The digest
// finds damage; it does not stop somebody who can write to the store.
type checked struct {
	Value  json.RawMessage `json:"value"`
	Digest Digest          `json:"digest"`
}

func encodeChecked(v any) ([]byte, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return nil, fault.New(fault.Permanent, "artifact.encode", "encode an object: %w", err)
	}
	b, err := json.Marshal(checked{Value: value, Digest: blake3.Sum256(value)})
	if err != nil {
		return nil, fault.New(fault.Permanent, "artifact.encode", "encode an object: %w", err)
	}
	return b, nil
}

// decodeChecked reads what encodeChecked wrote, to the byte.
func decodeChecked(at blob.Key, b []byte, into any) error {
	var c checked
	if err := json.Unmarshal(b, &c); err != nil {
		return corrupt(at, "%w", err)
	}
	if Digest(blake3.Sum256(c.Value)) != c.Digest {
		return corrupt(at, "its digest is wrong")
	}
	d := json.NewDecoder(bytes.NewReader(c.Value))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return corrupt(at, "%w", err)
	}
	again, err := encodeChecked(into)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, b) {
		return corrupt(at, "it is not in the form that its writer gave it")
	}
	return nil
}

func (r *Repository) putLease(ctx context.Context, l lease) error {
	k := leaseKey(l.Run, l.Session)
	b, err := encodeChecked(&l)
	if err != nil {
		return err
	}
	if err := r.putOnce(ctx, k, b); err != nil {
		return fmt.Errorf("lease capture %s: %w", l.Capture, err)
	}
	return nil
}

// leases returns the leases of a run.
func (r *Repository) leases(ctx context.Context, run string) ([]lease, error) {
	var out []lease
	for info, err := range r.bucket.List(ctx, "l/"+run+"/") {
		if err != nil {
			return nil, fmt.Errorf("list the leases of run %s: %w", run, err)
		}
		b, err := r.bucket.Get(ctx, info.Key, maxLease)
		if errors.Is(err, blob.ErrNotFound) {
			continue // released in the meantime
		}
		if err != nil {
			return nil, fmt.Errorf("read a lease of run %s: %w", run, err)
		}
		var l lease
		if err := decodeChecked(info.Key, b, &l); err != nil {
			return nil, err
		}
		if leaseKey(l.Run, l.Session) != info.Key {
			return nil, corrupt(info.Key, "it is the lease of session %.100q of run %.100q", l.Session, l.Run)
		}
		out = append(out, l)
	}
	return out, nil
}

// release deletes the leases of a run on a capture.
func (r *Repository) release(ctx context.Context, run, capture string) error {
	ls, err := r.leases(ctx, run)
	if err != nil {
		return err
	}
	for _, l := range ls {
		if l.Capture != capture {
			continue
		}
		if err := r.bucket.Delete(ctx, leaseKey(l.Run, l.Session)); err != nil {
			return fmt.Errorf("release capture %s: %w", capture, err)
		}
	}
	return nil
}

// Hold leases a committed capture to a reader, so that it is not collected while the run reads it. It returns ErrRetired or
// ErrVoid when that is too late. Holding twice under the same name is harmless.
func (r *Repository) Hold(ctx context.Context, capture ID, run, name string) error {
	if err := r.checkTrust(capture); err != nil {
		return err
	}
	if err := errors.Join(validateName("run", run), validateName("name", name)); err != nil {
		return err
	}
	session := "read-" + capture.String() + "-" + name
	l := lease{Session: session, Run: run, Capture: capture.String(), Parents: []string{}, Abandoned: []string{}, Reads: true, Created: r.clock.Now().UTC()}
	if err := r.putLease(ctx, l); err != nil && !errors.Is(err, blob.ErrExists) {
		return err
	}
	_, err := r.checkUsable(ctx, capture)
	return err
}

// Release ends what Hold and sessions of the run hold on the capture. Commit and Void do it by themselves.
func (r *Repository) Release(ctx context.Context, capture ID, run string) error {
	if err := r.checkTrust(capture); err != nil {
		return err
	}
	if err := validateName("run", run); err != nil {
		return err
	}
	return r.release(ctx, run, capture.String())
}

// checkUsable returns the clear part of a committed capture that is not retired. It looks for the retirement last.
func (r *Repository) checkUsable(ctx context.Context, id ID) (*Payload, error) {
	p, _, err := r.clear(ctx, id.String())
	if err != nil {
		return nil, err
	}
	switch _, err := r.bucket.Stat(ctx, captureKey(id.String(), retiredName)); {
	case err == nil:
		return nil, fault.New(fault.Conflict, "capture.retired", "capture %s: %w", id, ErrRetired)
	case !errors.Is(err, blob.ErrNotFound):
		return nil, fmt.Errorf("look whether capture %s is retired: %w", id, err)
	}
	return p, nil
}

// Names of the objects of a capture that are not streams. No stream can have one: they have a dot, or are reserved.
const (
	manifestName = "manifest.json"
	draftName    = "draft"
	retiredName  = "retired"
	verifiedName = "verified"
)

func captureKey(capture, name string) blob.Key { return blob.Key("c/" + capture + "/" + name) }

func validateStream(name string) error {
	switch name {
	case draftName, retiredName, verifiedName:
		return fault.New(fault.Permanent, "name.invalid", "stream %q: the name is reserved", name)
	}
	return validateName("stream", name)
}
