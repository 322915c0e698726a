package mask_test

import (
	"encoding"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/mask"
)

// secret returns 32 different bytes.
func secret(seed byte) []byte {
	b := make([]byte, mask.KeySize)
	for i := range b {
		b[i] = byte(i)*37 + seed
	}
	return b
}

func epoch(t testing.TB, tenant string, seed byte) *mask.Epoch {
	t.Helper()
	e, err := mask.NewEpoch(tenant, 1, secret(seed))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestKeysThatAreNotRandomAreRefused(t *testing.T) {
	for name, s := range map[string][]byte{
		"missing":     nil,
		"empty":       {},
		"short":       secret(1)[:31],
		"long":        append(secret(1), 9),
		"zero":        make([]byte, 32),
		"constant":    []byte(strings.Repeat("k", 32)),
		"hexadecimal": []byte("0123456789abcdef0123456789abcdef"),
		"padded":      append([]byte("correct horse"), make([]byte, 19)...),
	} {
		_, err := mask.NewEpoch("default", 1, s)
		if err == nil || !fault.Is(err, fault.Permanent) {
			t.Errorf("%s: %v, want a permanent fault", name, err)
		}
		if len(s) > 8 && strings.Contains(fmt.Sprint(err), string(s)) {
			t.Errorf("%s: the error shows the key", name)
		}
	}
	if _, err := mask.NewEpoch("", 1, secret(1)); err == nil {
		t.Error("an epoch without a tenant is accepted")
	}
	if _, err := mask.NewEpoch("default", 0, secret(1)); err == nil {
		t.Error("epoch 0 is accepted")
	}
}

func TestKeysAreIndependent(t *testing.T) {
	e := epoch(t, "default", 1)
	seen := map[string]string{}
	for name, k := range map[string]mask.Key{
		"base":            e.Key("person.email", "email"),
		"other identity":  e.Key("person.emai", "lemail"),
		"other mask":      e.Key("person.email", "text"),
		"other tenant":    epoch(t, "other", 1).Key("person.email", "email"),
		"other secret":    epoch(t, "default", 2).Key("person.email", "email"),
		"parts exchanged": e.Key("email", "person.email"),
	} {
		h := hex.EncodeToString(k.Bytes())
		if other, taken := seen[h]; taken {
			t.Errorf("%s and %s have one key", name, other)
		}
		seen[h] = name
	}
	k := e.Key("person.email", "email")
	a, b := k.Sub("a"), k.Sub("b")
	if hex.EncodeToString(a.Bytes()) == hex.EncodeToString(b.Bytes()) {
		t.Error("two labels have one key")
	}
}

func TestKeyCheckValueTellsKeysApart(t *testing.T) {
	a, b := epoch(t, "default", 1), epoch(t, "default", 2)
	if got := a.KeyCheckValue("person.email", "email"); got != epoch(t, "default", 1).KeyCheckValue("person.email", "email") || len(got) != 16 {
		t.Errorf("%q is not one value of 16 digits", got)
	}
	if a.KeyCheckValue("person.email", "email") == b.KeyCheckValue("person.email", "email") {
		t.Error("two epochs have one check value")
	}
}

func TestKeysAreNeverPrinted(t *testing.T) {
	e := epoch(t, "default", 1)
	k := e.Key("person.email", "email")
	hidden := []string{hex.EncodeToString(k.Bytes()), fmt.Sprint(k.Bytes()), string(k.Bytes()), hex.EncodeToString(secret(1)), fmt.Sprint(secret(1))}
	wrapped := struct {
		Key   mask.Key
		Epoch *mask.Epoch
	}{k, e}
	hiding := struct {
		key   mask.Key
		epoch mask.Epoch
	}{k, *e}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d"} {
		for _, v := range []any{k, &k, e, wrapped, hiding, &hiding} {
			out := fmt.Sprintf(verb, v)
			for _, h := range hidden {
				if strings.Contains(out, h) || strings.Contains(strings.ToLower(out), h) {
					t.Errorf("%s of %T shows the key", verb, v)
				}
			}
		}
	}
	for _, v := range []any{k, &k, e, wrapped} {
		if out, err := json.Marshal(v); err == nil {
			t.Errorf("%T is encoded as %s", v, out)
		}
	}
	if _, err := (encoding.TextMarshaler)(k).MarshalText(); err == nil {
		t.Error("a key is encoded as text")
	}
	if _, err := (encoding.BinaryMarshaler)(k).MarshalBinary(); err == nil {
		t.Error("a key is encoded as binary")
	}
}

func TestPRF(t *testing.T) {
	e := epoch(t, "default", 1)
	base := hex.EncodeToString(e.PRF("i", "m", 1).Sum([]byte("value")))
	const pinned = "211495d3e7ed39d72d77dfbf332af948bec4b282fffca78a21f4160dff60838a"
	if base != pinned {
		t.Errorf("the value is %s, want %s: every masked value would change", base, pinned)
	}
	p := e.PRF("i", "m", 1)
	p.Sum([]byte("another"))
	if got := hex.EncodeToString(p.Sum([]byte("value"))); got != base {
		t.Error("the value depends on calls before")
	}
	for name, got := range map[string][]byte{
		"version": e.PRF("i", "m", 2).Sum([]byte("value")),
		"mask":    e.PRF("i", "n", 1).Sum([]byte("value")),
		"redraw":  p.Redraw([]byte("value"), 1),
	} {
		if hex.EncodeToString(got) == base {
			t.Errorf("another %s gives the same", name)
		}
	}
	value := []byte("value")
	if n := testing.AllocsPerRun(100, func() { p.Sum(value) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestIndexIsInRangeAndEven(t *testing.T) {
	p := epoch(t, "default", 1).PRF("i", "m", 1)
	const n, draws = 10, 10_000
	var counts [n]int
	for i := range draws {
		counts[mask.Index(p.Sum(fmt.Append(nil, i)), n)]++
	}
	for i, c := range counts {
		if c < draws/n*8/10 || c > draws/n*12/10 {
			t.Errorf("index %d came %d times in %d", i, c, draws)
		}
	}
}
