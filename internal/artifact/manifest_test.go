package artifact_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

// statement fills a payload for a stream written by a session of its own.
func (l *location) statement(t testing.TB, id artifact.ID, run string, change func(*artifact.Payload)) artifact.Statement {
	t.Helper()
	r := l.open(t, l.writer)
	s := begin(t, r, artifact.SessionConfig{Run: run, Task: "1", Fence: 1, Capture: id})
	a := write(t, s, "s-1", artifact.Stream, random(5, 1000))
	p := artifact.Payload{Capture: id.String(), Run: run}
	if l.trust == artifact.Masked {
		p.Masking = &artifact.Masking{Epoch: 1, Engine: "1", Verdict: "passed"}
	}
	if change != nil {
		change(&p)
	}
	if err := r.Fill(t.Context(), &p, artifact.Body{Streams: []artifact.Labelled{{Label: "db", Artifact: a}}}); err != nil {
		t.Fatal(err)
	}
	st, err := p.Statement()
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestAMaskedManifestNeedsMaskerAndVerifier(t *testing.T) {
	l := newLocation(t, artifact.Masked)
	id := maskedID(t, "capture-1")
	r := l.open(t, l.writer)
	st := l.statement(t, id, "run-1", nil)
	by := func(role artifact.Role) artifact.Signature { return artifact.Sign(st, l.signers[role]) }
	stranger := must(t, func() (*artifact.Signer, error) { return artifact.GenerateSigner(artifact.Verifier) })
	for name, signatures := range map[string][]artifact.Signature{
		"none":                  {},
		"masker only":           {by(artifact.Masker)},
		"masker twice":          {by(artifact.Masker), by(artifact.Masker)},
		"verifier only":         {by(artifact.Verifier)},
		"capturer and verifier": {by(artifact.Capturer), by(artifact.Verifier)},
		"a stranger's verdict":  {by(artifact.Masker), artifact.Sign(st, stranger)},
	} {
		if _, err := r.Commit(t.Context(), st, l.trusted, signatures...); !errors.Is(err, artifact.ErrUntrusted) || !fault.Is(err, fault.Denied) {
			t.Errorf("%s: commit gave %v, want a denied ErrUntrusted", name, err)
		}
	}
	if _, err := r.Manifest(t.Context(), id, l.trusted); !errors.Is(err, artifact.ErrNotCommitted) {
		t.Errorf("after refused commits: %v, want ErrNotCommitted", err)
	}
	if _, err := r.Commit(t.Context(), st, l.trusted, by(artifact.Masker), by(artifact.Verifier)); err != nil {
		t.Fatal(err)
	}
	// A reader who does not trust that verifier refuses what another accepted.
	distrustful := artifact.Trusted{artifact.Masker: l.trusted[artifact.Masker], artifact.Verifier: {stranger.Public()}}
	if _, err := r.Manifest(t.Context(), id, distrustful); !errors.Is(err, artifact.ErrUntrusted) {
		t.Errorf("a reader with other signers: %v, want ErrUntrusted", err)
	}
	// One key in both roles is one signature.
	both := artifact.Trusted{artifact.Masker: l.trusted[artifact.Masker], artifact.Verifier: l.trusted[artifact.Masker]}
	if _, err := r.Manifest(t.Context(), id, both); !errors.Is(err, artifact.ErrUntrusted) {
		t.Errorf("one key for two roles: %v, want ErrUntrusted", err)
	}
}

func TestAMaskedManifestWithoutVerdictIsRefused(t *testing.T) {
	l := newLocation(t, artifact.Masked)
	st := l.statement(t, maskedID(t, "capture-1"), "run-1", func(p *artifact.Payload) { p.Masking.Verdict = "" })
	_, err := l.open(t, l.writer).Commit(t.Context(), st, l.trusted, artifact.Sign(st, l.signers[artifact.Masker]), artifact.Sign(st, l.signers[artifact.Verifier]))
	if !errors.Is(err, artifact.ErrUntrusted) {
		t.Errorf("commit gave %v, want ErrUntrusted", err)
	}
}

func TestTheVerifierAddsItsVerdictToADraft(t *testing.T) {
	l := newLocation(t, artifact.Masked)
	id := maskedID(t, "capture-1")
	r := l.open(t, l.all)
	draft := l.statement(t, id, "run-1", func(p *artifact.Payload) { p.Masking.Verdict = "" })
	for range 2 { // the second time by another claim
		if err := r.Draft(t.Context(), id, draft, artifact.Sign(draft, l.signers[artifact.Masker])); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Draft(t.Context(), id, l.statement(t, id, "run-1", nil)); !errors.Is(err, artifact.ErrExists) {
		t.Errorf("another draft gave %v, want ErrExists", err)
	}
	st, _, err := r.ReadDraft(t.Context(), id, l.trusted)
	if err != nil {
		t.Fatal(err)
	}
	p, err := st.Payload()
	if err != nil {
		t.Fatal(err)
	}
	if body, err := l.open(t, l.reader).OpenPayload(p); err != nil || len(body.Streams) != 1 {
		t.Fatalf("the verifier opened %+v, %v; want one stream", body, err)
	}
	p.Masking.Verdict = "passed"
	final, err := p.Statement()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Commit(t.Context(), final, l.trusted, artifact.Sign(final, l.signers[artifact.Masker]), artifact.Sign(final, l.signers[artifact.Verifier])); err != nil {
		t.Fatal(err)
	}
}

func TestACommitAdoptsItsOwnRunAndNoOther(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	id := l.id(t, "capture-1")
	r := l.open(t, l.writer)
	commit := func(run string) (*artifact.Manifest, error) {
		st := l.statement(t, id, run, nil)
		return r.Commit(t.Context(), st, l.trusted, artifact.Sign(st, l.signers[artifact.Capturer]))
	}
	first, err := commit("run-1")
	if err != nil {
		t.Fatal(err)
	}
	again, err := commit("run-1")
	if err != nil || again.Digest != first.Digest {
		t.Errorf("the same run got %v, %v; want its own manifest", again, err)
	}
	if _, err := commit("run-2"); !errors.Is(err, artifact.ErrExists) || !fault.Is(err, fault.Conflict) {
		t.Errorf("another run got %v, want a conflict", err)
	}
}

func TestAVoidCaptureCannotBeCommittedAndACommittedOneNotVoided(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	r := l.open(t, l.writer)
	id := l.id(t, "capture-1")
	st := l.statement(t, id, "run-1", nil)
	for range 2 {
		if void, err := r.Void(t.Context(), id, "run-1"); err != nil || !void {
			t.Fatalf("void gave %v, %v", void, err)
		}
	}
	_, err := r.Commit(t.Context(), st, l.trusted, artifact.Sign(st, l.signers[artifact.Capturer]))
	if !errors.Is(err, artifact.ErrVoid) || fault.CodeOf(err) != "lease.expired" || !fault.Is(err, fault.Conflict) {
		t.Errorf("commit gave %v (code %s), want ErrVoid with code lease.expired", err, fault.CodeOf(err))
	}
	if _, err := r.Manifest(t.Context(), id, l.trusted); !errors.Is(err, artifact.ErrVoid) {
		t.Errorf("reading gave %v, want ErrVoid", err)
	}
	if _, err := r.Begin(t.Context(), artifact.SessionConfig{Run: "run-1", Task: "1", Fence: 2, Capture: id}); !errors.Is(err, artifact.ErrVoid) {
		t.Errorf("a claim that came too late gave %v, want ErrVoid", err)
	}

	committed := l.id(t, "capture-2")
	st = l.statement(t, committed, "run-1", nil)
	m, err := r.Commit(t.Context(), st, l.trusted, artifact.Sign(st, l.signers[artifact.Capturer]))
	if err != nil {
		t.Fatal(err)
	}
	if void, err := r.Void(t.Context(), committed, "run-1"); err != nil || void {
		t.Errorf("void of a committed capture gave %v, %v; want false", void, err)
	}
	if again, err := r.Manifest(t.Context(), committed, l.trusted); err != nil || again.Digest != m.Digest {
		t.Errorf("the committed capture is gone: %v", err)
	}
}

func TestOnlyCommittedParentsThatAreNotRetiredAreBuiltUpon(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	r := l.open(t, l.writer)
	parent := l.id(t, "capture-1")
	next := artifact.SessionConfig{Run: "run-2", Task: "1", Capture: l.id(t, "capture-2"), Parents: []artifact.ID{parent}}
	st := l.statement(t, parent, "run-1", nil)
	if _, err := r.Begin(t.Context(), next); !errors.Is(err, artifact.ErrNotCommitted) {
		t.Errorf("an uncommitted parent gave %v, want ErrNotCommitted", err)
	}
	if _, err := r.Commit(t.Context(), st, l.trusted, artifact.Sign(st, l.signers[artifact.Capturer])); err != nil {
		t.Fatal(err)
	}
	begin(t, r, next)
	if err := blob.NewBucket(l.store, "app").Put(t.Context(), "c/capture-1/retired", []byte("{}"), blob.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Begin(t.Context(), next); !errors.Is(err, artifact.ErrRetired) {
		t.Errorf("a retired parent gave %v, want ErrRetired", err)
	}
	if err := r.Hold(t.Context(), parent, "run-3", "reader"); !errors.Is(err, artifact.ErrRetired) {
		t.Errorf("holding a retired capture gave %v, want ErrRetired", err)
	}
}

func TestTheRootDependsOnLabelsAndContentOnly(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	roots := map[string]artifact.Digest{}
	for name, contents := range map[string][]artifact.Labelled{
		"one":           {{Label: "a", Artifact: artifact.Artifact{Stream: "s-1"}}, {Label: "b", Artifact: artifact.Artifact{Stream: "s-2"}}},
		"other streams": {{Label: "b", Artifact: artifact.Artifact{Stream: "x"}}, {Label: "a", Artifact: artifact.Artifact{Stream: "y"}}},
		"other content": {{Label: "b", Artifact: artifact.Artifact{Stream: "s-1"}}, {Label: "a", Artifact: artifact.Artifact{Stream: "s-2"}}},
	} {
		id := l.id(t, "capture-"+strings.ReplaceAll(name, " ", "-"))
		r := l.open(t, l.writer)
		s := begin(t, r, artifact.SessionConfig{Run: "run-1", Task: "1", Capture: id})
		for i := range contents {
			seed := uint64(contents[i].Label[0])
			if name == "other content" {
				seed++
			}
			contents[i].Artifact = write(t, s, contents[i].Artifact.Stream, artifact.Stream, random(seed, 1000))
		}
		roots[name] = l.commit(t, r, id, "run-1", contents...).Payload.Root
	}
	if roots["one"] != roots["other streams"] || roots["one"] == roots["other content"] {
		t.Errorf("roots are %v", roots)
	}
	if artifact.Root(artifact.RootKey{1}, nil) == artifact.Root(artifact.RootKey{2}, nil) {
		t.Error("the root does not depend on its key")
	}
}

func TestATransferredCaptureNeedsTheTransfererAndTheFirstSigners(t *testing.T) {
	src, dst := newLocation(t, artifact.Masked), newLocation(t, artifact.Masked)
	id, copied := maskedID(t, "capture-1"), maskedID(t, "copy-1")
	st := src.statement(t, id, "run-1", nil)
	first, err := src.open(t, src.writer).Commit(t.Context(), st, src.trusted, artifact.Sign(st, src.signers[artifact.Masker]), artifact.Sign(st, src.signers[artifact.Verifier]))
	if err != nil {
		t.Fatal(err)
	}
	reader := src.open(t, src.reader)
	body := mustBody(t, reader, id, src.trusted)
	w := dst.open(t, dst.writer)
	s := begin(t, w, artifact.SessionConfig{Run: "run-2", Task: "1", Capture: copied})
	for i := range body.Streams {
		if body.Streams[i].Artifact, _, err = artifact.CopyMasked(t.Context(), reader, id, body.Streams[i].Artifact, s); err != nil {
			t.Fatal(err)
		}
	}
	transferred := func(change func(*artifact.Payload, *artifact.Body)) artifact.Statement {
		p := artifact.Payload{
			Capture: copied.String(), Run: "run-2", Masking: first.Payload.Masking, Origin: first.Object,
			Parents: []artifact.Parent{{Relation: artifact.TransferredFrom, Capture: id.String(), Manifest: first.Digest}},
		}
		b := body
		b.Streams = slices.Clone(body.Streams)
		change(&p, &b)
		if err := w.Fill(t.Context(), &p, b); err != nil {
			t.Fatal(err)
		}
		st, err := p.Statement()
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	trusted := artifact.Trusted{
		artifact.Transferer: dst.trusted[artifact.Transferer],
		artifact.Masker:     src.trusted[artifact.Masker], artifact.Verifier: src.trusted[artifact.Verifier],
	}
	good := transferred(func(*artifact.Payload, *artifact.Body) {})
	other := transferred(func(_ *artifact.Payload, b *artifact.Body) { b.Streams[0].Label = "another" })
	byTransferer := func(st artifact.Statement) artifact.Signature {
		return artifact.Sign(st, dst.signers[artifact.Transferer])
	}
	if _, err := w.Commit(t.Context(), good, trusted, artifact.Sign(good, src.signers[artifact.Masker]), artifact.Sign(good, src.signers[artifact.Verifier])); !errors.Is(err, artifact.ErrUntrusted) {
		t.Errorf("without the transferer: %v, want ErrUntrusted", err)
	}
	if _, err := w.Commit(t.Context(), good, dst.trusted, byTransferer(good)); !errors.Is(err, artifact.ErrUntrusted) {
		t.Errorf("with strangers as first signers: %v, want ErrUntrusted", err)
	}
	if _, err := w.Commit(t.Context(), other, trusted, byTransferer(other)); !errors.Is(err, artifact.ErrCorrupt) {
		t.Errorf("with another root than the first manifest: %v, want ErrCorrupt", err)
	}
	m, err := w.Commit(t.Context(), good, trusted, byTransferer(good))
	if err != nil {
		t.Fatal(err)
	}
	if m.Payload.Root != first.Payload.Root {
		t.Errorf("root %s, want the source's %s", m.Payload.Root, first.Payload.Root)
	}
}

func TestListNeedsNoKey(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	w := l.open(t, l.writer)
	for _, name := range []string{"capture-1", "capture-2", "capture-3"} {
		st := l.statement(t, l.id(t, name), "run-1", nil)
		if name == "capture-2" {
			if _, err := w.Void(t.Context(), l.id(t, name), "run-1"); err != nil {
				t.Fatal(err)
			}
			continue
		}
		m, err := w.Commit(t.Context(), st, l.trusted, artifact.Sign(st, l.signers[artifact.Capturer]))
		if err != nil {
			t.Fatal(err)
		}
		if name == "capture-3" {
			report := artifact.Report{Capture: name, Manifest: m.Digest, Root: m.Payload.Root, Run: "run-7"}
			if err := w.MarkVerified(t.Context(), l.id(t, name), report, l.signers[artifact.Restorer]); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.statement(t, l.id(t, "capture-4"), "run-1", nil) // never committed
	var got []string
	for s, err := range l.open(t, artifact.Keys{}).List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, s.Payload.Capture+" verified by "+strings.Join(s.Verified, ","))
		if s.Payload.Sealed != nil || s.Payload.Totals.Streams != 1 {
			t.Errorf("%s: %+v", s.Payload.Capture, s.Payload)
		}
	}
	if want := []string{"capture-1 verified by ", "capture-3 verified by run-7"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
}

func TestSealedObjectsAreAdoptedAndReadByTheirHolders(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	w, reader := l.open(t, l.writer), l.open(t, l.reader)
	type plan struct{ Units []string }
	for name, put := range map[string]func(context.Context, blob.Key, any) (artifact.Digest, error){"sealed": w.PutSealed, "private": w.PutPrivate} {
		k := artifact.TaskKey("run-1", "capture", name)
		first, err := put(t.Context(), k, plan{[]string{"a", "b"}})
		if err != nil {
			t.Fatal(err)
		}
		if again, err := put(t.Context(), k, plan{[]string{"a", "b"}}); err != nil || again != first {
			t.Errorf("%s: the same content gave %s, %v; want %s", name, again, err, first)
		}
		if other, err := put(t.Context(), k, plan{[]string{"c"}}); !errors.Is(err, artifact.ErrExists) || other != first {
			t.Errorf("%s: another content gave %s, %v; want %s and ErrExists", name, other, err, first)
		}
		get := reader.GetSealed
		if name == "private" {
			get = reader.GetPrivate
			var p plan
			if err := w.GetPrivate(t.Context(), k, first, &p); !errors.Is(err, artifact.ErrKey) {
				t.Errorf("a writer read what is for the private key: %v", err)
			}
		}
		var p plan
		if err := get(t.Context(), k, first, &p); err != nil || !slices.Equal(p.Units, []string{"a", "b"}) {
			t.Errorf("%s: read %v, %v", name, p, err)
		}
		if err := get(t.Context(), k, artifact.Digest{1}, &p); !errors.Is(err, artifact.ErrCorrupt) {
			t.Errorf("%s: a wrong digest gave %v, want ErrCorrupt", name, err)
		}
	}
}
