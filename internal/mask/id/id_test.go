package id_test

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/mask/id"
	"github.com/tranship/tranship/internal/mask/masktest"
)

func integers(low, high int64) func(*rapid.T) string {
	return func(t *rapid.T) string { return strconv.FormatInt(rapid.Int64Range(low, high).Draw(t, "n"), 10) }
}

func within(low, high int64) func(in, out string) error {
	return func(_, out string) error {
		n, err := strconv.ParseInt(out, 10, 64)
		if err != nil || n < low || n > high {
			return fmt.Errorf("it is not within %d and %d", low, high)
		}
		return nil
	}
}

func TestInt(t *testing.T) {
	var all []string
	for i := int64(-10); i <= 32767; i++ {
		all = append(all, strconv.FormatInt(i, 10))
	}
	masktest.Run(t, id.Int, "testdata",
		masktest.Property{Name: "int4", Column: mask.Column{Kind: mask.KindInt4},
			Values: integers(1, 1<<30-1), Valid: within(1, 1<<30-1), Identifier: true, FixedPoints: 0.02},
		masktest.Property{Name: "int8", Column: mask.Column{Kind: mask.KindInt8}, Params: map[string]any{"max": 1<<52 - 1},
			Values: integers(1, 1<<52-1), Valid: within(1, 1<<52-1), Identifier: true},
		masktest.Property{Name: "a whole small domain", Column: mask.Column{Kind: mask.KindInt2}, Params: map[string]any{"min": -10, "max": 32767},
			Values: integers(-10, 32767), Valid: within(-10, 32767), All: all, Identifier: true},
	)
}

func TestIntIsOneValueInEveryColumn(t *testing.T) {
	var first string
	for i, in := range []struct {
		raw  string
		kind mask.Kind
	}{{"123", mask.KindInt4}, {"123", mask.KindText}, {"+0123", mask.KindText}, {" 123 ", mask.KindChar}, {"123", mask.KindInt8}} {
		tr, err := id.Int.Build(mask.Config{Identity: "customer.id", Column: mask.Column{Kind: in.kind}}, masktest.Deps())
		if err != nil {
			t.Fatal(err)
		}
		out, err := tr.Transform(nil, mask.Text([]byte(in.raw)), &mask.Record{})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = string(out)
		} else if string(out) != first {
			t.Errorf("%q in a %s column became %s, want %s", in.raw, in.kind, out, first)
		}
	}
}

func TestIntOutsideTheDomainStopsTheRun(t *testing.T) {
	tr, err := id.Int.Build(mask.Config{Identity: "customer.id", Column: mask.Column{Kind: mask.KindInt8}}, masktest.Deps())
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []string{"0", "-1", "1073741824", "9223372036854775807"} {
		_, err := tr.Transform(nil, mask.Text([]byte(in)), &mask.Record{})
		if err == nil || mask.IsOutcome(err) || !fault.Is(err, fault.Permanent) {
			t.Errorf("%s: %v, want a permanent fault", in, err)
		}
	}
}

func TestIntDomainHasToFitItsColumns(t *testing.T) {
	p, err := mask.ParseParams(id.Int.Params, nil, "params")
	if err != nil {
		t.Fatal(err)
	}
	if err := id.Int.Check(p, mask.Column{Kind: mask.KindInt2}); err == nil {
		t.Error("an int2 column takes results of 30 bits")
	}
	if err := id.Int.Check(p, mask.Column{Kind: mask.KindVarchar, MaxChars: 9}); err == nil {
		t.Error("a varchar(9) takes results of 10 digits")
	}
	if err := id.Int.Check(p, mask.Column{Kind: mask.KindInt4}); err != nil {
		t.Error(err)
	}
}

func uuids(t *rapid.T) string {
	b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes")
	version := rapid.SampledFrom([]byte{1, 3, 4, 5, 6, 7, 8}).Draw(t, "version")
	b[6] = b[6]&0x0f | version<<4
	b[8] = b[8]&0x3f | 0x80
	s := hex.EncodeToString(b)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

func TestUUID(t *testing.T) {
	sameVersion := func(in, out string) error {
		if in[14] != out[14] || !strings.ContainsRune("89ab", rune(out[19])) {
			return fmt.Errorf("version or variant changed")
		}
		return nil
	}
	masktest.Run(t, id.UUID, "testdata", masktest.Property{
		Column: mask.Column{Kind: mask.KindUUID}, Values: uuids, Valid: sameVersion, Identifier: true, SameLength: true,
	})
}

func TestTimeInUUIDMovesBackByUpToAYear(t *testing.T) {
	tr, err := id.UUID.Build(mask.Config{Identity: "order.id", Column: mask.Column{Kind: mask.KindUUID}}, masktest.Deps())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		at := time.Date(2025, 6, 1, 12, 0, 0, i*int(time.Millisecond), time.UTC)
		in := fmt.Sprintf("%012x", at.UnixMilli())
		in = in[:8] + "-" + in[8:] + "-7abc-8def-0123456789ab"
		out, err := tr.Transform(nil, mask.Text([]byte(in)), &mask.Record{})
		if err != nil {
			t.Fatal(err)
		}
		ms, err := strconv.ParseInt(string(out[:8])+string(out[9:13]), 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		back := at.Sub(time.UnixMilli(ms))
		if back < 24*time.Hour || back > 366*24*time.Hour {
			t.Fatalf("%s moved back by %v", at, back)
		}
	}
}

func BenchmarkMask(b *testing.B) {
	masktest.Benchmark(b, id.Int, masktest.Property{Column: mask.Column{Kind: mask.KindInt4}}, "1", "4711", "1000000000")
	masktest.Benchmark(b, id.UUID, masktest.Property{Column: mask.Column{Kind: mask.KindUUID}},
		"6ba7b810-9dad-41d1-80b4-00c04fd430c8", "0195a1b2-c3d4-7abc-8def-0123456789ab")
}
