// Package ff1 is the format-preserving encryption mode FF1 of NIST SP 800-38G over AES.
//
// It has two forms of one function: [Cipher] takes numeral strings of any length in any radix, [Int] takes whole numbers
// of a domain below 2⁶⁴ and needs ten AES blocks and no allocation. Both refuse domains of fewer than one million values,
// where FF1 does not hide which value became which; use package permute for those.
package ff1

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
)

// MinDomain is the smallest number of values that FF1 may permute.
const MinDomain = 1_000_000

const (
	rounds    = 10
	blockSize = aes.BlockSize
	maxRadix  = 1 << 16
	maxTweak  = 1 << 16
)

// ErrDomain is returned for a radix and length that make fewer than MinDomain values.
var ErrDomain = errors.New("the domain is too small for FF1")

// Cipher encrypts numeral strings of one radix under one key and tweak. It is safe for concurrent use.
type Cipher struct {
	block cipher.Block
	radix int
	tweak []byte
}

// New returns a Cipher. The key has 16, 24 or 32 bytes, the radix is 2 to 65536, the tweak has at most 65536 bytes.
func New(key []byte, radix int, tweak []byte) (*Cipher, error) {
	if radix < 2 || radix > maxRadix {
		return nil, fmt.Errorf("ff1: radix %d, want 2 to %d", radix, maxRadix)
	}
	if len(tweak) > maxTweak {
		return nil, fmt.Errorf("ff1: tweak of %d bytes, want at most %d", len(tweak), maxTweak)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("ff1: %w", err)
	}
	return &Cipher{block: block, radix: radix, tweak: append([]byte(nil), tweak...)}, nil
}

// Encrypt returns the ciphertext of x, a string of numerals below the radix, with the most significant first.
func (c *Cipher) Encrypt(x []uint16) ([]uint16, error) { return c.feistel(x, true) }

// Decrypt is the inverse of Encrypt.
func (c *Cipher) Decrypt(x []uint16) ([]uint16, error) { return c.feistel(x, false) }

func (c *Cipher) feistel(x []uint16, forward bool) ([]uint16, error) {
	n := len(x)
	if n < 2 || float64(n)*math.Log(float64(c.radix)) < math.Log(MinDomain)-1e-9 {
		return nil, fmt.Errorf("%w: %d numerals of radix %d", ErrDomain, n, c.radix)
	}
	if int64(n) > math.MaxUint32 {
		return nil, fmt.Errorf("ff1: %d numerals, want fewer than 2³²", n)
	}
	for i, d := range x {
		if int(d) >= c.radix {
			return nil, fmt.Errorf("ff1: numeral %d is not below radix %d", i, c.radix)
		}
	}
	u := n / 2
	v := n - u
	radix := big.NewInt(int64(c.radix))
	modulus := [2]*big.Int{
		new(big.Int).Exp(radix, big.NewInt(int64(u)), nil),
		new(big.Int).Exp(radix, big.NewInt(int64(v)), nil),
	}
	// radix^v - 1 has as many bits as the largest number of v numerals: no logarithm, so no rounding.
	width := (new(big.Int).Sub(modulus[1], big.NewInt(1)).BitLen() + 7) / 8
	f := newRound(c.block, c.radix, u, n, c.tweak, width)

	a, b := number(x[:u], radix), number(x[u:], radix)
	if forward {
		for i := range rounds {
			y := f.apply(i, b)
			a.Add(a, y).Mod(a, modulus[i%2])
			a, b = b, a
		}
	} else {
		for i := rounds - 1; i >= 0; i-- {
			y := f.apply(i, a)
			b.Sub(b, y).Mod(b, modulus[i%2])
			a, b = b, a
		}
	}
	out := make([]uint16, n)
	numerals(out[:u], a, radix)
	numerals(out[u:], b, radix)
	return out, nil
}

// round is the function of a Feistel round for strings of one length.
type round struct {
	block  cipher.Block
	width  int    // bytes of the number in Q
	take   int    // bytes of S
	prefix []byte // P and the tweak with its padding: all before the round's number
}

func newRound(block cipher.Block, radix, u, n int, tweak []byte, width int) *round {
	f := &round{block: block, width: width, take: 4*((width+3)/4) + 4}
	f.prefix = append(header(radix, u, n, len(tweak)), tweak...)
	f.prefix = append(f.prefix, make([]byte, padding(len(tweak), width))...)
	return f
}

func (f *round) apply(i int, x *big.Int) *big.Int {
	message := append([]byte(nil), f.prefix...)
	message = append(message, byte(i))
	message = append(message, x.FillBytes(make([]byte, f.width))...)
	var r [blockSize]byte
	for ; len(message) > 0; message = message[blockSize:] {
		for k := range r {
			r[k] ^= message[k]
		}
		f.block.Encrypt(r[:], r[:])
	}
	s := append([]byte(nil), r[:]...)
	for j := 1; len(s) < f.take; j++ {
		next := r
		low := binary.BigEndian.Uint64(next[8:])
		binary.BigEndian.PutUint64(next[8:], low^uint64(j))
		f.block.Encrypt(next[:], next[:])
		s = append(s, next[:]...)
	}
	return new(big.Int).SetBytes(s[:f.take])
}

// header is the block P of the specification.
func header(radix, u, n, tweak int) []byte {
	p := []byte{1, 2, 1, byte(radix >> 16), byte(radix >> 8), byte(radix), rounds, byte(u)}
	p = binary.BigEndian.AppendUint32(p, uint32(n))
	return binary.BigEndian.AppendUint32(p, uint32(tweak))
}

// padding is how many zero bytes stand between the tweak and the round's number.
func padding(tweak, width int) int {
	return (blockSize - (tweak+width+1)%blockSize) % blockSize
}

func number(x []uint16, radix *big.Int) *big.Int {
	sum, digit := new(big.Int), new(big.Int)
	for _, d := range x {
		sum.Mul(sum, radix).Add(sum, digit.SetUint64(uint64(d)))
	}
	return sum
}

func numerals(dst []uint16, x, radix *big.Int) {
	rest, digit := new(big.Int).Set(x), new(big.Int)
	for i := len(dst) - 1; i >= 0; i-- {
		rest.DivMod(rest, radix, digit)
		dst[i] = uint16(digit.Uint64())
	}
}
