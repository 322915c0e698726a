package artifact_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/blob/mem"
	"github.com/tranship/tranship/internal/clock"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/v1 anew")

// vectors describe the repository below testdata/v1: its keys, and what a reader must find. All keys are in it, so it
// protects nothing.
type vectors struct {
	Application string            `json:"application"`
	Trust       artifact.Trust    `json:"trust"`
	PrivateKey  string            `json:"privateKey"` // base64, as all keys
	WriterKey   string            `json:"writerKey"`
	Capturer    string            `json:"capturer"` // public
	Capture     string            `json:"capture"`
	Streams     map[string]string `json:"streams"` // SHA-256 of the content in hex, by label
	Root        artifact.Digest   `json:"root"`
	Keyset      string            `json:"keyset"`
}

const vectorDir = "testdata/v1"

// vectorContents are rows, a block of zeros with an end, noise, and nothing at all.
func vectorContents() map[string][]byte {
	return map[string][]byte{
		"db/rows":  bytes.Repeat([]byte("1\tAda\tada@example.org\n"), 40),
		"disk":     append(make([]byte, 1<<20), "end"...),
		"files/01": random(99, 700),
		"empty":    {},
	}
}

func writeVectors(t *testing.T) {
	private := must(t, artifact.GenerateLocationKey)
	w := artifact.GenerateWriterKey()
	l := newLocationWith(t, artifact.Raw, mem.New(clock.Fixed{}), private, w)
	id := l.id(t, "capture-1")
	r := l.open(t, l.writer)
	s := begin(t, r, artifact.SessionConfig{Run: "run-1", Task: "1", Fence: 42, Capture: id, Codec: artifact.Zstd})
	v := vectors{
		Application: application, Trust: artifact.Raw, Capture: id.String(), Keyset: r.Keyset(), Streams: map[string]string{},
		PrivateKey: base64.StdEncoding.EncodeToString(must(t, private.Bytes)),
		WriterKey:  base64.StdEncoding.EncodeToString(w.Bytes()),
		Capturer:   base64.StdEncoding.EncodeToString(l.signers[artifact.Capturer].Public().Bytes()),
	}
	names := map[string]string{"db/rows": "s-1", "disk": "s-2", "files/01": "s-3", "empty": "s-4"}
	chunkings := map[string]artifact.Chunking{"db/rows": artifact.Lines, "disk": artifact.Blocks, "files/01": artifact.Stream, "empty": artifact.Stream}
	var streams []artifact.Labelled
	for label, data := range vectorContents() {
		v.Streams[label] = sha256Hex(data)
		streams = append(streams, artifact.Labelled{Label: label, Artifact: write(t, s, names[label], chunkings[label], data)})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	v.Root = l.commit(t, r, id, "run-1", streams...).Payload.Root
	if err := os.RemoveAll(vectorDir); err != nil {
		t.Fatal(err)
	}
	b := blob.NewBucket(l.store, "app")
	for info, err := range b.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		data, err := b.Get(t.Context(), info.Key, blob.MaxObject)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(vectorDir, "repository", string(info.Key)), data)
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(vectorDir, "vectors.json"), append(text, '\n'))
}

func sha256Hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func writeFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func readVectors(t testing.TB) (vectors, blob.Store) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectorDir, "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	store := mem.New(clock.Real{})
	root := os.DirFS(filepath.Join(vectorDir, "repository"))
	b := blob.NewBucket(store, "")
	for _, name := range files(t, root) {
		data, err := os.ReadFile(filepath.Join(vectorDir, "repository", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Put(t.Context(), blob.Key(name), data, blob.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return v, store
}

func decode64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestTheRepositoryOfVersion1IsStillReadable reads what an earlier program wrote.
func TestTheRepositoryOfVersion1IsStillReadable(t *testing.T) {
	if *rewrite {
		writeVectors(t)
	}
	v, store := readVectors(t)
	private, err := artifact.NewPrivateKey(decode64(t, v.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	capturer, err := artifact.NewVerifyKey(decode64(t, v.Capturer))
	if err != nil {
		t.Fatal(err)
	}
	r, err := artifact.Open(t.Context(), blob.NewBucket(store, ""), artifact.Config{Application: v.Application, Trust: v.Trust}, artifact.Keys{Private: private})
	if err != nil {
		t.Fatal(err)
	}
	id, err := artifact.ParseID(v.Trust, v.Capture)
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.Manifest(t.Context(), id, artifact.Trusted{artifact.Capturer: {capturer}})
	if err != nil {
		t.Fatal(err)
	}
	if m.Payload.Root != v.Root || r.Keyset() != v.Keyset {
		t.Errorf("root %s of keyset %s, want %s of %s", m.Payload.Root, r.Keyset(), v.Root, v.Keyset)
	}
	body, err := m.Open()
	if err != nil {
		t.Fatal(err)
	}
	if len(body.Streams) != len(v.Streams) {
		t.Errorf("%d streams, want %d", len(body.Streams), len(v.Streams))
	}
	for _, s := range body.Streams {
		if got := read(t, r, id, s.Artifact); sha256Hex(got) != v.Streams[s.Label] {
			t.Errorf("%s reads back differently", s.Label)
		}
	}
	// A writer of today cuts and names chunks as that one did, or nothing would be deduplicated.
	writer, err := artifact.NewWriterKey(decode64(t, v.WriterKey))
	if err != nil {
		t.Fatal(err)
	}
	w, err := artifact.Open(t.Context(), blob.NewBucket(store, ""), artifact.Config{Application: v.Application, Trust: v.Trust}, artifact.Keys{Public: private.Public(), Writer: writer})
	if err != nil {
		t.Fatal(err)
	}
	next, err := artifact.ParseID(v.Trust, "capture-2")
	if err != nil {
		t.Fatal(err)
	}
	s := begin(t, w, artifact.SessionConfig{Run: "run-2", Task: "1", Capture: next, Parents: []artifact.ID{id}})
	for _, stream := range body.Streams {
		a := write(t, s, stream.Artifact.Stream, stream.Artifact.Chunking, vectorContents()[stream.Label])
		if a.Plain != stream.Artifact.Plain {
			t.Errorf("%s: plain digest %s, want %s", stream.Label, a.Plain, stream.Artifact.Plain)
		}
	}
	if sent := s.Stats().Stored; sent != 0 {
		t.Errorf("%d bytes were sent again", sent)
	}
}
