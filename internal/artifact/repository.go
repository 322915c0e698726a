package artifact

import (
	"context"
	"errors"
	"fmt"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/fault"
)

// Config says which repository is meant.
type Config struct {
	// Application whose captures it holds. It enters the keys, so that equal chunks of two applications have different ids.
	Application string
	// Trust of everything in it.
	Trust Trust
	// Clock stamps leases and void markers; the wall clock when nil.
	Clock clock.Clock
}

// Repository is one application's share of a location. It is safe for concurrent use, and holds no resources.
type Repository struct {
	bucket *blob.Bucket
	clock  clock.Clock
	format *format
	domain domain
	// What the keys that were given allow; each may be missing.
	public  PublicKey
	private *PrivateKey
	keys    *derived
}

// Create makes the repository in the bucket, whose keys it owns, or opens it when it is there. It needs the writer key and
// the public or the private key. A repository of another application, trust or keyset in the same place is refused, with
// class Denied. It may be called by several workers at once, and again after a crash.
func Create(ctx context.Context, b *blob.Bucket, c Config, k Keys) (*Repository, error) {
	public, err := k.public()
	if err != nil {
		return nil, err
	}
	if err := validateConfig(c); err != nil {
		return nil, err
	}
	if k.Writer == nil {
		// Another writer key could be made up, but then two writers would make up two.
		return openOrMissing(ctx, b, c, k)
	}
	if public.IsZero() {
		return nil, keyMissing("public key", "of the location", "create the repository")
	}
	f := newFormat(c, public, k.Writer)
	data, err := f.encode(deriveKeys(k.Writer, c.Application))
	if err != nil {
		return nil, err
	}
	d := domain{keyset: f.Keyset, trust: f.Trust}
	switch err := b.Put(ctx, formatKey, data, blob.PutOptions{IfNotExists: true}); {
	case errors.Is(err, blob.ErrExists):
		// Compared by Open, with a better message than a difference in bytes would give.
	case err != nil:
		return nil, fmt.Errorf("create the repository: %w", err)
	}
	if _, err := b.Stat(ctx, writerKey); err != nil {
		if !errors.Is(err, blob.ErrNotFound) {
			return nil, fmt.Errorf("create the repository: %w", err)
		}
		// Only the format decides whose repository this is, so it is checked before anything is sealed to it.
		if _, err := Open(ctx, b, c, Keys{Public: public, Writer: k.Writer}); err != nil {
			return nil, err
		}
		sealed, err := d.sealTo(public, kindWriter, writerKey, k.Writer.b[:])
		if err != nil {
			return nil, err
		}
		if err := b.Put(ctx, writerKey, sealed, blob.PutOptions{IfNotExists: true}); err != nil && !errors.Is(err, blob.ErrExists) {
			return nil, fmt.Errorf("create the repository: %w", err)
		}
	}
	return Open(ctx, b, c, k)
}

func openOrMissing(ctx context.Context, b *blob.Bucket, c Config, k Keys) (*Repository, error) {
	r, err := Open(ctx, b, c, k)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, keyMissing("writer key", "of the location", "create the repository")
	}
	return r, err
}

