package artifact_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/blob/mem"
	"github.com/tranship/tranship/internal/clock"
)

// smallRepository is a masked location with an object of every kind: two captures, of two streams each, by two sessions.
type smallRepository struct {
	*location
	ids       []artifact.MaskedID
	artifacts map[string][]artifact.Artifact // by capture
	sessions  []string
	objects   map[blob.Key][]byte
	other     *location // a destination for copies
}

func newSmallRepository(t testing.TB) *smallRepository {
	t.Helper()
	l := newLocation(t, artifact.Masked)
	r := l.open(t, l.writer)
	s := &smallRepository{location: l, artifacts: map[string][]artifact.Artifact{}, objects: map[blob.Key][]byte{}, other: newLocation(t, artifact.Masked)}
	unused := map[string]bool{} // keys of sessions that stored nothing, which nobody needs
	for i, name := range []string{"capture-1", "capture-2"} {
		id := maskedID(t, name)
		session := begin(t, r, artifact.SessionConfig{Run: "run-1", Task: "1", Fence: 1, Capture: id})
		a := write(t, session, "s-1", artifact.Stream, random(uint64(2*i), 100))
		b := write(t, session, "s-2", artifact.Lines, random(uint64(2*i+1), 100))
		if err := session.Close(); err != nil {
			t.Fatal(err)
		}
		m := l.commit(t, r, id, "run-1", artifact.Labelled{Label: "a", Artifact: a}, artifact.Labelled{Label: "b", Artifact: b})
		st, err := m.Payload.Statement()
		if err != nil {
			t.Fatal(err)
		}
		idle := begin(t, r, artifact.SessionConfig{Run: "run-1", Task: "2", Fence: 1, Capture: id}) // leaves a lease
		unused["s/"+idle.ID()] = true
		err = errors.Join(
			r.Draft(t.Context(), id, st, artifact.Sign(st, l.signers[artifact.Masker])),
			r.MarkVerified(t.Context(), id, artifact.Report{Capture: name, Manifest: m.Digest, Root: m.Payload.Root, Run: "run-1"}, l.signers[artifact.Restorer]),
			r.Hold(t.Context(), id, "run-1", "reader"),
		)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.PutSealed(t.Context(), artifact.PlanKey("run-1", name), map[string]string{"plan": name}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.PutPrivate(t.Context(), artifact.TaskKey("run-1", name, "1"), map[string]string{"details": name}); err != nil {
			t.Fatal(err)
		}
		s.ids = append(s.ids, id)
		s.artifacts[name] = []artifact.Artifact{a, b}
		s.sessions = append(s.sessions, session.ID())
	}
	for info, err := range l.store.List(t.Context(), "app/") {
		if err != nil {
			t.Fatal(err)
		}
		k := blob.Key(strings.TrimPrefix(string(info.Key), "app/"))
		if unused[path.Dir(string(k))] {
			continue
		}
		if s.objects[k], err = blob.NewBucket(l.store, "app").Get(t.Context(), k, blob.MaxObject); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// with returns the location over a copy of the store in which one object is another one, or is missing when data is nil.
func (s *smallRepository) with(t testing.TB, k blob.Key, data []byte) *location {
	t.Helper()
	store := mem.New(clock.Real{})
	b := blob.NewBucket(store, "app")
	for key, object := range s.objects {
		if key == k {
			object = data
		}
		if object == nil {
			continue
		}
		if err := b.Put(t.Context(), key, object, blob.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	l := *s.location
	l.store = store
	return &l
}

// use does whatever involves the object k, and returns the error that its users meet.
func (s *smallRepository) use(t testing.TB, l *location, k blob.Key) error {
	ctx := t.Context()
	open := func(keys artifact.Keys) (*artifact.Repository, error) {
		return artifact.Open(ctx, blob.NewBucket(l.store, "app"), l.config(), keys)
	}
	r, err := open(l.reader)
	if err != nil {
		return err
	}
	number := 0
	if strings.Contains(string(k), "capture-2") {
		number = 1
	}
	id, session := s.ids[number], s.sessions[number]
	dir, name := path.Split(string(k))
	switch {
	case name == "format.json", dir == "k/":
		return nil // Open met it
	case strings.HasPrefix(dir, "t/"):
		var v map[string]string
		if strings.Contains(name, ".") {
			return r.GetPrivate(ctx, k, artifact.Digest{}, &v)
		}
		return r.GetSealed(ctx, k, artifact.Digest{}, &v)
	case strings.HasPrefix(dir, "l/"):
		return r.Release(ctx, id, "run-1")
	case strings.Contains(dir, "/verified/"):
		_, err := r.VerifiedBy(ctx, id, name, l.trusted)
		return err
	case name == "draft":
		_, _, err := r.ReadDraft(ctx, id, l.trusted)
		return err
	case name == "manifest.json":
		m, err := r.Manifest(ctx, id, l.trusted)
		if err != nil {
			return err
		}
		_, err = m.Open()
		return err
	case strings.Contains(dir, "/k/"):
		_, err := r.Checkpoints(ctx, session)
		return err
	case name == "i.all":
		return s.beginOn(ctx, l, id)
	case strings.Contains(dir, "/i/"):
		// The segments speak for a session that has no summary.
		return errors.Join(l.remove(ctx, "s/"+session+"/i.all"), s.beginOn(ctx, l, id))
	case strings.Contains(dir, "/d/"):
		dst := begin(t, s.other.open(t, s.other.writer), artifact.SessionConfig{Run: "run-9", Task: "1", Capture: maskedID(t, "copy")})
		defer dst.Close()
		for _, a := range s.artifacts[id.String()] {
			if _, _, err := artifact.CopyMasked(ctx, r, id, a, dst); err != nil {
				return err
			}
		}
		return nil
	}
	// Packs, session keys and recipes.
	for _, a := range s.artifacts[id.String()] {
		if err := readAll(ctx, r, id, a); err != nil {
			return err
		}
	}
	if strings.HasPrefix(dir, "p/") {
		// The footer speaks for a pack that has no index segment.
		return errors.Join(l.remove(ctx, "s/"+session+"/i.all"), l.remove(ctx, "s/"+session+"/i/"+name), s.beginOn(ctx, l, id))
	}
	return nil
}

func (l *location) remove(ctx context.Context, k string) error {
	return blob.NewBucket(l.store, "app").Delete(ctx, blob.Key(k))
}

func (s *smallRepository) beginOn(ctx context.Context, l *location, parent artifact.ID) error {
	r, err := artifact.Open(ctx, blob.NewBucket(l.store, "app"), l.config(), l.writer)
	if err != nil {
		return err
	}
	id, err := artifact.ParseMaskedID("capture-9")
	if err != nil {
		return err
	}
	session, err := r.Begin(ctx, artifact.SessionConfig{Run: "run-9", Task: "1", Capture: id, Parents: []artifact.ID{parent}})
	if err != nil {
		return err
	}
	return session.Close()
}

func readAll(ctx context.Context, r *artifact.Repository, id artifact.ID, a artifact.Artifact) error {
	s, err := r.OpenStream(ctx, id, a)
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = io.Copy(io.Discard, s)
	return err
}

func TestEveryFlippedByteIsDetected(t *testing.T) {
	s := newSmallRepository(t)
	kinds := map[string]bool{}
	for k, object := range s.objects {
		if strings.Contains(string(k), "capture-2") {
			continue // capture-1 has an object of each kind
		}
		kinds[kindOf(k)] = true
		t.Run(strings.ReplaceAll(string(k), "/", " "), func(t *testing.T) {
			t.Parallel()
			if err := s.use(t, s.with(t, k, object), k); err != nil {
				t.Fatalf("the object as it was written: %v", err)
			}
			l := s.with(t, k, object)
			b := blob.NewBucket(l.store, "app")
			for i := range object {
				flipped := bytes.Clone(object)
				flipped[i] ^= 1 << (i % 8)
				if err := b.Put(t.Context(), k, flipped, blob.PutOptions{}); err != nil {
					t.Fatal(err)
				}
				if err := s.use(t, l, k); err == nil {
					t.Errorf("byte %d of %d: nobody noticed", i, len(object))
				}
			}
			for _, n := range []int{0, 1, len(object) / 2, len(object) - 1} {
				if err := b.Put(t.Context(), k, object[:n], blob.PutOptions{}); err != nil {
					t.Fatal(err)
				}
				if err := s.use(t, l, k); err == nil {
					t.Errorf("cut off after %d of %d bytes: nobody noticed", n, len(object))
				}
			}
		})
	}
	if len(kinds) != 16 {
		t.Errorf("the repository has objects of %d kinds, want all 16: %v", len(kinds), kinds)
	}
}

// kindOf reduces a key to what sort of object it names.
func kindOf(k blob.Key) string {
	parts := strings.Split(string(k), "/")
	switch parts[0] {
	case "s":
		return "s " + parts[2]
	case "t":
		return "t " + map[bool]string{true: "private", false: "sealed"}[strings.Contains(parts[2], ".")]
	case "l":
		return "l " + map[bool]string{true: "read", false: "write"}[strings.HasPrefix(parts[2], "read-")]
	case "c":
		return "c " + map[bool]string{true: "recipe", false: parts[2]}[strings.HasPrefix(parts[2], "s-")]
	}
	return parts[0]
}

func TestAnObjectInThePlaceOfAnotherIsDetected(t *testing.T) {
	s := newSmallRepository(t)
	tried := 0
	for k := range s.objects {
		for other, data := range s.objects {
			if k == other || kindOf(k) != kindOf(other) {
				continue
			}
			tried++
			if err := s.use(t, s.with(t, k, data), k); err == nil {
				t.Errorf("%s in the place of %s: nobody noticed", other, k)
			}
		}
	}
	if tried < 20 {
		t.Errorf("only %d exchanges were tried", tried)
	}
}

func TestAMissingObjectIsAnErrorAndNotAnEmptyStream(t *testing.T) {
	s := newSmallRepository(t)
	for k := range s.objects {
		switch kindOf(k) {
		case "s i.all", "s i", "s k", "l read", "l write":
			continue // segments replace a summary, and footers segments; the others say that there is nothing
		}
		if err := s.use(t, s.with(t, k, nil), k); err == nil {
			t.Errorf("%s is missing: nobody noticed", k)
		}
	}
}
