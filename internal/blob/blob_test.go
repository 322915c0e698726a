package blob_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/blob/mem"
	"github.com/tranship/tranship/internal/clock"
	"github.com/tranship/tranship/internal/fault"
)

func TestSubSeesOnlyItsFolder(t *testing.T) {
	ctx := t.Context()
	s := mem.New(clock.Real{})
	vault := blob.NewBucket(s, "vault/tranship")
	shop := vault.Sub("shop")
	for b, k := range map[*blob.Bucket]blob.Key{shop: "p/1", vault: "shopping/p/1", vault.Sub("other"): "p/1"} {
		if err := b.Put(ctx, k, []byte(k), blob.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Stat(ctx, "vault/tranship/shop/p/1"); err != nil {
		t.Errorf("the prefix is not where it should be: %v", err)
	}
	var keys []blob.Key
	for info, err := range shop.List(ctx, "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	if len(keys) != 1 || keys[0] != "p/1" {
		t.Errorf("shop lists %q, want its own object under its own key", keys)
	}
	if info, err := shop.Stat(ctx, "p/1"); err != nil || info.Key != "p/1" {
		t.Errorf("stat: %+v, %v", info, err)
	}
	// "../other/p/1" must not lead out, though the joined key would be clean.
	if _, err := shop.Stat(ctx, "../other/p/1"); !fault.Is(err, fault.Permanent) {
		t.Errorf("stat of a key that leads out: %v, want a permanent error", err)
	}
	if err := shop.Delete(ctx, "p/1"); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.Stat(ctx, "other/p/1"); err != nil {
		t.Errorf("deleting in one folder hit another: %v", err)
	}
}

func TestGetIsBounded(t *testing.T) {
	b := blob.NewBucket(mem.New(clock.Real{}), "")
	if err := b.Put(t.Context(), "k", []byte("12345"), blob.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[int64]error{4: blob.ErrTooLarge, 5: nil, 6: nil} {
		if _, err := b.Get(t.Context(), "k", limit); !errors.Is(err, want) {
			t.Errorf("limit %d: %v, want %v", limit, err, want)
		}
	}
}

type settings struct {
	Bucket string `json:"bucket"`
	Nested struct {
		Ref json.RawMessage `json:"ref"`
	} `json:"nested"`
}

func TestDecodeNamesTheField(t *testing.T) {
	for text, want := range map[string]string{
		`{"bukcet": "x"}`:                 `spec.s3.bukcet: unknown field; did you mean "bucket"?`,
		`{"nested": {"zzzzzz": 1}}`:       `spec.s3.nested.zzzzzz: unknown field`,
		`{"bucket": 5}`:                   `spec.s3.bucket: got a number, want string`,
		`{"nested": "x"}`:                 `spec.s3.nested: got a string`,
		`{"Bucket": "x"}`:                 `spec.s3.Bucket: unknown field; did you mean "bucket"?`,
		`{`:                               `spec.s3: unexpected EOF`,
		`{} {}`:                           `spec.s3: more than one value`,
		`{"nested": {"ref": {"any": 1}}}`: ``,
	} {
		_, err := blob.Decode[settings](blob.Config{Field: "spec.s3", JSON: json.RawMessage(text)})
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || !fault.Is(err, fault.Permanent) {
			t.Errorf("%s: %v, want a permanent error with %q", text, err, want)
		}
	}
}

func TestSecretDoesNotPrint(t *testing.T) {
	s := blob.NewSecret("hunter2")
	if s.Reveal() != "hunter2" {
		t.Fatal("the secret is lost")
	}
	inside := struct{ Key blob.Secret }{s}
	hidden := struct{ key blob.Secret }{s}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", s, "inside", inside)
	asJSON, err := json.Marshal(inside)
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{
		s.String(), fmt.Sprint(s), fmt.Sprintf("%s %q %v %+v %#v %x %d", s, s, s, s, s, s, s),
		fmt.Sprintf("%v %+v %#v", inside, inside, inside), fmt.Sprintf("%v %+v %#v", hidden, hidden, hidden), fmt.Sprint(errors.New(s.String())), string(asJSON), log.String(),
	} {
		if strings.Contains(printed, "hunter2") || strings.Contains(printed, "68756e74657232") {
			t.Errorf("printed: %s", printed)
		}
	}
	if fmt.Sprint(blob.NewSecret("")) != "" {
		t.Error("an absent secret looks present")
	}
}

func FuzzKey(f *testing.F) {
	for _, seed := range []string{"a/b", "../a", "a//b", "a/.", "", "a b", `a\b`, "é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k := blob.Key(text)
		if k.Validate() != nil {
			return
		}
		if strings.HasPrefix(text, "/") || strings.HasSuffix(text, "/") || strings.Contains("/"+text+"/", "/../") || strings.Contains(text, "//") {
			t.Errorf("%q passes", text)
		}
		for i := range len(text) {
			if err := blob.ValidatePrefix(text[:i]); err != nil {
				t.Errorf("no key may start with %q, says ValidatePrefix, but %q does: %v", text[:i], text, err)
			}
		}
	})
}
