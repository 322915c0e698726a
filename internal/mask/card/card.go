// Package card masks payment card numbers.
package card

import (
	"github.com/tranship/tranship/internal/mask"
	"github.com/tranship/tranship/internal/mask/ff1"
)

const (
	name    = "card"
	version = 1

	minDigits = 12
	maxDigits = 19
)

// Spec is the mask "card".
var Spec = mask.Spec{
	Name:    name,
	Summary: "another card number of the same network",
	Doc: "The digits that name the network (one to four) and the length stay; those between them and the check digit are permuted one to one " +
		"(FF1). The check digit moves by as much as the rest demands: a number that passes the Luhn check still does, one that fails it still " +
		"fails. Spaces, hyphens and dots stay. A masked number is as valid as the real one and may be a stranger's: targets must not be able " +
		"to charge it. Numbers have 12 to 19 digits.",
	Version:       version,
	Deterministic: true,
	Injective:     true,
	Reversible:    true,
	Kinds:         []mask.Kind{mask.KindText, mask.KindVarchar, mask.KindChar, mask.KindInt8, mask.KindNumeric},
	Canon:         func(mask.Column) (mask.Canon, error) { return canonical, nil },
	New:           build,
}

var (
	errCharacter = mask.Invalid("a card number has digits, spaces, hyphens and dots only")
	errLength    = mask.Invalid("a card number has 12 to 19 digits")
)

type transformer struct {
	key     mask.Key
	ciphers [maxDigits]*ff1.Int // by number of permuted digits, made when first needed
	digits  []byte
}

func build(cfg mask.Config, deps mask.Deps) (mask.Transformer, error) {
	key := deps.Epoch.Key(cfg.Identity, name)
	return &transformer{key: key}, nil
}

func (t *transformer) Transform(dst []byte, v mask.Value, _ *mask.Record) ([]byte, error) {
	var err error
	if t.digits, err = canonical(t.digits[:0], v.Raw); err != nil {
		return dst, err
	}
	if err := t.permute(t.digits); err != nil {
		return dst, err
	}
	next := 0
	for _, c := range v.Raw {
		if c >= '0' && c <= '9' {
			c = t.digits[next]
			next++
		}
		dst = append(dst, c)
	}
	return dst, nil
}

// permute masks the digits of a number in place.
func (t *transformer) permute(number []byte) error {
	last := len(number) - 1
	network := networkDigits(number)
	middle := number[network:last]
	delta := number[last] - '0' + 10 - check(number[:last])

	cipher := t.ciphers[len(middle)]
	if cipher == nil {
		var err error
		if cipher, err = ff1.NewInt(t.key.Bytes(), 10, len(middle), make([]byte, tweakSize)); err != nil {
			return err
		}
		t.ciphers[len(middle)] = cipher
	}
	// The kept digits are the tweak: equal middles of two networks become different ones.
	tweak := [tweakSize]byte{version, byte(len(number))}
	copy(tweak[2:], number[:network])
	cipher.SetTweak(tweak[:])

	x := uint64(0)
	for _, c := range middle {
		x = x*10 + uint64(c-'0')
	}
	x = cipher.Encrypt(x)
	for i := len(middle) - 1; i >= 0; i-- {
		middle[i] = byte('0' + x%10)
		x /= 10
	}
	number[last] = '0' + (check(number[:last])+delta)%10
	return nil
}

// tweakSize is the version, the length and up to four digits.
const tweakSize = 6

// networkDigits returns how many leading digits name the network. The answer never depends on digits behind them, so a
// masked number has the same network.
func networkDigits(number []byte) int {
	a, b := number[0], number[1]
	switch {
	case a == '4':
		return 1 // Visa
	case a == '3' && (b == '4' || b == '6' || b == '7' || b == '8' || b == '9'):
		return 2 // American Express, Diners Club
	case a == '5':
		return 2 // Mastercard, Maestro
	case a == '6' && (b == '2' || b == '5' || b == '7' || b == '9'):
		return 2 // UnionPay, Discover, Maestro
	default:
		return 4 // the rest is told apart by up to four digits: 2221-2720, 3528-3589, 6011, 644-649, …
	}
}

// check is the Luhn check digit of body.
func check(body []byte) byte {
	sum := 0
	double := true
	for i := len(body) - 1; i >= 0; i-- {
		d := int(body[i] - '0')
		if double {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
		double = !double
	}
	return byte((10 - sum%10) % 10)
}

// canonical appends the digits of a number.
func canonical(dst, raw []byte) ([]byte, error) {
	from := len(dst)
	for _, c := range raw {
		switch {
		case c >= '0' && c <= '9':
			dst = append(dst, c)
		case c != ' ' && c != '-' && c != '.':
			return dst[:from], errCharacter
		}
	}
	if n := len(dst) - from; n < minDigits || n > maxDigits {
		return dst[:from], errLength
	}
	return dst, nil
}
