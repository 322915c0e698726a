package permute_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/tranship/tranship/internal/mask/permute"
)

var key = []byte("0123456789abcdefFEDCBA9876543210")

func TestEverySmallDomainIsOneCycle(t *testing.T) {
	for _, n := range []uint64{1, 2, 3, 7, 100, 4096, 99_991} {
		p, err := permute.New(key, n, []byte("tweak"))
		if err != nil {
			t.Fatal(err)
		}
		steps := uint64(0)
		for x, start := p.Forward(0), true; start || x != 0; x, start = p.Forward(x), false {
			if steps++; steps > n {
				t.Fatalf("n=%d: not a permutation", n)
			}
			if x == 0 {
				break
			}
		}
		if n == 1 {
			continue
		}
		if steps+1 != n {
			t.Errorf("n=%d: the cycle of 0 has %d members", n, steps+1)
		}
	}
}

func TestLargeDomainIsPermuted(t *testing.T) {
	const n = 1_200_007
	p, err := permute.New(key, n, nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := make([]bool, n)
	for x := range uint64(n) {
		y := p.Forward(x)
		if y >= n || seen[y] {
			t.Fatalf("%d became %d, which is taken or out of range", x, y)
		}
		seen[y] = true
	}
}

func TestBackwardIsTheInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.OneOf(rapid.Uint64Range(1, 5000), rapid.Uint64Min(1_000_000)).Draw(t, "n")
		p, err := permute.New(key, n, rapid.SliceOf(rapid.Byte()).Draw(t, "tweak"))
		if err != nil {
			t.Fatal(err)
		}
		x := rapid.Uint64Range(0, n-1).Draw(t, "x")
		y := p.Forward(x)
		if y >= n || p.Backward(y) != x {
			t.Fatalf("%d became %d and came back as %d", x, y, p.Backward(y))
		}
	})
}

func TestKeyAndTweakSelectThePermutation(t *testing.T) {
	for _, n := range []uint64{1000, 1 << 40} {
		a, err := permute.New(key, n, []byte("a"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := permute.New(key, n, []byte("b"))
		if err != nil {
			t.Fatal(err)
		}
		other := append([]byte(nil), key...)
		other[31] ^= 1
		c, err := permute.New(other, n, []byte("a"))
		if err != nil {
			t.Fatal(err)
		}
		sameTweak, sameKey := 0, 0
		for x := range uint64(1000) {
			if a.Forward(x) == b.Forward(x) {
				sameKey++
			}
			if a.Forward(x) == c.Forward(x) {
				sameTweak++
			}
		}
		if sameKey > 20 || sameTweak > 20 {
			t.Errorf("n=%d: %d and %d of 1000 values agree", n, sameKey, sameTweak)
		}
	}
}

func TestEmptyDomainIsRefused(t *testing.T) {
	if _, err := permute.New(key, 0, nil); err == nil {
		t.Error("no error")
	}
}

func TestLargeDomainDoesNotAllocate(t *testing.T) {
	p, err := permute.New(key, 1<<30-1, nil)
	if err != nil {
		t.Fatal(err)
	}
	x := uint64(1)
	if n := testing.AllocsPerRun(100, func() { x = p.Forward(x) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkForward(b *testing.B) {
	p, err := permute.New(key, 1<<30-1, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	x := uint64(1)
	for b.Loop() {
		x = p.Forward(x)
	}
}
