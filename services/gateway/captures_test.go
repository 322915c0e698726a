package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/blob"
	bloball "github.com/tranship/tranship/internal/blob/all"
	"github.com/tranship/tranship/internal/blob/file"
	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/location"
	"github.com/tranship/tranship/services/gateway"
)

// vault is a directory with captures, and a desk whose location it is.
type vault struct {
	*desk
	dir string
}

func newVault(t *testing.T, accepts ...api.Trust) *vault {
	t.Helper()
	opener := location.NewOpener(location.Config{Accepts: accepts}, location.Deps{Stores: bloball.Stores(), Clock: clock.Real{}})
	v := &vault{dir: t.TempDir(), desk: newDesk(t, func(_ *gateway.Config, d *gateway.Deps) { d.Locations = opener })}
	apply(t, v.desk, strings.ReplaceAll(string(shop(t)), "./vault", v.dir))
	return v
}

// capture commits captures of an application, each with one stream.
func (v *vault) capture(application string, ids ...string) {
	t := v.t
	t.Helper()
	store, err := file.Spec.Open(t.Context(), blob.Config{Field: "spec.file", JSON: []byte(fmt.Sprintf(`{"path": %q}`, v.dir))}, blob.Deps{Clock: clock.Real{}})
	check(t, err)
	private, err := artifact.GenerateLocationKey()
	check(t, err)
	keys := artifact.Keys{Private: private, Writer: artifact.GenerateWriterKey()}
	repo, err := artifact.Create(t.Context(), blob.NewBucket(store, "default/"+application), artifact.Config{Application: application, Trust: artifact.Raw}, keys)
	check(t, err)
	signer, err := artifact.GenerateSigner(artifact.Capturer)
	check(t, err)
	for _, id := range ids {
		check(t, commit(t.Context(), repo, signer, id))
	}
}

func commit(ctx context.Context, repo *artifact.Repository, signer *artifact.Signer, id string) error {
	raw, err := artifact.ParseRawID(id)
	if err != nil {
		return err
	}
	s, err := repo.Begin(ctx, artifact.SessionConfig{Capture: raw, Run: "run-1", Task: "1", Fence: 1})
	if err != nil {
		return err
	}
	defer s.Close()
	w, err := s.Stream(ctx, artifact.StreamConfig{Name: "s1", Chunking: artifact.Stream})
	if err != nil {
		return err
	}
	if _, err := w.Write(bytes.Repeat([]byte("hello"), 100)); err != nil {
		return err
	}
	a, err := w.Close()
	if err != nil {
		return err
	}
	p := artifact.Payload{Capture: id, Run: "run-1", Builder: "test"}
	if err := repo.Fill(ctx, &p, artifact.Body{Streams: []artifact.Labelled{{Label: "db/data", Artifact: a}}}); err != nil {
		return err
	}
	st, err := p.Statement()
	if err != nil {
		return err
	}
	_, err = repo.Commit(ctx, st, artifact.Trusted{artifact.Capturer: {signer.Public()}}, artifact.Sign(st, signer))
	return err
}

func (v *vault) list(q client.CapturesQuery) client.CaptureList {
	v.t.Helper()
	q.Location = "vault"
	l, err := v.client.Captures(v.t.Context(), q)
	check(v.t, err)
	return l
}

func names(l client.CaptureList) (out []string) {
	for _, c := range l.Items {
		out = append(out, c.Application+"/"+c.ID)
	}
	return out
}

