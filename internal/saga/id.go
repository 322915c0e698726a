package saga

import (
	"crypto/sha1"
	"fmt"
	"strings"
)

// namespace is the UUID under which the ids below are named.
const namespace = "\x5c\x1f\x0e\x5a\x7a\x0b\x4d\x2b\x9d\x6e\x3b\x8f\x52\xa1\xc4\x07"

// DerivedID returns the UUIDv5 of a name with the given parts: the same parts have the same id, whoever asks.
func DerivedID(parts ...string) string {
	h := sha1.Sum([]byte(namespace + strings.Join(parts, "/"))) // what version 5 prescribes; nothing relies on its strength
	h[6] = h[6]&0x0f | 0x50
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// captureID names the capture that a generation of a step makes.
func captureID(run, step string, generation int) string {
	return DerivedID(run, step, fmt.Sprint(generation))
}
