package all_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/blob/all"
	"github.com/tranship/tranship/internal/blob/blobtest/versity"
	"github.com/tranship/tranship/internal/blob/check"
	"github.com/tranship/tranship/internal/blob/retry"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/fault"
)

// quick keeps the waits short: the checks provoke errors that are worth another attempt.
var quick = all.Options{Retry: retry.Config{Base: time.Millisecond}}

// secrets resolves {"fromTest": name}.
func secrets(values map[string]string) blob.Deps {
	return blob.Deps{Clock: clock.Real{}, Secrets: func(_ context.Context, ref json.RawMessage) ([]byte, error) {
		var r struct {
			FromTest string `json:"fromTest"`
		}
		if err := json.Unmarshal(ref, &r); err != nil {
			return nil, err
		}
		v, ok := values[r.FromTest]
		if !ok {
			return nil, fault.New(fault.NotFound, "secret.missing", "no secret %q", r.FromTest)
		}
		return []byte(v + "\n"), nil
	}}
}

func TestOpenedLocationsPassEveryCheck(t *testing.T) {
	server := versity.Start(t)
	versity.Bucket(t, server, "vault", false)
	d := secrets(map[string]string{"id": server.AccessKeyID, "key": server.SecretAccessKey.Reveal()})
	for name, block := range map[string]string{
		"file": fmt.Sprintf(`{"path": %q}`, t.TempDir()),
		"s3": fmt.Sprintf(`{"bucket": "vault", "prefix": "some/folder", "endpoint": %q, "pathStyle": true,
			"credentials": {"accessKeyID": {"fromTest": "id"}, "secretAccessKey": {"fromTest": "key"}}}`, server.Endpoint),
	} {
		t.Run(name, func(t *testing.T) {
			b, closeStore, err := all.Open(t.Context(), name, blob.Config{Field: "spec." + name, JSON: json.RawMessage(block)}, d, quick)
			if err != nil {
				t.Fatal(err)
			}
			checked := 0
			for r := range check.Run(t.Context(), b.Sub("scratch"), check.Features{}) {
				checked++
				if r.Err != nil {
					t.Errorf("%s: %v", r.Check.Name, r.Err)
				}
			}
			if want := len(check.Checks(check.Features{})); checked != want {
				t.Errorf("%d checks ran, want %d", checked, want)
			}
			for info, err := range b.List(t.Context(), "") {
				t.Errorf("the checks left %s (%v)", info.Key, err)
			}
			if err := closeStore(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWrongBlocksAreRefusedWithTheirField(t *testing.T) {
	for _, test := range []struct{ name, block, want string }{
		{"s4", `{}`, `unknown object store "s4": did you mean "s3"?`},
		{"file", `{}`, `spec.file.path: must not be empty`},
		{"file", `{"paht": "x"}`, `spec.file.paht: unknown field; did you mean "path"?`},
		{"file", `{"path": "/dev/null/x"}`, `spec.file.path: open object directory`},
		{"s3", `{"region": "r"}`, `spec.s3.bucket: must not be empty`},
		{"s3", `{"bucket": "b", "region": "r", "prefix": "/x/"}`, `spec.s3.prefix: key`},
		{"s3", `{"bucket": "b", "region": "r", "endpoint": "https://me:hunter2@host"}`, `spec.s3.endpoint: must be a URL`},
		{"s3", `{"bucket": "b", "region": "r", "caFile": "/nonexistent"}`, `spec.s3.caFile: open /nonexistent`},
		{"s3", `{"bucket": "b", "region": "r", "credentials": {"accesKeyId": {}}}`, `spec.s3.credentials.accesKeyId: unknown field; did you mean "accessKeyID"?`},
		{"s3", `{"bucket": "b", "region": "r", "credentials": {"accessKeyID": {"fromTest": "nothing"}}}`, `spec.s3.credentials.accessKeyID: no secret "nothing"`},
		{"s3", `{"bucket": "b", "region": "r", "credentials": {"accessKeyID": {"fromTest": "id"}}}`, `spec.s3.credentials: accessKeyID and secretAccessKey go together`},
	} {
		_, _, err := all.Open(t.Context(), test.name, blob.Config{Field: "spec." + test.name, JSON: json.RawMessage(test.block)},
			secrets(map[string]string{"id": "x"}), all.Options{})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s: %v, want %q", test.name, test.block, err, test.want)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error repeats a password: %v", err)
		}
	}
}

// lying claims to create only and replaces.
type lying struct{ blob.Store }

func (l lying) Put(ctx context.Context, k blob.Key, r io.ReadSeeker, o blob.PutOptions) error {
	o.IfNotExists = false
	return l.Store.Put(ctx, k, r, o)
}

func TestChecksFindAStoreThatIgnoresCreateOnly(t *testing.T) {
	b, closeStore, err := all.Open(t.Context(), "file", blob.Config{Field: "spec.file", JSON: json.RawMessage(fmt.Sprintf(`{"path": %q}`, t.TempDir()))},
		blob.Deps{Clock: clock.Real{}}, quick)
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore()
	var failed []string
	for r := range check.Run(t.Context(), blob.NewBucket(lying{b.Store()}, ""), check.Features{}) {
		if r.Err != nil && !errors.Is(r.Err, context.Canceled) {
			failed = append(failed, r.Check.Name)
		}
	}
	if got := strings.Join(failed, ", "); got != "create-only, create-only race" {
		t.Errorf("failed: %s; want the two create-only checks", got)
	}
}
