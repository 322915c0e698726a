package ff1_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tranship/tranship/internal/mask/ff1"
)

const (
	key128 = "2B7E151628AED2A6ABF7158809CF4F3C"
	key192 = key128 + "EF4359D8D580AA4F"
	key256 = key192 + "7F036D6F04FC6A94"
)

// samples are the FF1 samples that NIST publishes with SP 800-38G.
var samples = []struct {
	key, tweak string
	radix      int
	plain      string
	want       string
}{
	{key128, "", 10, "0123456789", "2433477484"},
	{key128, "39383736353433323130", 10, "0123456789", "6124200773"},
	{key128, "3737373770717273373737", 36, "0123456789abcdefghi", "a9tv40mll9kdu509eum"},
	{key192, "", 10, "0123456789", "2830668132"},
	{key192, "39383736353433323130", 10, "0123456789", "2496655549"},
	{key192, "3737373770717273373737", 36, "0123456789abcdefghi", "xbj3kv35jrawxv32ysr"},
	{key256, "", 10, "0123456789", "6657667009"},
	{key256, "39383736353433323130", 10, "0123456789", "1001623463"},
	{key256, "3737373770717273373737", 36, "0123456789abcdefghi", "xs8a0azh2avyalyzuwd"},
}

const digits = "0123456789abcdefghijklmnopqrstuvwxyz"

func numerals(s string) []uint16 {
	out := make([]uint16, len(s))
	for i := range s {
		out[i] = uint16(strings.IndexByte(digits, s[i]))
	}
	return out
}

func text(x []uint16) string {
	var b strings.Builder
	for _, d := range x {
		b.WriteByte(digits[d])
	}
	return b.String()
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPublishedSamples(t *testing.T) {
	for i, s := range samples {
		c, err := ff1.New(unhex(t, s.key), s.radix, unhex(t, s.tweak))
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Encrypt(numerals(s.plain))
		if err != nil || text(got) != s.want {
			t.Errorf("sample %d: %s became %s (%v), want %s", i+1, s.plain, text(got), err, s.want)
		}
		back, err := c.Decrypt(got)
		if err != nil || text(back) != s.plain {
			t.Errorf("sample %d: %s came back as %s (%v)", i+1, s.plain, text(back), err)
		}
		if s.radix != 10 {
			continue // 36¹⁹ values do not fit the fast form
		}
		n, err := ff1.NewInt(unhex(t, s.key), s.radix, len(s.plain), unhex(t, s.tweak))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := n.Encrypt(123456789), value(numerals(s.want), 10); got != want {
			t.Errorf("sample %d: the fast form gives %d, want %d", i+1, got, want)
		}
	}
}

func value(x []uint16, radix int) uint64 {
	var v uint64
	for _, d := range x {
		v = v*uint64(radix) + uint64(d)
	}
	return v
}

func inRadix(v uint64, radix, length int) []uint16 {
	out := make([]uint16, length)
	for i := length - 1; i >= 0; i-- {
		out[i] = uint16(v % uint64(radix))
		v /= uint64(radix)
	}
	return out
}

// drawInt draws a domain that the fast form accepts.
func drawInt(t *rapid.T) (*ff1.Int, *ff1.Cipher, int, int) {
	key := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key")
	tweak := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "tweak")
	radix := rapid.OneOf(rapid.IntRange(2, 40), rapid.IntRange(41, 65536)).Draw(t, "radix")
	shortest, longest := 0, 0
	for n, v := 0, 1.0; v*float64(radix) < 1.8e19; n++ {
		v *= float64(radix)
		if longest = n + 1; v >= 1e6 && shortest == 0 {
			shortest = max(2, longest)
		}
	}
	length := rapid.IntRange(shortest, max(shortest, longest)).Draw(t, "length")
	fast, err := ff1.NewInt(key, radix, length, tweak)
	if err != nil {
		t.Fatal(err)
	}
	generic, err := ff1.New(key, radix, tweak)
	if err != nil {
		t.Fatal(err)
	}
	return fast, generic, radix, length
}

func TestFastFormEqualsGenericForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fast, generic, radix, length := drawInt(t)
		x := rapid.Uint64Range(0, fast.Last()).Draw(t, "x")
		want, err := generic.Encrypt(inRadix(x, radix, length))
		if err != nil {
			t.Fatal(err)
		}
		got := fast.Encrypt(x)
		if got != value(want, radix) {
			t.Fatalf("fast %d, generic %d", got, value(want, radix))
		}
		if back := fast.Decrypt(got); back != x {
			t.Fatalf("%d came back as %d", x, back)
		}
	})
}

