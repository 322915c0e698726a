package artifact_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/keyfile"
)

func TestSecretKeysDoNotShowThemselves(t *testing.T) {
	private := must(t, artifact.GenerateLocationKey)
	signer := must(t, func() (*artifact.Signer, error) { return artifact.GenerateSigner(artifact.Masker) })
	writer := artifact.GenerateWriterKey()
	for name, key := range map[string]struct {
		v   any
		raw []byte
	}{
		"private": {private, must(t, private.Bytes)},
		"writer":  {writer, writer.Bytes()},
		"signer":  {signer, signer.Bytes()},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			text := fmt.Sprintf(verb, key.v) + fmt.Sprintf(verb, struct{ K any }{key.v}) + fmt.Sprintf(verb, artifact.Keys{Private: private, Writer: writer})
			if strings.Contains(text, hex.EncodeToString(key.raw[2:8])) || strings.Contains(text, string(key.raw)) || strings.Contains(text, fmt.Sprint(key.raw)[1:20]) {
				t.Errorf("%s: verb %s shows the key", name, verb)
			}
		}
		if _, err := json.Marshal(key.v); err == nil {
			t.Errorf("%s: JSON takes the key", name)
		}
	}
}

func TestFingerprintsAreThoseOfTheKeyFiles(t *testing.T) {
	pair := must(t, keyfile.GenerateLocation)
	public, err := artifact.NewPublicKey(append([]byte{0x00, 0x20}, pair.Public().Key().Bytes()...))
	if err != nil || public.Fingerprint() != pair.ID() {
		t.Errorf("location key: %s, %v; the key file says %s", public.Fingerprint(), err, pair.ID())
	}
	w := keyfile.GenerateWriter()
	writer, err := artifact.NewWriterKey(w.Bytes())
	if err != nil || writer.Fingerprint() != w.ID() {
		t.Errorf("writer key: %s, %v; the key file says %s", writer.Fingerprint(), err, w.ID())
	}
	s := keyfile.GenerateSigning()
	verify, err := artifact.NewVerifyKey(s.Public().Key())
	if err != nil || verify.Fingerprint() != s.ID() {
		t.Errorf("signing key: %s, %v; the key file says %s", verify.Fingerprint(), err, s.ID())
	}
}

func TestKeysSurviveTheirBytes(t *testing.T) {
	for name, generate := range map[string]func() (*artifact.PrivateKey, error){"x25519": artifact.GenerateLocationKey, "hybrid": artifact.GenerateHybridLocationKey} {
		key := must(t, generate)
		again, err := artifact.NewPrivateKey(must(t, key.Bytes))
		if err != nil || again.Public().Fingerprint() != key.Public().Fingerprint() {
			t.Errorf("%s: the private key came back as %v, %v", name, again, err)
		}
		text, err := key.Public().MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var public artifact.PublicKey
		if err := public.UnmarshalText(text); err != nil || !bytes.Equal(public.Bytes(), key.Public().Bytes()) {
			t.Errorf("%s: the public key came back as %v, %v", name, public, err)
		}
	}
	for _, raw := range [][]byte{nil, {0}, {0, 0x20}, {9, 9, 1, 2}, bytes.Repeat([]byte{1}, 33)} {
		if _, err := artifact.NewPublicKey(raw); !fault.Is(err, fault.Permanent) {
			t.Errorf("public key %x: %v, want a permanent error", raw, err)
		}
		if _, err := artifact.NewPrivateKey(raw); !fault.Is(err, fault.Permanent) {
			t.Errorf("private key %x: %v, want a permanent error", raw, err)
		}
	}
}

func TestAHybridLocationWorksLikeAnother(t *testing.T) {
	l := newLocationWith(t, artifact.Raw, newLocation(t, artifact.Masked).store, must(t, artifact.GenerateHybridLocationKey), artifact.GenerateWriterKey(), "hybrid")
	id := l.id(t, "capture-1")
	a := write(t, begin(t, l.open(t, l.writer), artifact.SessionConfig{Run: "run-1", Task: "1", Capture: id}), "s-1", artifact.Stream, []byte("some bytes"))
	if got := read(t, l.open(t, l.reader), id, a); string(got) != "some bytes" {
		t.Errorf("read %q", got)
	}
}

