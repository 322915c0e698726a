package leak

import "math"

// alarm is the probability of a false alarm that a judgement allows.
const alarm = 1e-9

// defaultChance is how often a masked value of a class equals its own input, at most.
func defaultChance(c Class) float64 {
	switch c {
	case Name:
		return 1.0 / 4096 // dictionaries are small, and a name may be drawn for what another column says
	case Redrawn, Text:
		return 0
	}
	return 1e-6
}

// beyondChance reports whether k hits in n trials of probability p are so many that chance brings them with a probability
// below alarm. It uses Chernoff's bound of the binomial's upper tail, exp(-n·KL(k/n ‖ p)).
func beyondChance(k, n int64, p float64) bool {
	if k == 0 || n == 0 || p >= 1 {
		return false
	}
	if p <= 0 {
		return true
	}
	q := float64(k) / float64(n)
	if q <= p {
		return false
	}
	kl := q * math.Log(q/p)
	if q < 1 {
		kl += (1 - q) * math.Log((1-q)/(1-p))
	}
	return float64(n)*kl > -math.Log(alarm)
}