func TestSetTweakEqualsANewCipher(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key")
		n := rapid.IntRange(0, 40).Draw(t, "tweak length")
		a := rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "a")
		b := rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "b")
		length := rapid.IntRange(6, 19).Draw(t, "length")
		changed, err := ff1.NewInt(key, 10, length, a)
		if err != nil {
			t.Fatal(err)
		}
		changed.SetTweak(b)
		made, err := ff1.NewInt(key, 10, length, b)
		if err != nil {
			t.Fatal(err)
		}
		x := rapid.Uint64Range(0, made.Last()).Draw(t, "x")
		if changed.Encrypt(x) != made.Encrypt(x) {
			t.Fatal("the results differ")
		}
	})
}

func TestWholeDomainIsPermuted(t *testing.T) {
	c, err := ff1.NewInt(unhex(t, key256), 10, 6, []byte("tweak"))
	if err != nil {
		t.Fatal(err)
	}
	seen := make([]bool, c.Last()+1)
	for x := range c.Last() + 1 {
		y := c.Encrypt(x)
		if seen[y] {
			t.Fatalf("two numbers became %d", y)
		}
		seen[y] = true
	}
}

func TestSmallDomainsAreRefused(t *testing.T) {
	key := unhex(t, key128)
	for _, d := range []struct{ radix, length int }{{10, 5}, {2, 19}, {999_999 / 16, 1}, {99, 3}} {
		if _, err := ff1.NewInt(key, d.radix, d.length, nil); !errors.Is(err, ff1.ErrDomain) {
			t.Errorf("NewInt(%d, %d) = %v, want ErrDomain", d.radix, d.length, err)
		}
		c, err := ff1.New(key, d.radix, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Encrypt(make([]uint16, d.length)); !errors.Is(err, ff1.ErrDomain) {
			t.Errorf("Encrypt(%d numerals of %d) = %v, want ErrDomain", d.length, d.radix, err)
		}
	}
	c, err := ff1.New(key, 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Encrypt(make([]uint16, 6)); err != nil {
		t.Errorf("one million values are refused: %v", err)
	}
}

func TestBadInputIsRefused(t *testing.T) {
	key := unhex(t, key128)
	if _, err := ff1.New(key, 1, nil); err == nil {
		t.Error("radix 1 is accepted")
	}
	if _, err := ff1.New(key, 65537, nil); err == nil {
		t.Error("radix 65537 is accepted")
	}
	if _, err := ff1.New(key[:15], 10, nil); err == nil {
		t.Error("a key of 15 bytes is accepted")
	}
	if _, err := ff1.NewInt(key, 10, 20, nil); err == nil {
		t.Error("a domain above 2⁶⁴ is accepted")
	}
	c, err := ff1.New(key, 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Encrypt([]uint16{1, 2, 3, 4, 5, 6, 10}); err == nil {
		t.Error("a numeral that equals the radix is accepted")
	}
}

func TestFastFormDoesNotAllocate(t *testing.T) {
	c, err := ff1.NewInt(unhex(t, key256), 10, 16, []byte("a tweak that is longer than a block"))
	if err != nil {
		t.Fatal(err)
	}
	x := uint64(4111111111111111)
	if n := testing.AllocsPerRun(100, func() { x = c.Encrypt(x) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("tweak"), 10, []byte("0123456789"))
	f.Add([]byte{}, 65536, []byte("0123456789"))
	key := []byte("0123456789abcdefFEDCBA9876543210")
	f.Fuzz(func(t *testing.T, tweak []byte, radix int, x []byte) {
		if len(x) > 200 {
			return
		}
		c, err := ff1.New(key, radix, tweak)
		if err != nil {
			return
		}
		in := make([]uint16, len(x))
		for i, b := range x {
			in[i] = uint16(int(b) % radix)
		}
		out, err := c.Encrypt(in)
		if err != nil {
			return
		}
		back, err := c.Decrypt(out)
		if err != nil {
			t.Fatal(err)
		}
		for i := range in {
			if in[i] != back[i] {
				t.Fatalf("%v came back as %v", in, back)
			}
		}
	})
}

func BenchmarkInt(b *testing.B) {
	c, err := ff1.NewInt([]byte("0123456789abcdefFEDCBA9876543210"), 10, 15, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	x := uint64(1)
	for b.Loop() {
		x = c.Encrypt(x)
	}
}
