package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/zap/zapcore"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/fault"
)

const owner = "component db of application shop"

// fixture returns a resolver and its directory, beside which lies a file that no reference may reach.
func fixture(t *testing.T) (*Resolver, string) {
	t.Helper()
	base := t.TempDir()
	dir := filepath.Join(base, "secrets")
	write(t, filepath.Join(base, "outside"), "hunter2", 0o600)
	write(t, filepath.Join(dir, "dsn"), "postgres://hunter2\n", 0o600)
	env := map[string]string{"TRANSHIP_SECRET_DSN": "hunter2", "TRANSHIP_SECRET_EMPTY": "", "HOME": "/root"}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	return New(Config{Dir: dir, Namespace: "tranship"}, Deps{LookupEnv: lookup}), dir
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func TestReferencesResolve(t *testing.T) {
	r, dir := fixture(t)
	write(t, filepath.Join(dir, "..data_1", "key"), "two\n\n", 0o400)
	symlink(t, "..data_1", filepath.Join(dir, "..data"))
	symlink(t, "..data/key", filepath.Join(dir, "mounted"))
	write(t, filepath.Join(dir, "crlf"), "one\r\n", 0o600)
	for _, c := range []struct {
		ref  api.SecretRef
		want string
	}{
		{api.SecretRef{FromFile: "dsn"}, "postgres://hunter2"},
		{api.SecretRef{FromFile: "crlf"}, "one"},
		{api.SecretRef{FromFile: "mounted"}, "two\n"}, // as Kubernetes mounts a Secret
		{api.SecretRef{FromEnv: "TRANSHIP_SECRET_DSN"}, "hunter2"},
	} {
		got, err := r.Resolve(t.Context(), owner, c.ref)
		if err != nil || got.Reveal() != c.want {
			t.Errorf("%v: got %q, %v", c.ref, got.Reveal(), err)
		}
	}
}

func TestWhatCannotBeResolvedIsExplained(t *testing.T) {
	r, dir := fixture(t)
	symlink(t, "../outside", filepath.Join(dir, "escape"))
	symlink(t, filepath.Join(filepath.Dir(dir), "outside"), filepath.Join(dir, "absolute"))
	write(t, filepath.Join(dir, "shared"), "hunter2", 0o640)
	write(t, filepath.Join(dir, "world"), "hunter2", 0o604)
	write(t, filepath.Join(dir, "empty"), "\n", 0o600)
	write(t, filepath.Join(dir, "sub", "x"), "hunter2", 0o600)
	write(t, filepath.Join(dir, "large"), strings.Repeat("hunter2", maxSize/7+1), 0o600)
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ref        api.SecretRef
		code, hint string
	}{
		{api.SecretRef{}, CodeInvalid, ""},
		{api.SecretRef{FromFile: "dsn", FromEnv: "TRANSHIP_SECRET_DSN"}, CodeInvalid, ""},
		{api.SecretRef{FromFile: "none"}, CodeMissing, "put it there"},
		{api.SecretRef{FromFile: "../outside"}, CodeInvalid, ""},
		{api.SecretRef{FromFile: "/etc/passwd"}, CodeInvalid, ""},
		{api.SecretRef{FromFile: "escape"}, CodeInvalid, ""},
		{api.SecretRef{FromFile: "absolute"}, CodeInvalid, ""},
		{api.SecretRef{FromFile: "sub"}, CodeInvalid, ""},
		{api.SecretRef{FromFile: "pipe"}, CodeInvalid, ""},
		{api.SecretRef{FromFile: "large"}, CodeInvalid, ""},
		{api.SecretRef{FromFile: "shared"}, CodeExposed, "chmod 600 shared"},
		{api.SecretRef{FromFile: "world"}, CodeExposed, "chmod 600 world"},
		{api.SecretRef{FromFile: "empty"}, CodeEmpty, ""},
		{api.SecretRef{FromEnv: "HOME"}, CodeInvalid, ""},
		{api.SecretRef{FromEnv: "TRANSHIP_SECRET_NONE"}, CodeMissing, "set TRANSHIP_SECRET_NONE"},
		{api.SecretRef{FromEnv: "TRANSHIP_SECRET_EMPTY"}, CodeEmpty, ""},
		{api.SecretRef{FromEnv: "postgres://hunter2"}, CodeInvalid, ""},
		{api.SecretRef{FromSecret: &api.SecretKey{Name: "s", Key: "k"}}, CodeUnsupported, "fromFile or fromEnv"},
	} {
		got, err := r.Resolve(t.Context(), owner, c.ref)
		if err == nil {
			t.Errorf("%+v resolves to %d bytes", c.ref, len(got.Reveal()))
			continue
		}
		if fault.CodeOf(err) != c.code || !fault.Is(err, fault.Permanent) || !strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("%+v: %v %v (hint %q): %v", c.ref, fault.ClassOf(err), fault.CodeOf(err), fault.HintOf(err), err)
		}
		if !strings.Contains(err.Error(), owner) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: the error does not name the owner, or repeats a secret: %v", c.ref, err)
		}
	}
}

func TestFilesNeedADirectory(t *testing.T) {
	for _, dir := range []string{"", filepath.Join(t.TempDir(), "none")} {
		_, err := New(Config{Dir: dir}, Deps{}).Resolve(t.Context(), owner, api.SecretRef{FromFile: "x"})
		if fault.CodeOf(err) != CodeMissing || !strings.Contains(fault.HintOf(err), "--secrets-dir") {
			t.Errorf("%q: got %v", dir, err)
		}
	}
}

func TestAValueDoesNotShowItself(t *testing.T) {
	type holder struct {
		Password Value
		hidden   Value
	}
	v := NewValue("hunter2")
	h := holder{v, v}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", v)
		fmt.Fprintf(&out, verb+"\n", &v)
		fmt.Fprintf(&out, verb+"\n", h)
	}
	if err := json.NewEncoder(&out).Encode(map[string]any{"value": v, "holder": h}); err != nil {
		t.Fatal(err)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "value", v, "holder", h)
	enc := zapcore.NewJSONEncoder(zapcore.EncoderConfig{})
	entry, err := enc.EncodeEntry(zapcore.Entry{}, []zapcore.Field{
		{Key: "a", Type: zapcore.ReflectType, Interface: v}, {Key: "b", Type: zapcore.StringerType, Interface: v},
		{Key: "c", Type: zapcore.ReflectType, Interface: h},
	})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(entry.Bytes())
	for _, leak := range []string{"hunter2", "68756e74657232", "104 117 110"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("the secret shows as %s:\n%s", leak, out.String())
		}
	}
	if strings.Count(out.String(), redacted) < 20 {
		t.Errorf("the placeholder is missing:\n%s", out.String())
	}
}
