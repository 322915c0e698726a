// Package location opens the repository that a Location resource describes, with the keys that one worker holds.
//
// Every worker that touches captures comes through here, so the rules that keep raw data away from where only masked data
// may be stand in one place: what the worker itself accepts, the trust of the location, and the keys, of which only those
// that the work needs are resolved.
package location

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/keyfile"
	"github.com/tranship/tranship/internal/registry"
	"github.com/tranship/tranship/internal/secret"
	"github.com/tranship/tranship/pkg/events"
)

// Access is what a worker is going to do in a location. It decides which keys are resolved.
type Access int

// The accesses.
const (
	// List needs no key: the clear part of manifests.
	List Access = iota
	// Write needs the public key and the writer key.
	Write
	// Read needs the private key, from which the others follow.
	Read
)

// Config says what this worker accepts.
type Config struct {
	// Accepts are the trusts of the locations that the worker may open at all. Empty: none.
	Accepts []api.Trust
}

// Deps are the parts that an Opener uses.
type Deps struct {
	Stores  *registry.Registry[blob.Spec]
	Secrets *secret.Resolver
	Clock   clock.Clock
	// Wrap adds retries and observation to a store. Optional.
	Wrap func(blob.Store) blob.Store
}

// Opener opens locations. It is safe for concurrent use and keeps nothing.
type Opener struct {
	config Config
	deps   Deps
}

// NewOpener returns an opener.
func NewOpener(c Config, d Deps) *Opener { return &Opener{config: c, deps: d} }

// Location is an application's share of a location, open for one kind of access.
type Location struct {
	Name    string
	Trust   artifact.Trust
	Repo    *artifact.Repository
	Bucket  *blob.Bucket // below the application's prefix
	Trusted artifact.Trusted
	closer  io.Closer
}

// Close releases connections.
func (l *Location) Close() error {
	if l.closer == nil {
		return nil
	}
	return l.closer.Close()
}

// Open opens the repository of an application in the location that resource describes. With Write, the repository is
// created when there is none. It refuses, with class denied, a location of a trust that the worker does not accept.
func (o *Opener) Open(ctx context.Context, resource events.Resource, tenant, application string, access Access) (*Location, error) {
	spec, err := Decode(resource)
	if err != nil {
		return nil, err
	}
	return o.open(ctx, spec, tenant, application, access)
}

func (o *Opener) open(ctx context.Context, spec *api.Location, tenant, application string, access Access) (opened *Location, err error) {
	if !o.accepts(spec.Spec.Trust) {
		return nil, fault.New(fault.Denied, "trust.refused", "location %s holds %s captures, and this worker does not accept them", spec.Name, spec.Spec.Trust).
			WithHint("start a worker with --accept=%s where such data may be", spec.Spec.Trust)
	}
	store, err := o.store(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("location %s: %w", spec.Name, err)
	}
	l := &Location{Name: spec.Name, Trust: artifact.Trust(spec.Spec.Trust)}
	if c, ok := store.(io.Closer); ok {
		l.closer = c
		defer func() {
			if err != nil {
				_ = c.Close()
			}
		}()
	}
	if o.deps.Wrap != nil {
		store = o.deps.Wrap(store)
	}
	l.Bucket = blob.NewBucket(store, path.Join(tenant, application))
	if l.Trusted, err = trusted(spec); err != nil {
		return nil, fmt.Errorf("location %s: %w", spec.Name, err)
	}
	keys, err := o.keys(ctx, spec, access)
	if err != nil {
		return nil, fmt.Errorf("location %s: %w", spec.Name, err)
	}
	config := artifact.Config{Application: application, Trust: l.Trust, Clock: o.deps.Clock}
	if access == Write {
		l.Repo, err = artifact.Create(ctx, l.Bucket, config, keys)
	} else {
		l.Repo, err = artifact.Open(ctx, l.Bucket, config, keys)
	}
	if err != nil {
		return nil, fmt.Errorf("location %s: %w", spec.Name, err)
	}
	return l, nil
}

func (o *Opener) accepts(t api.Trust) bool {
	for _, a := range o.config.Accepts {
		if a == t {
			return true
		}
	}
	return false
}

// store opens the object store that the location's one block of spec names.
func (o *Opener) store(ctx context.Context, spec *api.Location) (blob.Store, error) {
	name, block, err := block(spec)
	if err != nil {
		return nil, err
	}
	driver, err := o.deps.Stores.Get(name)
	if err != nil {
		return nil, fault.Wrap(fault.Permanent, err)
	}
	secrets := func(ctx context.Context, ref json.RawMessage) ([]byte, error) {
		var r api.SecretRef
		if err := json.Unmarshal(ref, &r); err != nil {
			return nil, fault.New(fault.Permanent, secret.CodeInvalid, "a secret reference that cannot be read: %w", err)
		}
		v, err := o.deps.Secrets.Resolve(ctx, "location "+spec.Name, r)
		return []byte(v.Reveal()), err
	}
	return driver.Open(ctx, blob.Config{Field: "spec." + name, JSON: block}, blob.Deps{Secrets: secrets, Clock: o.deps.Clock})
}

