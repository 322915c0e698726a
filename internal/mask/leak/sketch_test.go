package leak

import (
	"hash/maphash"
	"strconv"
	"testing"
)

func TestSketchCountsDifferentValues(t *testing.T) {
	seed := maphash.MakeSeed()
	for _, n := range []int64{0, 1, 100, 5000, 60_000, 400_000} {
		var a, b, both sketch
		for i := range 3 * n {
			h := maphash.String(seed, strconv.FormatInt(i%n, 10))
			if i%2 == 0 {
				a.add(h)
			} else {
				b.add(h)
			}
		}
		both.merge(a)
		both.merge(b)
		if got := both.count(); got < n || float64(got) > 1.09*float64(n)+1 {
			t.Errorf("%d different values are counted as %d", n, got)
		}
	}
}