func TestCapturesAreListedInPages(t *testing.T) {
	v := newVault(t, api.TrustRaw)
	apply(t, v.desk, `{apiVersion: tranship.io/v1alpha1, kind: Application, metadata: {name: blog}, spec: {components: [{name: f, files: {path: ./f}}]}}`)
	if l := v.list(client.CapturesQuery{}); len(l.Items) != 0 || l.Next != "" {
		t.Fatalf("an empty location: %+v", l)
	}
	v.capture("shop", "a", "b", "c")
	v.capture("blog", "b", "d")
	all := []string{"blog/b", "blog/d", "shop/a", "shop/b", "shop/c"}
	if got := names(v.list(client.CapturesQuery{})); !slices.Equal(got, all) {
		t.Fatalf("got %v", got)
	}
	if got := names(v.list(client.CapturesQuery{Application: "shop"})); !slices.Equal(got, all[2:]) {
		t.Fatalf("of one application: got %v", got)
	}
	for limit := 1; limit <= len(all)+1; limit++ {
		var got []string
		for after, pages := "", 0; ; {
			l := v.list(client.CapturesQuery{Limit: limit, After: after})
			if len(l.Items) > limit {
				t.Fatalf("%d captures on a page of %d", len(l.Items), limit)
			}
			got = append(got, names(l)...)
			if after = l.Next; after == "" {
				break
			}
			if pages++; pages > len(all) {
				t.Fatalf("pages of %d do not end: %v", limit, got)
			}
		}
		if !slices.Equal(got, all) {
			t.Errorf("pages of %d: got %v", limit, got)
		}
	}
}

func TestCaptureShowsItsClearPart(t *testing.T) {
	v := newVault(t, api.TrustRaw)
	v.capture("shop", "a")
	c, err := v.client.Capture(t.Context(), "vault", "", "a")
	check(t, err)
	if c.ID != "a" || c.Application != "shop" || c.Location != "vault" || c.Trust != "raw" || c.Run != "run-1" || c.Bytes != 500 || c.Streams != 1 ||
		!strings.HasPrefix(c.Digest, "blake3:") || !strings.HasPrefix(c.Root, "blake3:") || len(c.Artifacts) != 1 || c.Retired {
		t.Errorf("got %+v", c)
	}
	if listed := v.list(client.CapturesQuery{}).Items[0]; listed.Digest != c.Digest || listed.Artifacts != nil {
		t.Errorf("the list says %+v", listed)
	}
	for _, id := range []string{"none", "A"} {
		if _, err := v.client.Capture(t.Context(), "vault", "shop", id); !fault.Is(err, fault.NotFound) && fault.CodeOf(err) != "capture.invalid" {
			t.Errorf("%s: got %v", id, err)
		}
	}
}

func TestDamagedCaptureDoesNotHideTheOthers(t *testing.T) {
	v := newVault(t, api.TrustRaw)
	v.capture("shop", "a", "b")
	damaged := 0
	check(t, filepath.WalkDir(v.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(path, "/c/a/manifest") {
			damaged++
			return os.WriteFile(path, []byte("{}"), 0o600)
		}
		return err
	}))
	if damaged != 1 {
		t.Fatalf("%d manifests were found", damaged)
	}
	l := v.list(client.CapturesQuery{})
	if !slices.Equal(names(l), []string{"shop/b"}) || len(l.Unreadable) != 1 || !strings.Contains(l.Unreadable[0], "capture a") {
		t.Fatalf("got %+v", l)
	}
}

func TestLocationIsNamedAndAccepted(t *testing.T) {
	v := newVault(t, api.TrustMasked)
	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{"/v1/captures", 400, "location"},
		{"/v1/captures?location=vautl", 404, `did you mean \"vault\"?`},
		{"/v1/captures?location=vault&application=..%2Fother", 400, "application"},
		{"/v1/captures?location=vault&limit=0", 400, "limit"},
		{"/v1/captures?location=vault", 403, "trust.refused"},
	} {
		if status, _, body := v.do(http.MethodGet, c.path, ""); status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: got %d %s", c.path, status, body)
		}
	}
}

func TestStoreThatIsAwayIsAnErrorAndNoEmptyList(t *testing.T) {
	v := newVault(t, api.TrustRaw)
	v.capture("shop", "a")
	away := errors.New("no route to host")
	d := newDesk(t, func(_ *gateway.Config, d *gateway.Deps) {
		d.Resources = v.resources
		d.Locations = failing{fault.Wrap(fault.Transient, away)}
	})
	if status, header, body := d.do(http.MethodGet, "/v1/captures?location=vault", ""); status != 503 || header.Get("Retry-After") == "" {
		t.Fatalf("got %d %s", status, body)
	}
}
