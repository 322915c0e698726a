package artifact

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/zeebo/blake3"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

// maxManifest is the largest manifest object in bytes.
const maxManifest = blob.MaxObject

// Manifest is a committed capture whose signatures were verified.
type Manifest struct {
	Payload Payload
	// Digest is that of the manifest object. It is how other captures and events refer to this one.
	Digest Digest
	// Object is the manifest as it is stored; the Origin of a transferred capture.
	Object []byte

	repo *Repository
	id   ID
}

// ID returns the capture's id.
func (m *Manifest) ID() ID { return m.id }

// Open returns the sealed part, checked against the clear one. It needs the private key.
func (m *Manifest) Open() (Body, error) { return m.repo.openBody(&m.Payload) }

// Artifacts returns the artifacts of the sealed part by label.
func (b Body) Artifacts() map[string]Artifact {
	out := make(map[string]Artifact, len(b.Streams))
	for _, s := range b.Streams {
		out[s.Label] = s.Artifact
	}
	return out
}

// voidMarker stands where the manifest of a capture would, and keeps it from ever being there.
type voidMarker struct {
	Void    bool      `json:"void"`
	Capture string    `json:"capture"`
	Run     string    `json:"run"`
	Created time.Time `json:"created"`
}

// voidPrefix tells a void marker from an envelope: it is how encodeChecked begins.
const voidPrefix = `{"value":{"void":true,`

// Manifest reads a committed capture and verifies who signed it: a raw one a trusted capturer, a masked one a trusted
// masker and a trusted verifier; a transferred one a trusted transferer, and those others its first manifest, whose root
// must be the same. It returns ErrNotCommitted or ErrVoid when there is no such capture.
func (r *Repository) Manifest(ctx context.Context, id ID, t Trusted) (*Manifest, error) {
	if err := r.checkTrust(id); err != nil {
		return nil, err
	}
	at, object, err := r.manifestObject(ctx, id.String())
	if err != nil {
		return nil, err
	}
	return r.verifyManifest(at, id, object, t)
}

// manifestObject returns the object, or ErrNotCommitted or ErrVoid.
func (r *Repository) manifestObject(ctx context.Context, capture string) (blob.Key, []byte, error) {
	at := captureKey(capture, manifestName)
	object, err := r.bucket.Get(ctx, at, maxManifest)
	if errors.Is(err, blob.ErrNotFound) {
		return at, nil, fault.New(fault.NotFound, "capture.not-found", "capture %s: %w", capture, ErrNotCommitted)
	}
	if err != nil {
		return at, nil, fmt.Errorf("read the manifest of capture %s: %w", capture, err)
	}
	if strings.HasPrefix(string(object), voidPrefix) {
		var v voidMarker
		if err := decodeChecked(at, object, &v); err != nil {
			return at, nil, err
		}
		return at, nil, voided(capture)
	}
	return at, object, nil
}

// clear returns the payload of a committed capture, with no signature verified, and the digest of its object.
func (r *Repository) clear(ctx context.Context, capture string) (*Payload, Digest, error) {
	at, object, err := r.manifestObject(ctx, capture)
	if err != nil {
		return nil, Digest{}, err
	}
	e, err := decodeEnvelope(at, object, statementType)
	if err != nil {
		return nil, Digest{}, err
	}
	p, err := Statement(e.Payload).Payload()
	if err != nil {
		return nil, Digest{}, fmt.Errorf("manifest of capture %s: %w", capture, err)
	}
	return &p, blake3.Sum256(object), nil
}

func (r *Repository) verifyManifest(at blob.Key, id ID, object []byte, t Trusted) (*Manifest, error) {
	e, err := decodeEnvelope(at, object, statementType)
	if err != nil {
		return nil, err
	}
	p, err := r.verifyEnvelope(id, e, t)
	if err != nil {
		return nil, err
	}
	return &Manifest{Payload: *p, Digest: blake3.Sum256(object), Object: object, repo: r, id: id}, nil
}

