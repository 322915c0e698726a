package leak

import (
	"math"
	"math/bits"
)

// sketch estimates how many different values it was shown (HyperLogLog). Its standard error is below one percent.
type sketch []uint8

const sketchBits = 14

func (s *sketch) add(hash uint64) {
	if *s == nil {
		*s = make(sketch, 1<<sketchBits)
	}
	// Bits that decide about the sample are equal for all values: those at the top are used.
	at := hash >> (64 - sketchBits)
	rank := uint8(bits.LeadingZeros64(hash<<sketchBits|1<<(sketchBits-1))) + 1
	(*s)[at] = max((*s)[at], rank)
}

func (s *sketch) merge(o sketch) {
	if o == nil {
		return
	}
	if *s == nil {
		*s = make(sketch, 1<<sketchBits)
	}
	for i, rank := range o {
		(*s)[i] = max((*s)[i], rank)
	}
}

// count returns five standard errors more than is likely, so that an error of the estimate is no alarm.
func (s sketch) count() int64 {
	if s == nil {
		return 0
	}
	m, sum, empty := float64(len(s)), 0.0, 0
	for _, rank := range s {
		sum += math.Ldexp(1, -int(rank))
		if rank == 0 {
			empty++
		}
	}
	estimate := 0.7213 / (1 + 1.079/m) * m * m / sum
	if estimate < 2.5*m && empty > 0 {
		estimate = m * math.Log(m/float64(empty))
	}
	return int64(math.Ceil(estimate * 1.041))
}
