package artifact_test

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"math/rand/v2"
	"testing"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/blob/mem"
	"github.com/tranship/tranship/internal/clock"
)

// location is a store with the keys of everybody who works on it.
type location struct {
	trust   artifact.Trust
	store   blob.Store
	all     artifact.Keys // private and writer
	writer  artifact.Keys // public and writer: what a capturer holds
	reader  artifact.Keys // private only: what a restorer holds
	signers map[artifact.Role]*artifact.Signer
	trusted artifact.Trusted
}

const application = "default/shop"

func newLocation(t testing.TB, trust artifact.Trust) *location {
	t.Helper()
	return newLocationIn(t, trust, mem.New(clock.Real{}))
}

func newLocationIn(t testing.TB, trust artifact.Trust, store blob.Store) *location {
	t.Helper()
	return newLocationWith(t, trust, store, must(t, artifact.GenerateLocationKey), artifact.GenerateWriterKey())
}

func newLocationWith(t testing.TB, trust artifact.Trust, store blob.Store, private *artifact.PrivateKey, w *artifact.WriterKey, prefix ...string) *location {
	t.Helper()
	if len(prefix) > 0 {
		store = blob.Prefixed(store, prefix[0])
	}
	l := &location{
		trust: trust, store: store,
		all:     artifact.Keys{Private: private, Writer: w},
		writer:  artifact.Keys{Public: private.Public(), Writer: w},
		reader:  artifact.Keys{Private: private},
		signers: map[artifact.Role]*artifact.Signer{}, trusted: artifact.Trusted{},
	}
	for _, role := range []artifact.Role{artifact.Capturer, artifact.Masker, artifact.Verifier, artifact.Transferer, artifact.Restorer} {
		s, err := artifact.GenerateSigner(role)
		if err != nil {
			t.Fatal(err)
		}
		l.signers[role] = s
		l.trusted[role] = []artifact.VerifyKey{s.Public()}
	}
	l.create(t, l.writer)
	return l
}

func (l *location) config() artifact.Config {
	return artifact.Config{Application: application, Trust: l.trust}
}

func (l *location) create(t testing.TB, k artifact.Keys) *artifact.Repository {
	t.Helper()
	r, err := artifact.Create(t.Context(), blob.NewBucket(l.store, "app"), l.config(), k)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (l *location) open(t testing.TB, k artifact.Keys) *artifact.Repository {
	t.Helper()
	r, err := artifact.Open(t.Context(), blob.NewBucket(l.store, "app"), l.config(), k)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// over opens the repository as a capturer does, through another store.
func (l *location) over(t testing.TB, store blob.Store) *artifact.Repository {
	t.Helper()
	r, err := artifact.Open(t.Context(), blob.NewBucket(store, "app"), l.config(), l.writer)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func must[T any](t testing.TB, f func() (T, error)) T {
	t.Helper()
	v, err := f()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func mustBody(t testing.TB, r *artifact.Repository, id artifact.ID, trusted artifact.Trusted) artifact.Body {
	t.Helper()
	m, err := r.Manifest(t.Context(), id, trusted)
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Open()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (l *location) id(t testing.TB, name string) artifact.ID {
	t.Helper()
	id, err := artifact.ParseID(l.trust, name)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// random returns n bytes that do not compress and are the same for the same seed.
func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 1})
	_, _ = r.Read(b)
	return b
}

func begin(t testing.TB, r *artifact.Repository, c artifact.SessionConfig) *artifact.Session {
	t.Helper()
	s, err := r.Begin(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func write(t testing.TB, s *artifact.Session, name string, c artifact.Chunking, data []byte) artifact.Artifact {
	t.Helper()
	w, err := s.Stream(t.Context(), artifact.StreamConfig{Name: name, Chunking: c})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	a, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func read(t testing.TB, r *artifact.Repository, id artifact.ID, a artifact.Artifact) []byte {
	t.Helper()
	s, err := r.OpenStream(t.Context(), id, a)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b, err := io.ReadAll(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (l *location) commit(t testing.TB, r *artifact.Repository, id artifact.ID, run string, streams ...artifact.Labelled) *artifact.Manifest {
	t.Helper()
	m, err := l.tryCommit(t.Context(), r, id, run, streams...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (l *location) tryCommit(ctx context.Context, r *artifact.Repository, id artifact.ID, run string, streams ...artifact.Labelled) (*artifact.Manifest, error) {
	p := artifact.Payload{Capture: id.String(), Run: run, Builder: "test"}
	if l.trust == artifact.Masked {
		p.Masking = &artifact.Masking{Epoch: 1, Engine: "1", Verdict: "passed"}
		p.Parents = []artifact.Parent{{Relation: artifact.MaskedFrom, Manifest: artifact.Digest{1}}}
	}
	if err := r.Fill(ctx, &p, artifact.Body{Streams: streams, Details: []byte(`{"tables":["customers"]}`)}); err != nil {
		return nil, err
	}
	st, err := p.Statement()
	if err != nil {
		return nil, err
	}
	if l.trust == artifact.Masked {
		return r.Commit(ctx, st, l.trusted, artifact.Sign(st, l.signers[artifact.Masker]), artifact.Sign(st, l.signers[artifact.Verifier]))
	}
	return r.Commit(ctx, st, l.trusted, artifact.Sign(st, l.signers[artifact.Capturer]))
}

func TestACommittedCaptureReadsBackWhatWasWritten(t *testing.T) {
	for _, trust := range []artifact.Trust{artifact.Raw, artifact.Masked} {
		t.Run(string(trust), func(t *testing.T) {
			l := newLocation(t, trust)
			id := l.id(t, "capture-1")
			capturer := l.open(t, l.writer)
			s := begin(t, capturer, artifact.SessionConfig{Run: "run-1", Task: "1", Fence: 7, Capture: id})
			contents := map[string][]byte{
				"s-1": random(1, 9<<20+17),
				"s-2": bytes.Repeat([]byte("a row of a table\n"), 200_000),
				"s-3": append(make([]byte, 5<<20), random(2, 1<<20+5)...),
				"s-4": {},
			}
			chunkings := map[string]artifact.Chunking{"s-1": artifact.Stream, "s-2": artifact.Lines, "s-3": artifact.Blocks, "s-4": artifact.Stream}
			var streams []artifact.Labelled
			for name, data := range contents {
				streams = append(streams, artifact.Labelled{Label: "label of " + name, Artifact: write(t, s, name, chunkings[name], data)})
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			l.commit(t, capturer, id, "run-1", streams...)

			restorer := l.open(t, l.reader)
			m, err := restorer.Manifest(t.Context(), id, l.trusted)
			if err != nil {
				t.Fatal(err)
			}
			body, err := m.Open()
			if err != nil {
				t.Fatal(err)
			}
			if len(body.Streams) != len(contents) {
				t.Fatalf("%d streams, want %d", len(body.Streams), len(contents))
			}
			for _, stream := range body.Streams {
				got := read(t, restorer, id, stream.Artifact)
				if want := contents[stream.Artifact.Stream]; !bytes.Equal(got, want) {
					t.Errorf("stream %s: %d bytes came back, want the %d that were written", stream.Artifact.Stream, len(got), len(want))
				}
			}
		})
	}
}

// files returns the paths of all files of a tree.
func files(t testing.TB, root fs.FS) (names []string) {
	t.Helper()
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