// verifyEnvelope checks signatures first, so that nothing unsigned is interpreted further than needed to know who should
// have signed.
func (r *Repository) verifyEnvelope(id ID, e *envelope, t Trusted) (*Payload, error) {
	what := "manifest of capture " + id.String()
	p, err := Statement(e.Payload).Payload()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if p.Trust != id.Trust() {
		return nil, trustMismatch(what, p.Trust, id.Trust())
	}
	if len(p.Origin) > 0 {
		err = verifyTransferred(what, e, &p, t)
	} else {
		err = e.need(what, t, makers(p.Trust)...)
	}
	if err != nil {
		return nil, err
	}
	at := captureKey(id.String(), manifestName)
	switch {
	case p.Capture != id.String():
		return nil, corrupt(at, "it is the manifest of capture %s", p.Capture)
	case p.Keyset != r.Keyset():
		return nil, keyMismatch("keyset", p.Keyset, r.Keyset(), what)
	case p.Application != r.Application():
		return nil, corrupt(at, "it belongs to application %.100q", p.Application)
	case p.Trust == Masked && p.Masking.Verdict == "":
		return nil, fault.New(fault.Denied, "signature.missing", "%s: %w: the verifier gave no verdict", what, ErrUntrusted)
	}
	return &p, nil
}

// makers are the roles that sign a capture where it is first made.
func makers(t Trust) []Role {
	if t == Masked {
		return []Role{Masker, Verifier}
	}
	return []Role{Capturer}
}

func verifyTransferred(what string, e *envelope, p *Payload, t Trusted) error {
	if err := e.need(what, t, Transferer); err != nil {
		return err
	}
	at := captureKey(p.Capture, manifestName)
	origin, err := decodeEnvelope(at, p.Origin, statementType)
	if err != nil {
		return fmt.Errorf("%s: its first manifest: %w", what, err)
	}
	first, err := Statement(origin.Payload).Payload()
	if err != nil {
		return fmt.Errorf("%s: its first manifest: %w", what, err)
	}
	if len(first.Origin) > 0 {
		return corrupt(at, "its first manifest is that of a transferred capture")
	}
	if first.Trust != p.Trust {
		return trustMismatch(what+": its first manifest", first.Trust, p.Trust)
	}
	if err := origin.need(what+": its first manifest", t, makers(p.Trust)...); err != nil {
		return err
	}
	if first.Root != p.Root || first.Application != p.Application || !equalMasking(first.Masking, p.Masking) {
		return corrupt(at, "it is not the capture that its first manifest describes")
	}
	return nil
}

func equalMasking(a, b *Masking) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// Commit makes the capture exist: it verifies the signatures as Manifest does, and writes the manifest, once. Nothing that
// a reader would refuse is written. When a valid manifest of the same run is there already, that one is adopted and
// returned; a void marker gives ErrVoid; a manifest of another run gives ErrExists. It releases the leases of the run on
// the capture.
func (r *Repository) Commit(ctx context.Context, st Statement, t Trusted, signatures ...Signature) (*Manifest, error) {
	p, err := st.Payload()
	if err != nil {
		return nil, err
	}
	id, err := ParseID(r.Trust(), p.Capture)
	if err != nil {
		return nil, err
	}
	e := &envelope{PayloadType: statementType, Payload: st, Signatures: signatures}
	if _, err := r.verifyEnvelope(id, e, t); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	object, err := e.encode()
	if err != nil {
		return nil, err
	}
	at := captureKey(p.Capture, manifestName)
	if err := r.putOnce(ctx, at, object); errors.Is(err, blob.ErrExists) {
		return r.adopt(ctx, id, p.Run, t)
	} else if err != nil {
		return nil, fmt.Errorf("commit capture %s: %w", id, err)
	}
	if err := r.release(ctx, p.Run, p.Capture); err != nil {
		return nil, err
	}
	return r.verifyManifest(at, id, object, t)
}

func (r *Repository) adopt(ctx context.Context, id ID, run string, t Trusted) (*Manifest, error) {
	m, err := r.Manifest(ctx, id, t)
	if err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	if m.Payload.Run != run {
		return nil, fault.New(fault.Conflict, "artifact.exists", "commit capture %s: run %s did: %w", id, m.Payload.Run, ErrExists)
	}
	return m, r.release(ctx, run, id.String())
}

// Void gives a capture up, on behalf of the run that makes it: no manifest can be committed from then on. It never touches
// a committed capture, and reports whether the capture is void. Doing it again is harmless. It releases the leases of the
// run on the capture.
func (r *Repository) Void(ctx context.Context, capture ID, run string) (bool, error) {
	if err := r.checkTrust(capture); err != nil {
		return false, err
	}
	if err := validateName("run", run); err != nil {
		return false, err
	}
	b, err := encodeChecked(&voidMarker{Void: true, Capture: capture.String(), Run: run, Created: r.clock.Now().UTC()})
	if err != nil {
		return false, err
	}
	void := true
	if err := r.putOnce(ctx, captureKey(capture.String(), manifestName), b); errors.Is(err, blob.ErrExists) {
		if _, _, err = r.manifestObject(ctx, capture.String()); err == nil {
			void = false
		} else if !errors.Is(err, ErrVoid) {
			return false, err
		}
	} else if err != nil {
		return false, fmt.Errorf("give up capture %s: %w", capture, err)
	}
	return void, r.release(ctx, run, capture.String())
}