// TestAWriterCannotReadWhatItWrote tries every way to contents with the keys of a capturer, in the process that wrote.
func TestAWriterCannotReadWhatItWrote(t *testing.T) {
	for _, trust := range []artifact.Trust{artifact.Raw, artifact.Masked} {
		l := newLocation(t, trust)
		r := l.open(t, l.writer)
		id := l.id(t, "capture-1")
		s := begin(t, r, artifact.SessionConfig{Run: "run-1", Task: "1", Capture: id})
		a := write(t, s, "s-1", artifact.Stream, random(31, 100_000))
		m := l.commit(t, r, id, "run-1", artifact.Labelled{Label: "db", Artifact: a})
		other := newLocation(t, trust)
		dst := begin(t, other.open(t, other.writer), artifact.SessionConfig{Run: "run-2", Task: "1", Capture: id})

		for name, try := range map[string]func() error{
			"stream":   func() error { _, err := r.OpenStream(t.Context(), id, a); return err },
			"chunks":   func() error { _, err := r.OpenChunks(t.Context(), id, a, 0); return err },
			"manifest": func() error { _, err := m.Open(); return err },
			"payload":  func() error { _, err := r.OpenPayload(m.Payload); return err },
			"private":  func() error { return r.GetPrivate(t.Context(), artifact.PlanKey("run-1", "x"), artifact.Digest{}, nil) },
			"copy": func() error {
				if trust == artifact.Raw {
					_, _, err := artifact.CopyRaw(t.Context(), r, id.(artifact.RawID), a, dst)
					return err
				}
				_, _, err := artifact.CopyMasked(t.Context(), r, id.(artifact.MaskedID), a, dst)
				return err
			},
		} {
			err := try()
			if !errors.Is(err, artifact.ErrKey) || !fault.Is(err, fault.Denied) || fault.CodeOf(err) != "key.missing" {
				t.Errorf("%s %s: %v (%s), want a denied ErrKey", trust, name, err, fault.CodeOf(err))
			} else if !strings.Contains(err.Error(), l.all.Private.Public().Fingerprint()) {
				t.Errorf("%s %s: %q does not say which key is needed", trust, name, err)
			}
		}
		if r.CanRead() || !r.CanWrite() {
			t.Errorf("CanRead is %v and CanWrite is %v", r.CanRead(), r.CanWrite())
		}
	}
}

func TestARepositoryRefusesWhatDoesNotFitIt(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	stranger := newLocation(t, artifact.Raw)
	bucket := blob.NewBucket(l.store, "app")
	for name, c := range map[string]struct {
		config artifact.Config
		keys   artifact.Keys
		want   error
		code   string
	}{
		"raw as masked":       {artifact.Config{Application: application, Trust: artifact.Masked}, l.writer, artifact.ErrTrust, "trust.mismatch"},
		"another application": {artifact.Config{Application: "default/other", Trust: artifact.Raw}, l.writer, nil, "repository.application"},
		"another key pair":    {l.config(), stranger.reader, artifact.ErrKey, "key.mismatch"},
		"another public key":  {l.config(), artifact.Keys{Public: stranger.writer.Public, Writer: l.writer.Writer}, artifact.ErrKey, "key.mismatch"},
		"another writer key":  {l.config(), artifact.Keys{Public: l.writer.Public, Writer: stranger.writer.Writer}, artifact.ErrKey, "key.mismatch"},
		"two halves":          {l.config(), artifact.Keys{Public: l.writer.Public, Private: stranger.all.Private}, artifact.ErrKey, "key.mismatch"},
	} {
		for verb, open := range map[string]func() (*artifact.Repository, error){
			"open":   func() (*artifact.Repository, error) { return artifact.Open(t.Context(), bucket, c.config, c.keys) },
			"create": func() (*artifact.Repository, error) { return artifact.Create(t.Context(), bucket, c.config, c.keys) },
		} {
			_, err := open()
			if !fault.Is(err, fault.Denied) || fault.CodeOf(err) != c.code || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%s, %s: %v (%s), want %s", verb, name, err, fault.CodeOf(err), c.code)
			}
		}
	}
	for range 2 {
		l.create(t, l.writer)
		l.create(t, l.all)
	}
	if _, err := artifact.Create(t.Context(), blob.NewBucket(l.store, "new"), l.config(), l.reader); !errors.Is(err, artifact.ErrKey) {
		t.Errorf("creating without the writer key gave %v, want ErrKey", err)
	}
}

func TestANewerFormatIsRefusedAsSuch(t *testing.T) {
	l := newLocation(t, artifact.Raw)
	b := blob.NewBucket(l.store, "app")
	object, err := b.Get(t.Context(), "format.json", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for name, newer := range map[string]string{
		"version":  strings.Replace(string(object), `"version":1`, `"version":2,"unheardOf":true`, 1),
		"features": strings.Replace(string(object), `"requires":[]`, `"requires":["striping"]`, 1),
	} {
		if newer == string(object) {
			t.Fatalf("%s: nothing was replaced in %s", name, object)
		}
		if err := b.Put(t.Context(), "format.json", []byte(newer), blob.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := artifact.Open(t.Context(), b, l.config(), l.writer); fault.CodeOf(err) != "format.version" || fault.HintOf(err) == "" {
			t.Errorf("%s: %v (%s), want format.version with a hint", name, err, fault.CodeOf(err))
		}
	}
}

func TestNamesThatDoNotFitAKeyAreRefused(t *testing.T) {
	for _, name := range []string{"", "A", "a/b", "..", "a.b", "a b", "ä", strings.Repeat("a", 101)} {
		if _, err := artifact.ParseRawID(name); !fault.Is(err, fault.Permanent) {
			t.Errorf("capture id %q: %v, want a permanent error", name, err)
		}
	}
	l := newLocation(t, artifact.Raw)
	s := begin(t, l.open(t, l.writer), artifact.SessionConfig{Run: "run-1", Task: "1", Capture: l.id(t, "capture-1")})
	for _, name := range []string{"draft", "retired", "verified", "manifest.json", "a/b", ""} {
		if _, err := s.Stream(t.Context(), artifact.StreamConfig{Name: name, Chunking: artifact.Stream}); !fault.Is(err, fault.Permanent) {
			t.Errorf("stream %q: %v, want a permanent error", name, err)
		}
	}
}