func block(spec *api.Location) (name string, text json.RawMessage, err error) {
	switch {
	case spec.Spec.S3 != nil:
		s3 := *spec.Spec.S3
		if s3.Region == "" {
			s3.Region = spec.Spec.Region
		}
		name = "s3"
		text, err = json.Marshal(s3)
	case spec.Spec.File != nil:
		name = "file"
		text, err = json.Marshal(spec.Spec.File)
	default:
		return "", nil, fault.New(fault.Permanent, "location.store", "no store is set")
	}
	return name, text, err
}

func (o *Opener) keys(ctx context.Context, spec *api.Location, access Access) (artifact.Keys, error) {
	var keys artifact.Keys
	if access == List {
		return keys, nil
	}
	e := spec.Spec.Encryption
	public, err := keyfile.ParseLocationPublic(e.PublicKey)
	if err != nil {
		return keys, fmt.Errorf("spec.encryption.publicKey: %w", err)
	}
	if keys.Public, err = artifact.NewPublicKey(kem(public.Key().Bytes())); err != nil {
		return keys, fmt.Errorf("spec.encryption.publicKey: %w", err)
	}
	if access == Read {
		text, err := o.key(ctx, spec, "privateKey", e.PrivateKey)
		if err != nil {
			return keys, err
		}
		private, err := keyfile.ParseLocation([]byte(text.Reveal()))
		if err != nil {
			return keys, fmt.Errorf("spec.encryption.privateKey: %w", err)
		}
		raw, err := private.Private().Bytes()
		if err != nil {
			return keys, fmt.Errorf("spec.encryption.privateKey: %w", err)
		}
		keys.Private, err = artifact.NewPrivateKey(kem(raw))
		if err != nil {
			return keys, fmt.Errorf("spec.encryption.privateKey: %w", err)
		}
		return keys, nil
	}
	text, err := o.key(ctx, spec, "writerKey", e.WriterKey)
	if err != nil {
		return keys, err
	}
	writer, err := keyfile.ParseWriter([]byte(text.Reveal()))
	if err != nil {
		return keys, fmt.Errorf("spec.encryption.writerKey: %w", err)
	}
	if keys.Writer, err = artifact.NewWriterKey(writer.Bytes()); err != nil {
		return keys, fmt.Errorf("spec.encryption.writerKey: %w", err)
	}
	return keys, nil
}

func (o *Opener) key(ctx context.Context, spec *api.Location, field string, ref *api.SecretRef) (secret.Value, error) {
	if ref == nil {
		return secret.Value{}, fault.New(fault.Permanent, secret.CodeMissing, "spec.encryption.%s: missing, and this work needs it", field).
			WithHint("tranship keys generate --location %s writes the key files", spec.Name)
	}
	return o.deps.Secrets.Resolve(ctx, "location "+spec.Name, *ref)
}

// kem puts the HPKE number of X25519 before a key: location keys of version 1 are of that kind.
func kem(raw []byte) []byte { return append([]byte{0x00, 0x20}, raw...) }

func trusted(spec *api.Location) (artifact.Trusted, error) {
	t := artifact.Trusted{}
	for i, s := range spec.Spec.Signers {
		public, err := keyfile.ParseSigningPublic(s.PublicKey)
		if err != nil {
			return nil, fmt.Errorf("spec.signers[%d].publicKey: %w", i, err)
		}
		key, err := artifact.NewVerifyKey(public.Key())
		if err != nil {
			return nil, fmt.Errorf("spec.signers[%d].publicKey: %w", i, err)
		}
		t[artifact.Role(s.Role)] = append(t[artifact.Role(s.Role)], key)
	}
	return t, nil
}

// Decode reads a Location resource from its JSON and validates it.
func Decode(resource events.Resource) (*api.Location, error) {
	r, err := DecodeResource[*api.Location](resource)
	if err != nil {
		return nil, fmt.Errorf("decode a location: %w", err)
	}
	return r, nil
}

// DecodeResource reads a resource of kind T from its JSON and validates it.
func DecodeResource[T api.Resource](resource events.Resource) (T, error) {
	var zero T
	all, err := api.Decode(bytes.NewReader(resource), "")
	if err != nil {
		return zero, fault.Wrap(fault.Permanent, err)
	}
	if len(all) == 1 {
		if t, ok := all[0].(T); ok {
			return t, nil
		}
	}
	return zero, fault.New(fault.Permanent, "resource.kind", "it is not a %s", zero.Kind())
}
