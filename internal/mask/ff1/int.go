package ff1

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Int is FF1 over the whole numbers [0, radix^length): the number's base-radix digits with leading zeros are the numeral
// string. The domain is at most 2⁶⁴ values. An Int has scratch space and belongs to one goroutine.
type Int struct {
	block   cipher.Block
	last    uint64          // the largest number of the domain
	modulus [2]uint64       // of the left and the right half
	take    int             // bytes of S: 8 or 12
	width   int             // bytes of the number in Q
	tweak   int             // bytes of the tweak
	at      int             // where the number of the round stands in the last block of Q
	first   [blockSize]byte // the cipher's state behind the block P
	final   [blockSize]byte // its state before the last block of Q, mixed with what that block holds of the tweak
	scratch [blockSize]byte
}

// NewInt returns FF1 over [0, radix^length). Its key is as that of New, the tweak likewise.
func NewInt(key []byte, radix, length int, tweak []byte) (*Int, error) {
	if radix < 2 || radix > maxRadix {
		return nil, fmt.Errorf("ff1: radix %d, want 2 to %d", radix, maxRadix)
	}
	if len(tweak) > maxTweak {
		return nil, fmt.Errorf("ff1: tweak of %d bytes, want at most %d", len(tweak), maxTweak)
	}
	last, ok := lastOf(radix, length)
	if !ok {
		return nil, fmt.Errorf("ff1: %d numerals of radix %d do not fit 64 bits", length, radix)
	}
	if length < 2 || last < MinDomain-1 {
		return nil, fmt.Errorf("%w: %d numerals of radix %d", ErrDomain, length, radix)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("ff1: %w", err)
	}
	u := length / 2
	left, _ := lastOf(radix, u)
	right, _ := lastOf(radix, length-u)
	c := &Int{block: block, last: last, modulus: [2]uint64{left + 1, right + 1}}
	width := (bits.Len64(right) + 7) / 8
	c.take = 4*((width+3)/4) + 4

	c.width = width
	c.tweak = len(tweak)
	for i, b := range header(radix, u, length, len(tweak)) {
		c.first[i] = b
	}
	c.block.Encrypt(c.first[:], c.first[:])
	c.absorb(tweak)
	return c, nil
}

// lastOf returns radix^length - 1 when it fits 64 bits.
func lastOf(radix, length int) (uint64, bool) {
	last := uint64(0)
	for range length {
		hi, lo := bits.Mul64(last, uint64(radix))
		sum, carry := bits.Add64(lo, uint64(radix-1), 0)
		if hi != 0 || carry != 0 {
			return 0, false
		}
		last = sum
	}
	return last, true
}

// SetTweak exchanges the tweak for one of the same length. It allocates nothing for tweaks of up to nine bytes, which
// need no AES block of their own. It panics when the length differs.
func (c *Int) SetTweak(tweak []byte) {
	if len(tweak) != c.tweak {
		panic(fmt.Sprintf("ff1: tweak of %d bytes, want %d", len(tweak), c.tweak))
	}
	c.absorb(tweak)
}

// absorb brings the state up to the last block of Q, which is the same for all rounds and numbers but for its end.
func (c *Int) absorb(tweak []byte) {
	c.final = c.first
	c.at = blockSize - 1 - c.width
	if len(tweak) <= c.at {
		for i, b := range tweak {
			c.final[i] ^= b
		}
		return
	}
	message := append([]byte(nil), tweak...)
	message = append(message, make([]byte, padding(len(tweak), c.width))...)
	for ; len(message) >= blockSize; message = message[blockSize:] {
		for i := range c.final {
			c.final[i] ^= message[i]
		}
		c.block.Encrypt(c.final[:], c.final[:])
	}
	for i, b := range message {
		c.final[i] ^= b
	}
}

// Last returns the largest number of the domain.
func (c *Int) Last() uint64 { return c.last }

// Encrypt permutes x. It panics when x is above Last.
func (c *Int) Encrypt(x uint64) uint64 {
	a, b := c.split(x)
	for i := range rounds {
		m := c.modulus[i&1]
		a, b = b, addMod(a, c.round(i, b, m), m)
	}
	return a*c.modulus[1] + b
}

// Decrypt is the inverse of Encrypt.
func (c *Int) Decrypt(x uint64) uint64 {
	a, b := c.split(x)
	for i := rounds - 1; i >= 0; i-- {
		m := c.modulus[i&1]
		y := c.round(i, a, m)
		a, b = addMod(b, m-y, m), a
	}
	return a*c.modulus[1] + b
}

func (c *Int) split(x uint64) (a, b uint64) {
	if x > c.last {
		panic(fmt.Sprintf("ff1: a number outside the domain of %d", c.last))
	}
	return x / c.modulus[1], x % c.modulus[1]
}

// round returns y mod m for the half x.
func (c *Int) round(i int, x, m uint64) uint64 {
	c.scratch = c.final
	c.scratch[c.at] ^= byte(i)
	// A half has at most six bytes, so it ends inside the last eight.
	binary.BigEndian.PutUint64(c.scratch[8:], binary.BigEndian.Uint64(c.scratch[8:])^x)
	c.block.Encrypt(c.scratch[:], c.scratch[:])
	high := binary.BigEndian.Uint64(c.scratch[:8])
	if c.take == 8 {
		return high % m
	}
	// S has 12 bytes: reduce high·2³² + the next four bytes.
	low := uint64(binary.BigEndian.Uint32(c.scratch[8:12]))
	_, rest := bits.Div64((high>>32)%m, high<<32|low, m)
	return rest
}

// addMod returns a+b mod m, for a < m and b <= m.
func addMod(a, b, m uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry != 0 || sum >= m {
		sum -= m
	}
	return sum
}
