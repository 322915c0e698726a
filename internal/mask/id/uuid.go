package id

import (
	"encoding/binary"
	"encoding/hex"

	"github.com/tranship/tranship/internal/mask"
)

const (
	uuidName    = "id.uuid"
	uuidVersion = 1

	day  = uint64(24 * 60 * 60)
	year = 365 * day
)

// UUID is the mask "id.uuid".
var UUID = mask.Spec{
	Name:    uuidName,
	Summary: "another UUID of the same version",
	Doc: "All bits come from the keyed hash of the UUID, but version and variant stay. Versions 1, 6 and 7 hold the time of their making: it moves " +
		"back by 1 to 366 days, to the finest unit, so that it neither matches a shifted date nor leaves the plausible range; a node or clock part " +
		"is random. The nil UUID and the one with all bits set stay. Two random UUIDs collide with probability 2⁻¹²², two of the same " +
		"instant with 2⁻¹⁰⁸ or less. Upper case, missing hyphens and braces stay as they are in textual columns.",
	Version:       uuidVersion,
	Deterministic: true,
	Bits:          108,
	Kinds:         []mask.Kind{mask.KindUUID, mask.KindText, mask.KindVarchar, mask.KindChar},
	Canon:         func(mask.Column) (mask.Canon, error) { return mask.CanonUUID, nil },
	New: func(cfg mask.Config, deps mask.Deps) (mask.Transformer, error) {
		return &uuidTransformer{prf: deps.Epoch.PRF(cfg.Identity, uuidName, uuidVersion)}, nil
	},
}

type uuidTransformer struct {
	prf   *mask.PRF
	canon []byte
	id    [16]byte
	hex   [32]byte
}

func (t *uuidTransformer) Transform(dst []byte, v mask.Value, _ *mask.Record) ([]byte, error) {
	var err error
	if t.canon, err = mask.CanonUUID(t.canon[:0], v.Raw); err != nil {
		return dst, err
	}
	n := 0
	for _, c := range t.canon {
		if c != '-' {
			t.hex[n] = c
			n++
		}
	}
	if _, err := hex.Decode(t.id[:], t.hex[:]); err != nil {
		return dst, err // CanonUUID has seen to it that this cannot be
	}
	if t.id == [16]byte{} || constant(t.id[:], 0xff) {
		return append(dst, v.Raw...), nil
	}
	t.mask(t.prf.Sum(t.canon))
	hex.Encode(t.hex[:], t.id[:])
	return appendLike(dst, mask.Trim(v.Raw), t.hex[:]), nil
}

// mask replaces t.id, using all 32 bytes of sum.
func (t *uuidTransformer) mask(sum []byte) {
	old := t.id
	copy(t.id[:], sum[:16])
	back := binary.BigEndian.Uint64(sum[16:])
	switch {
	case old[8]&0xc0 != 0x80: // not the variant of RFC 9562: nothing is known about its layout
		t.id[8] = t.id[8]&0x1f | old[8]&0xe0
		return
	case old[6]>>4 == 7:
		ms := uint64(binary.BigEndian.Uint32(old[:]))<<16 | uint64(binary.BigEndian.Uint16(old[4:]))
		ms = (ms - day*1e3 - back%(year*1e3)) & (1<<48 - 1)
		binary.BigEndian.PutUint32(t.id[:], uint32(ms>>16))
		binary.BigEndian.PutUint16(t.id[4:], uint16(ms))
	case old[6]>>4 == 1:
		ticks := uint64(binary.BigEndian.Uint16(old[6:])&0xfff)<<48 | uint64(binary.BigEndian.Uint16(old[4:]))<<32 | uint64(binary.BigEndian.Uint32(old[:]))
		ticks = (ticks - day*1e7 - back%(year*1e7)) & (1<<60 - 1)
		binary.BigEndian.PutUint32(t.id[:], uint32(ticks))
		binary.BigEndian.PutUint16(t.id[4:], uint16(ticks>>32))
		binary.BigEndian.PutUint16(t.id[6:], uint16(ticks>>48))
		t.id[10] |= 1 // a node that is not a network card's
	case old[6]>>4 == 6:
		ticks := binary.BigEndian.Uint64(old[:])>>16<<12 | uint64(binary.BigEndian.Uint16(old[6:])&0xfff)
		ticks = (ticks - day*1e7 - back%(year*1e7)) & (1<<60 - 1)
		binary.BigEndian.PutUint32(t.id[:], uint32(ticks>>28))
		binary.BigEndian.PutUint16(t.id[4:], uint16(ticks>>12))
		binary.BigEndian.PutUint16(t.id[6:], uint16(ticks&0xfff))
		t.id[10] |= 1
	}
	t.id[6] = t.id[6]&0x0f | old[6]&0xf0
	t.id[8] = t.id[8]&0x3f | 0x80
}

// appendLike appends digits in the form of raw: its case and whatever is not a digit.
func appendLike(dst, raw, digits []byte) []byte {
	upper := false
	for _, c := range raw {
		if c >= 'a' && c <= 'f' {
			upper = false
			break
		}
		upper = upper || c >= 'A' && c <= 'F'
	}
	n := 0
	for _, c := range raw {
		if c == '-' || c == '{' || c == '}' {
			dst = append(dst, c)
			continue
		}
		d := digits[n]
		n++
		if upper && d >= 'a' {
			d -= 'a' - 'A'
		}
		dst = append(dst, d)
	}
	return dst
}

func constant(b []byte, want byte) bool {
	for _, c := range b {
		if c != want {
			return false
		}
	}
	return true
}
