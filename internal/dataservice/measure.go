package dataservice

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"

	"github.com/zeebo/blake3"
)

// MeasureKey keys the digests of rows. It is drawn at random for a capture and lives in the sealed part of its manifest,
// so that a digest tells nothing to those who cannot read the capture.
type MeasureKey [32]byte

// NewMeasureKey draws a key.
func NewMeasureKey() MeasureKey {
	var k MeasureKey
	_, _ = rand.Read(k[:]) // never fails
	return k
}

// MarshalText writes the key as hex.
func (k MeasureKey) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(k[:])), nil }

// UnmarshalText reads what MarshalText wrote.
func (k *MeasureKey) UnmarshalText(b []byte) error {
	n, err := hex.Decode(k[:], b)
	if err != nil || n != len(k) || len(b) != 2*len(k) {
		return errors.New("a measure key is 64 hex digits")
	}
	return nil
}

// Measure says how many rows there are and, independent of their order, what they hold: Sum is the sum modulo 2²⁵⁶ of the
// keyed BLAKE3 of each row. Equal sets of rows have equal measures, and measures of parts add up.
type Measure struct {
	Rows int64 `json:"rows"`
	Sum  Sum   `json:"sum"`
}

// Sum is an integer modulo 2²⁵⁶, least significant word first.
type Sum [4]uint64

// MarshalText writes the sum as 64 hex digits, most significant first.
func (s Sum) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%016x%016x%016x%016x", s[3], s[2], s[1], s[0]), nil
}

// UnmarshalText reads what MarshalText wrote.
func (s *Sum) UnmarshalText(b []byte) error {
	var raw [32]byte
	if n, err := hex.Decode(raw[:], b); err != nil || n != len(raw) || len(b) != 2*len(raw) {
		return errors.New("a sum is 64 hex digits")
	}
	for i := range s {
		s[i] = binary.BigEndian.Uint64(raw[(3-i)*8:])
	}
	return nil
}

// Add returns the measure of two disjoint parts together.
func (m Measure) Add(o Measure) Measure {
	m.Rows += o.Rows
	m.Sum.add(&o.Sum)
	return m
}

func (s *Sum) add(o *Sum) {
	var carry uint64
	for i := range s {
		s[i], carry = bits.Add64(s[i], o[i], carry)
	}
}

// Meter measures rows of text that end with a newline, written in pieces of any size. It is an io.Writer, and not safe
// for concurrent use.
type Meter struct {
	hash    *blake3.Hasher
	partial []byte
	m       Measure
	digest  [32]byte
}

// NewMeter returns a meter under key.
func NewMeter(key MeasureKey) *Meter {
	h, err := blake3.NewKeyed(key[:])
	if err != nil {
		panic(err) // only for keys of another length than 32 bytes
	}
	return &Meter{hash: h}
}

// Write measures the rows in p; a row that p does not end waits for the next Write.
func (m *Meter) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			m.partial = append(m.partial, p...)
			return n, nil
		}
		if len(m.partial) > 0 {
			m.partial = append(m.partial, p[:i]...)
			m.row(m.partial)
			m.partial = m.partial[:0]
		} else {
			m.row(p[:i])
		}
		p = p[i+1:]
	}
}

func (m *Meter) row(row []byte) {
	m.hash.Reset()
	_, _ = m.hash.Write(row)
	m.hash.Sum(m.digest[:0])
	var s Sum
	for i := range s {
		s[i] = binary.LittleEndian.Uint64(m.digest[i*8:])
	}
	m.m.Sum.add(&s)
	m.m.Rows++
}

// Measure returns what was measured. A last row without a newline is an error: COPY text always ends with one.
func (m *Meter) Measure() (Measure, error) {
	if len(m.partial) > 0 {
		return Measure{}, errors.New("the last row has no newline: the stream was cut")
	}
	return m.m, nil
}
