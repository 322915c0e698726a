package keyfile

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hpke"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/fault"
)

// keys returns a new key of every kind.
func keys(t testing.TB) []Key {
	t.Helper()
	location, err := GenerateLocation()
	if err != nil {
		t.Fatal(err)
	}
	return []Key{location, GenerateWriter(), GenerateMasking(), GenerateSigning()}
}

func encoded(t testing.TB, k Key) []byte {
	t.Helper()
	text, err := Encode(k)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// parse reads a key of the same kind as k.
func parse(k Key, text []byte) (Key, error) {
	switch k.(type) {
	case LocationKey:
		return ParseLocation(text)
	case WriterKey:
		return ParseWriter(text)
	case MaskingKey:
		return ParseMasking(text)
	}
	return ParseSigning(text)
}

func TestKeysReadBack(t *testing.T) {
	for _, k := range keys(t) {
		text := encoded(t, k)
		again, err := parse(k, text)
		if err != nil {
			t.Errorf("%v: %v", k, err)
			continue
		}
		if again.ID() != k.ID() || len(k.ID()) != 16 || !bytes.Equal(encoded(t, again), text) {
			t.Errorf("%v reads back as %v", k, again)
		}
		d, err := Describe(text)
		if err != nil || d.Kind != k.Kind() || d.ID != k.ID() {
			t.Errorf("%v is described as %+v, %v", k, d, err)
		}
	}
}

func TestPublicKeysReadBackAndBelongToTheirPairs(t *testing.T) {
	location, err := GenerateLocation()
	if err != nil {
		t.Fatal(err)
	}
	public, err := ParseLocationPublic(location.Public().String())
	if err != nil {
		t.Fatal(err)
	}
	if public.ID() != location.ID() {
		t.Error("the halves of a pair have different ids")
	}
	sealed, err := hpke.Seal(public.Key(), hpke.HKDFSHA256(), hpke.AES256GCM(), []byte("test"), []byte("cargo"))
	if err != nil {
		t.Fatal(err)
	}
	opened, err := hpke.Open(location.Private(), hpke.HKDFSHA256(), hpke.AES256GCM(), []byte("test"), sealed)
	if err != nil || string(opened) != "cargo" {
		t.Errorf("opened %q, %v", opened, err)
	}

	signer := GenerateSigning()
	verifier, err := ParseSigningPublic(signer.Public().String())
	if err != nil {
		t.Fatal(err)
	}
	if verifier.ID() != signer.ID() || !ed25519.Verify(verifier.Key(), []byte("m"), ed25519.Sign(signer.Private(), []byte("m"))) {
		t.Error("the halves of a signing pair do not fit")
	}
	for _, text := range []string{location.Public().String(), signer.Public().String()} {
		if d, err := Describe([]byte(text)); err != nil || d.Public != text {
			t.Errorf("%s is described as %+v, %v", text, d, err)
		}
	}
}

// The files of version 1 stay readable.
func TestKnownKeysKeepTheirIDs(t *testing.T) {
	for text, want := range map[string]Description{
		"tspub16LeIn7mSLUcPpgYGaaeu05kXW94jVUKArsHC50AgHGw-tlQf":    {LocationPublic, "b8e0b2a91680d063", "tspub16LeIn7mSLUcPpgYGaaeu05kXW94jVUKArsHC50AgHGw-tlQf"},
		"tssig1OAjUH9BQ2eBcQfxHj7o3tB3vCZQVr9x7wcYXGIfbVvMQFZue":    {SigningPublic, "ceb865b255cd57dc", "tssig1OAjUH9BQ2eBcQfxHj7o3tB3vCZQVr9x7wcYXGIfbVvMQFZue"},
		encode(Writer, []byte("0123456789abcdef0123456789abcdef")):  {Writer, "1d1400f2297caaa8", ""},
		encode(Masking, []byte("0123456789abcdef0123456789abcdef")): {Masking, "db83d4d5515f3572", ""},
	} {
		got, err := Describe([]byte(text))
		if err != nil || got != want {
			t.Errorf("%s is %+v, %v", text, got, err)
		}
	}
}

func TestAKeyOfAnotherKindIsNamed(t *testing.T) {
	all := keys(t)
	for _, want := range all {
		for _, got := range all {
			if got.Kind() == want.Kind() {
				continue
			}
			_, err := parse(want, encoded(t, got))
			message := fmt.Sprintf("a %s where a %s is expected", got.Kind(), want.Kind())
			if fault.CodeOf(err) != CodeKind || err.Error() != message {
				t.Errorf("got %v, want %s", err, message)
			}
		}
	}
}

func TestDamagedKeysAreRefusedWithoutShowingThem(t *testing.T) {
	good := encode(Writer, []byte("0123456789abcdef0123456789abcdef"))
	body := strings.TrimPrefix(good, "TRANSHIP-WRITER-KEY-1 ")
	for name, c := range map[string]struct{ text, code string }{
		"empty":            {"", CodeMalformed},
		"only a comment":   {"# key\n", CodeMalformed},
		"cut off":          {good[:len(good)-1], CodeMalformed},
		"one more":         {good + "A", CodeMalformed},
		"changed":          {strings.Replace(good, body[:4], "AAAA", 1), CodeMalformed},
		"two keys":         {good + "\n" + good, CodeMalformed},
		"no header":        {body, CodeMalformed},
		"no body":          {"TRANSHIP-WRITER-KEY-1", CodeMalformed},
		"version to come":  {strings.Replace(good, "KEY-1", "KEY-2", 1), CodeMalformed},
		"nkey seed":        {"SUAKYRHVIOREXV7EUZTBHUHL7NUMHPMAS7QMDU3GTIUWEI5LDNOXD43IZY", CodeMalformed},
		"all zero":         {encode(Writer, make([]byte, keySize)), CodeWeak},
		"one byte, always": {encode(Writer, bytes.Repeat([]byte{7}, keySize)), CodeWeak},
	} {
		_, err := ParseWriter([]byte(c.text))
		if fault.CodeOf(err) != c.code || !fault.Is(err, fault.Permanent) {
			t.Errorf("%s: %v %v", name, fault.CodeOf(err), err)
			continue
		}
		if shown := err.Error() + fault.HintOf(err); strings.Contains(shown, body[:8]) || strings.Contains(shown, "SUAKYRHV") {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
}

func TestAKeyPrintsAsItsID(t *testing.T) {
	for _, k := range keys(t) {
		_, text, _ := strings.Cut(strings.TrimSpace(string(encoded(t, k))), "\n")
		_, _, body := classify(text)
		wrapped := struct{ Key, hidden Key }{k, k}
		asJSON, err := json.Marshal(wrapped)
		if err != nil {
			t.Fatal(err)
		}
		out := fmt.Sprintf("%v %+v %#v %s %x %d %+v %s", k, k, k, k, k, k, wrapped, asJSON)
		raw, err := base64.RawURLEncoding.DecodeString(body)
		if err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"%x", "%d", "%v", "%#v"} {
			if strings.Contains(fmt.Sprintf(verb, wrapped), strings.Trim(fmt.Sprintf(verb, raw[:4]), "[]")) {
				t.Errorf("a key in a field prints its bytes with %s", verb)
			}
		}
		if strings.Contains(out, body[:8]) || strings.Count(out, k.ID()) != 7 {
			t.Errorf("a key prints as %s", out)
		}
	}
}

func TestWriteCreatesForTheOwnerAndNeverOverwrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.key")
	first := GenerateWriter()
	if err := Write(path, first); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := Write(path, GenerateWriter()); !fault.Is(err, fault.Conflict) || fault.CodeOf(err) != CodeExists {
		t.Errorf("writing again: %v", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseWriter(text); err != nil || got.ID() != first.ID() {
		t.Errorf("the file holds %v, %v", got, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, k := range keys(f) {
		f.Add(encoded(f, k))
	}
	f.Add([]byte("tspub16LeIn7mSLUcPpgYGaaeu05kXW94jVUKArsHC50AgHGw-tlQf"))
	f.Add([]byte("# x\n\nTRANSHIP-WRITER-KEY-1 AAAA"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Describe(text)
		if err == nil && (d.Kind == "" || len(d.ID) != 16) {
			t.Fatalf("described as %+v", d)
		}
		for _, k := range []Key{LocationKey{}, WriterKey{}, MaskingKey{}, SigningKey{}} {
			got, parseErr := parse(k, text)
			if (parseErr == nil) != (err == nil && d.Kind == k.Kind()) {
				t.Fatalf("described as %+v, %v; parsed as a %s: %v", d, err, k.Kind(), parseErr)
			}
			if parseErr == nil && got.ID() != d.ID {
				t.Fatalf("ids %s and %s", got.ID(), d.ID)
			}
		}
	})
}
