package artifact

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tranship/tranship/internal/fault"
)

// Labelled is a stream with the name of what it holds, such as "db/data-0007". The label is stable over captures of the
// same source, unlike the name of the stream.
type Labelled struct {
	Label    string   `json:"label"`
	Artifact Artifact `json:"artifact"`
}

// RootKey keys a root digest, so that who sees the root and not the key cannot confirm a guessed content. Captures made in
// one repository share the key; a transferred capture keeps the one that it came with, so its root stays what it was.
type RootKey [keySize]byte

// MarshalText writes the key as hex. It belongs into sealed objects only.
func (k RootKey) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(k[:])), nil }

// UnmarshalText reads what MarshalText wrote.
func (k *RootKey) UnmarshalText(b []byte) error {
	if n, err := hex.Decode(k[:], b); err != nil || n != len(k) || len(b) != 2*len(k) {
		return errors.New("a root key is 64 hex digits")
	}
	return nil
}

// Root returns the digest over the plain digests of streams. It depends on labels and contents only: not on names of
// streams, order, times or the capture's id. Labels must be distinct.
func Root(key RootKey, streams []Labelled) Digest {
	sorted := slices.Clone(streams)
	slices.SortFunc(sorted, func(a, b Labelled) int { return strings.Compare(a.Label, b.Label) })
	k := [keySize]byte(key)
	b := []byte("tranship 1 root")
	for i := range sorted {
		b = appendString(b, sorted[i].Label)
		b = append(b, sorted[i].Artifact.Plain[:]...)
	}
	return keyedHash(&k, b)
}

// Body is the sealed part of a manifest: what only those may know who can read the contents.
type Body struct {
	// RootKey of the capture; Fill sets the repository's own when it is zero.
	RootKey RootKey    `json:"rootKey"`
	Streams []Labelled `json:"streams"`
	// Details are the caller's own, as JSON.
	Details json.RawMessage `json:"details"`
}

// Fill completes a payload with the streams of a capture: it reads their recipes, which must be there and be the ones that
// the artifacts name, and sets keyset, trust, application, root, artifacts, sessions, totals and the sealed part. It needs
// the public and the writer key.
func (r *Repository) Fill(ctx context.Context, p *Payload, b Body) error {
	if err := r.needWriter("make a manifest"); err != nil {
		return err
	}
	if err := validateLabels(b.Streams); err != nil {
		return err
	}
	sessions, err := r.sessionsOf(ctx, p.Capture, b.Streams)
	if err != nil {
		return err
	}
	if b.RootKey == (RootKey{}) {
		b.RootKey = RootKey(r.keys.root)
	}
	if b.Details == nil {
		b.Details = json.RawMessage("null")
	}
	p.Application, p.Trust, p.Keyset = r.Application(), r.Trust(), r.Keyset()
	p.Root = Root(b.RootKey, b.Streams)
	p.Sessions = sessions
	p.Artifacts, p.Totals = clearArtifacts(b.Streams)
	plain, err := encodeJSON(&b)
	if err != nil {
		return err
	}
	p.Sealed, err = r.sealPrivate(kindManifest, captureKey(p.Capture, manifestName), plain)
	return err
}

func validateLabels(streams []Labelled) error {
	labels, names := map[string]bool{}, map[string]bool{}
	for _, s := range streams {
		if labels[s.Label] || len(s.Label) > 1<<15 {
			return fault.New(fault.Permanent, "artifact.label", "label %.100q: it is too long, or two streams have it", s.Label)
		}
		if names[s.Artifact.Stream] {
			return fault.New(fault.Permanent, "artifact.label", "stream %.100q is listed twice", s.Artifact.Stream)
		}
		labels[s.Label], names[s.Artifact.Stream] = true, true
	}
	return nil
}

// clearArtifacts is ordered by stream, because the order of labels would tell something of them.
func clearArtifacts(streams []Labelled) ([]ClearArtifact, Totals) {
	out := make([]ClearArtifact, 0, len(streams))
	var t Totals
	for _, s := range streams {
		a := s.Artifact
		out = append(out, ClearArtifact{Stream: a.Stream, Bytes: a.Bytes, Stored: a.Stored, Chunks: a.Chunks, Recipe: a.Recipe})
		t = Totals{t.Streams + 1, t.Bytes + a.Bytes, t.Stored + a.Stored, t.Chunks + a.Chunks}
	}
	slices.SortFunc(out, func(a, b ClearArtifact) int { return strings.Compare(a.Stream, b.Stream) })
	return out, t
}

// sessionsOf returns the sessions that the recipes refer to, and checks that the recipes are those of the artifacts.
func (r *Repository) sessionsOf(ctx context.Context, capture string, streams []Labelled) ([]string, error) {
	var mu sync.Mutex
	var names []string
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(loadParallel)
	for _, s := range streams {
		g.Go(func() error {
			c, err := r.readRecipe(gctx, capture, s.Artifact.Stream)
			if err != nil {
				return err
			}
			if c.artifact != s.Artifact {
				return fault.New(fault.Conflict, "artifact.exists", "stream %s of capture %s is not the one that was reported: %w", s.Artifact.Stream, capture, ErrExists)
			}
			mu.Lock()
			defer mu.Unlock()
			names = sortedNames(append(names, c.sessions...)...)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("check the streams of capture %s: %w", capture, err)
	}
	if names == nil {
		names = []string{}
	}
	return names, nil
}

// openBody opens the sealed part and checks it against the clear one.
func (r *Repository) openBody(p *Payload) (Body, error) {
	at := captureKey(p.Capture, manifestName)
	plain, err := r.openPrivate(kindManifest, at, p.Sealed)
	if err != nil {
		return Body{}, err
	}
	var b Body
	d := json.NewDecoder(bytes.NewReader(plain))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return Body{}, corrupt(at, "its sealed part: %w", err)
	}
	if err := validateLabels(b.Streams); err != nil {
		return Body{}, corrupt(at, "its sealed part: %w", err)
	}
	if Root(b.RootKey, b.Streams) != p.Root {
		return Body{}, corrupt(at, "its root is not that of its streams")
	}
	if artifacts, totals := clearArtifacts(b.Streams); totals != p.Totals || !slices.Equal(artifacts, p.Artifacts) {
		return Body{}, corrupt(at, "its sealed part lists other streams")
	}
	return b, nil
}