// Open opens a repository with whatever keys there are; see Keys. It refuses, with class Denied, one of another trust,
// application or keyset than asked for, and with code format.version one that a newer program wrote. Without the writer
// key or the private key nothing authenticates what the repository says of itself: then it is good for listing only.
func Open(ctx context.Context, b *blob.Bucket, c Config, k Keys) (*Repository, error) {
	public, err := k.public()
	if err != nil {
		return nil, err
	}
	if err := validateConfig(c); err != nil {
		return nil, err
	}
	data, err := b.Get(ctx, formatKey, maxFormat)
	if err != nil {
		return nil, fmt.Errorf("open the repository of %s: %w", c.Application, err)
	}
	f, err := parseFormat(data)
	if err != nil {
		return nil, err
	}
	if f.Trust != c.Trust {
		return nil, trustMismatch("the repository of "+f.Application, f.Trust, c.Trust)
	}
	if f.Application != c.Application {
		return nil, fault.New(fault.Denied, "repository.application", "the repository belongs to application %.100q, not to %q", f.Application, c.Application)
	}
	if !public.IsZero() && public.Fingerprint() != f.PublicKey.Fingerprint() {
		return nil, keyMismatch("public key", public.Fingerprint(), f.PublicKey.Fingerprint(), "open the repository of "+c.Application)
	}
	r := &Repository{
		bucket: b, clock: c.Clock, format: f, domain: domain{keyset: f.Keyset, trust: f.Trust},
		public: public, private: k.Private,
	}
	if r.clock == nil {
		r.clock = clock.Real{}
	}
	w := k.Writer
	if w == nil && k.Private != nil {
		if w, err = r.unsealWriterKey(ctx); err != nil {
			return nil, err
		}
	}
	if w == nil {
		return r, nil
	}
	if w.Fingerprint() != f.WriterKey {
		return nil, keyMismatch("writer key", w.Fingerprint(), f.WriterKey, "open the repository of "+c.Application)
	}
	r.keys = deriveKeys(w, c.Application)
	if err := f.verify(r.keys, data); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Repository) unsealWriterKey(ctx context.Context) (*WriterKey, error) {
	sealed, err := r.bucket.Get(ctx, writerKey, maxFormat)
	if err != nil {
		return nil, fmt.Errorf("read the writer key: %w", err)
	}
	raw, err := r.domain.openWith(r.private, kindWriter, writerKey, sealed)
	if err != nil {
		return nil, err
	}
	w, err := NewWriterKey(raw)
	if err != nil {
		return nil, corrupt(writerKey, "%w", err)
	}
	return w, nil
}

func validateConfig(c Config) error {
	if c.Application == "" || len(c.Application) > 255 {
		return fault.New(fault.Permanent, "name.invalid", "application %.20q: must have 1 to 255 characters", c.Application)
	}
	return c.Trust.Validate()
}

// Trust returns the trust of everything in the repository.
func (r *Repository) Trust() Trust { return r.format.Trust }

// Application returns the application whose captures it holds.
func (r *Repository) Application() string { return r.format.Application }

// Keyset names the keys that the repository is sealed with.
func (r *Repository) Keyset() string { return r.format.Keyset }

// CanWrite reports whether the keys allow to write.
func (r *Repository) CanWrite() bool { return r.keys != nil && !r.public.IsZero() }

// CanRead reports whether the keys allow to read contents.
func (r *Repository) CanRead() bool { return r.keys != nil && r.private != nil }

func (r *Repository) needWriter(what string) error {
	if r.keys == nil {
		return keyMissing("writer key", r.format.WriterKey, what)
	}
	if r.public.IsZero() {
		return keyMissing("public key", r.format.PublicKey.Fingerprint(), what)
	}
	return nil
}

func (r *Repository) needIndex(what string) error {
	if r.keys == nil {
		return keyMissing("writer key", r.format.WriterKey, what)
	}
	return nil
}

func (r *Repository) needPrivate(what string) error {
	if r.private == nil {
		return keyMissing("private key", r.format.PublicKey.Fingerprint(), what)
	}
	return nil
}

// checkTrust refuses a capture of another trust than the repository's.
func (r *Repository) checkTrust(id ID) error {
	if id == nil || id.String() == "" {
		return fault.New(fault.Permanent, "name.invalid", "capture id: missing")
	}
	if id.Trust() != r.Trust() {
		return trustMismatch("capture "+id.String(), id.Trust(), r.Trust())
	}
	return nil
}

func (r *Repository) putOnce(ctx context.Context, k blob.Key, data []byte) error {
	return r.bucket.Put(ctx, k, data, blob.PutOptions{IfNotExists: true})
}
