package artifact

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/zeebo/blake3"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

// PlanKey is where the plan of a step lies.
func PlanKey(run, step string) blob.Key { return blob.Key("t/" + run + "/" + step) }

// TaskKey is where the outcome of a task lies.
func TaskKey(run, step, task string) blob.Key { return blob.Key("t/" + run + "/" + step + "." + task) }

// PutSealed stores v as JSON under a key that PlanKey or TaskKey made, sealed so that every holder of the writer key can
// read it. It returns the digest of the object. When the same content is there already, it returns that object's digest;
// when another content is there, the digest and ErrExists: adopt it with GetSealed.
func (r *Repository) PutSealed(ctx context.Context, k blob.Key, v any) (Digest, error) {
	if err := r.needIndex("write " + string(k)); err != nil {
		return Digest{}, err
	}
	return r.putObject(ctx, k, v, func(plain []byte) ([]byte, error) {
		return r.domain.seal(nil, &r.keys.index, kindStep, k, compact(plain)), nil
	}, func(object, plain []byte) (bool, error) {
		there, err := r.openStep(k, object)
		return string(there) == string(plain), err
	})
}

// GetSealed reads what PutSealed stored. A zero digest stands for any.
func (r *Repository) GetSealed(ctx context.Context, k blob.Key, digest Digest, into any) error {
	if err := r.needIndex("read " + string(k)); err != nil {
		return err
	}
	object, err := r.getObject(ctx, k, digest)
	if err != nil {
		return err
	}
	plain, err := r.openStep(k, object)
	if err != nil {
		return err
	}
	return decodeObject(k, plain, into)
}

// PutPrivate is PutSealed for what only holders of the private key may read, which may not include the caller.
func (r *Repository) PutPrivate(ctx context.Context, k blob.Key, v any) (Digest, error) {
	if err := r.needWriter("write " + string(k)); err != nil {
		return Digest{}, err
	}
	return r.putObject(ctx, k, v, func(plain []byte) ([]byte, error) {
		return r.sealPrivate(kindPrivate, k, plain)
	}, func(object, plain []byte) (bool, error) {
		tag, _, err := r.splitPrivate(kindPrivate, k, object)
		return tag == r.contentTag(plain), err
	})
}

// GetPrivate reads what PutPrivate stored. It needs the private key. A zero digest stands for any.
func (r *Repository) GetPrivate(ctx context.Context, k blob.Key, digest Digest, into any) error {
	if err := r.needPrivate("read " + string(k)); err != nil {
		return err
	}
	object, err := r.getObject(ctx, k, digest)
	if err != nil {
		return err
	}
	plain, err := r.openPrivate(kindPrivate, k, object)
	if err != nil {
		return err
	}
	return decodeObject(k, plain, into)
}

func (r *Repository) putObject(ctx context.Context, k blob.Key, v any, seal func([]byte) ([]byte, error), same func(object, plain []byte) (bool, error)) (Digest, error) {
	if err := validateStepKey(k); err != nil {
		return Digest{}, err
	}
	plain, err := encodeJSON(v)
	if err != nil {
		return Digest{}, err
	}
	if len(plain) > maxSealed {
		return Digest{}, tooLarge(string(k)+": bytes", len(plain))
	}
	object, err := seal(plain)
	if err != nil {
		return Digest{}, err
	}
	err = r.putOnce(ctx, k, object)
	if err == nil {
		return blake3.Sum256(object), nil
	}
	if !errors.Is(err, blob.ErrExists) {
		return Digest{}, fmt.Errorf("store %s: %w", k, err)
	}
	there, err := r.getObject(ctx, k, Digest{})
	if err != nil {
		return Digest{}, err
	}
	equal, err := same(there, plain)
	if err != nil {
		return Digest{}, err
	}
	if !equal {
		return blake3.Sum256(there), fault.New(fault.Conflict, "artifact.exists", "object %s: %w", k, ErrExists)
	}
	return blake3.Sum256(there), nil
}

// validateStepKey keeps what is stored for steps away from everything else.
func validateStepKey(k blob.Key) error {
	parts := strings.Split(string(k), "/")
	if len(parts) != 3 || parts[0] != "t" {
		return fault.New(fault.Permanent, "name.invalid", "key %.100q: must be made by PlanKey or TaskKey", string(k))
	}
	step, task, hasTask := strings.Cut(parts[2], ".")
	if !hasTask {
		task = step
	}
	return errors.Join(validateName("run", parts[1]), validateName("step", step), validateName("task", task))
}

func (r *Repository) getObject(ctx context.Context, k blob.Key, digest Digest) ([]byte, error) {
	object, err := r.bucket.Get(ctx, k, blob.MaxObject)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", k, err)
	}
	if digest != (Digest{}) && blake3.Sum256(object) != digest {
		return nil, corrupt(k, "its digest is not %s", digest)
	}
	return object, nil
}

func (r *Repository) openStep(k blob.Key, object []byte) ([]byte, error) {
	packed, err := r.domain.open(&r.keys.index, kindStep, k, object)
	if err != nil {
		return nil, err
	}
	return expandCompact(k, packed)
}

func decodeObject(k blob.Key, plain []byte, into any) error {
	if err := json.Unmarshal(plain, into); err != nil {
		return corrupt(k, "%w", err)
	}
	return nil
}

// sealPrivate seals to the public key, and around that with the index key: so it is known that a holder of the writer key
// made it, which HPKE alone does not tell. The tag lets writers see that a content is the same, without reading it.
func (r *Repository) sealPrivate(k kind, at blob.Key, plain []byte) ([]byte, error) {
	inner, err := r.domain.sealTo(r.public, k, at, compact(plain))
	if err != nil {
		return nil, err
	}
	tag := r.contentTag(plain)
	return r.domain.seal(nil, &r.keys.index, k, at, append(tag[:], inner...)), nil
}

func (r *Repository) contentTag(plain []byte) Digest {
	return keyedHash(&r.keys.id, []byte("tranship 1 content"), plain)
}

func (r *Repository) splitPrivate(k kind, at blob.Key, object []byte) (tag Digest, inner []byte, err error) {
	b, err := r.domain.open(&r.keys.index, k, at, object)
	if err != nil {
		return tag, nil, err
	}
	if len(b) < len(tag) {
		return tag, nil, corrupt(at, "it is too short")
	}
	return Digest(b), b[len(tag):], nil
}

func (r *Repository) openPrivate(k kind, at blob.Key, object []byte) ([]byte, error) {
	if err := r.needPrivate("open " + string(at)); err != nil {
		return nil, err
	}
	tag, inner, err := r.splitPrivate(k, at, object)
	if err != nil {
		return nil, err
	}
	packed, err := r.domain.openWith(r.private, k, at, inner)
	if err != nil {
		return nil, err
	}
	plain, err := expandCompact(at, packed)
	if err != nil {
		return nil, err
	}
	if r.contentTag(plain) != tag {
		return nil, corrupt(at, "its content is not the one that its writer sealed")
	}
	return plain, nil
}