// Draft stores a masked capture's statement, with the signatures that it has so far, for the verifier to read. The same
// statement may be stored again; another one gives ErrExists.
func (r *Repository) Draft(ctx context.Context, id MaskedID, st Statement, signatures ...Signature) error {
	if err := r.checkTrust(id); err != nil {
		return err
	}
	p, err := st.Payload()
	if err != nil {
		return err
	}
	if p.Capture != id.String() {
		return fault.New(fault.Permanent, "name.invalid", "draft of capture %s: the statement is about capture %s", id, p.Capture)
	}
	object, err := (&envelope{PayloadType: statementType, Payload: st, Signatures: signatures}).encode()
	if err != nil {
		return err
	}
	at := captureKey(id.String(), draftName)
	if err := r.putOnce(ctx, at, object); errors.Is(err, blob.ErrExists) {
		there, _, err := r.ReadDraft(ctx, id, nil)
		if err != nil {
			return err
		}
		if !slices.Equal(there, st) {
			return fault.New(fault.Conflict, "artifact.exists", "draft of capture %s: %w", id, ErrExists)
		}
		return nil
	} else if err != nil {
		return fmt.Errorf("store the draft of capture %s: %w", id, err)
	}
	return nil
}

// ReadDraft returns the statement of a draft and its signatures. When t is not nil, a trusted masker must have signed it.
func (r *Repository) ReadDraft(ctx context.Context, id MaskedID, t Trusted) (Statement, []Signature, error) {
	if err := r.checkTrust(id); err != nil {
		return nil, nil, err
	}
	at := captureKey(id.String(), draftName)
	object, err := r.bucket.Get(ctx, at, maxManifest)
	if err != nil {
		return nil, nil, fmt.Errorf("read the draft of capture %s: %w", id, err)
	}
	e, err := decodeEnvelope(at, object, statementType)
	if err != nil {
		return nil, nil, err
	}
	p, err := Statement(e.Payload).Payload()
	if err != nil {
		return nil, nil, fmt.Errorf("draft of capture %s: %w", id, err)
	}
	if p.Capture != id.String() {
		return nil, nil, corrupt(at, "it is the draft of capture %s", p.Capture)
	}
	if t != nil {
		if err := e.need("draft of capture "+id.String(), t, Masker); err != nil {
			return nil, nil, err
		}
	}
	return e.Payload, e.Signatures, nil
}

// OpenPayload opens the sealed part of a payload that has no manifest yet, such as a draft's. It needs the private key.
func (r *Repository) OpenPayload(p Payload) (Body, error) { return r.openBody(&p) }

// Summary is what List tells of a capture. Nothing of it is verified.
type Summary struct {
	Payload  Payload // without Sealed and Origin
	Digest   Digest
	Retired  bool
	Verified []string // runs that restored it and found it equal
}

// List yields the committed captures by ascending id, without needing any key. It verifies no signature: Manifest does. A
// manifest that cannot be read is yielded as an error with the capture in its text, and does not end the listing.
func (r *Repository) List(ctx context.Context) iter.Seq2[Summary, error] {
	return func(yield func(Summary, error) bool) {
		var current string
		var s Summary
		var manifest bool
		flush := func() bool {
			if !manifest {
				return true
			}
			p, digest, err := r.clear(ctx, current)
			if errors.Is(err, ErrVoid) {
				return true
			}
			if err != nil {
				return yield(Summary{}, fmt.Errorf("capture %s: %w", current, err))
			}
			p.Sealed, p.Origin = nil, nil
			s.Payload, s.Digest = *p, digest
			return yield(s, nil)
		}
		for info, err := range r.bucket.List(ctx, "c/") {
			if err != nil {
				yield(Summary{}, fmt.Errorf("list captures: %w", err))
				return
			}
			capture, name, _ := strings.Cut(strings.TrimPrefix(string(info.Key), "c/"), "/")
			if capture != current {
				if !flush() {
					return
				}
				current, s, manifest = capture, Summary{}, false
			}
			switch run, isVerified := strings.CutPrefix(name, verifiedName+"/"); {
			case isVerified:
				s.Verified = append(s.Verified, run)
			case name == manifestName:
				manifest = true
			case name == retiredName:
				s.Retired = true
			}
		}
		flush()
	}
}
