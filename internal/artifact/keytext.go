package artifact

import (
	"encoding/base32"
	"strings"

	"github.com/zeebo/blake3"

	"github.com/tranship/tranship/internal/fault"
)

// Prefixes of the text forms of keys. The secret ones are in capitals, so that they stand out where they should not be.
const (
	publicKeyPrefix  = "tspub1"
	verifyKeyPrefix  = "tssig1"
	privateKeyPrefix = "TRANSHIP-PRIVATE-KEY-1"
	writerKeyPrefix  = "TRANSHIP-WRITER-KEY-1"
	signerPrefix     = "TRANSHIP-SIGNER-PRIVATE-KEY-1"
)

const checksumSize = 4

var textEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// encodeKey writes prefix and base32 of payload and a checksum over both, which catches typing errors.
func encodeKey(prefix string, payload []byte) string {
	text := textEncoding.EncodeToString(append(append([]byte{}, payload...), keyChecksum(prefix, payload)...))
	if prefix == strings.ToLower(prefix) {
		text = strings.ToLower(text)
	}
	return prefix + text
}

// decodeKey reads what encodeKey wrote. Its errors never show the text, which may be a secret in the wrong place.
func decodeKey(kind, prefix, text string) ([]byte, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), prefix)
	if !ok {
		return nil, fault.New(fault.Permanent, "key.text", "a %s starts with %s", kind, prefix)
	}
	if prefix == strings.ToLower(prefix) && rest != strings.ToLower(rest) {
		return nil, fault.New(fault.Permanent, "key.text", "a %s is in lower case", kind)
	}
	b, err := textEncoding.DecodeString(strings.ToUpper(rest))
	if err != nil || len(b) <= checksumSize {
		return nil, fault.New(fault.Permanent, "key.text", "the %s is incomplete or has a wrong character", kind)
	}
	payload, sum := b[:len(b)-checksumSize], b[len(b)-checksumSize:]
	if string(sum) != string(keyChecksum(prefix, payload)) {
		return nil, fault.New(fault.Permanent, "key.text", "the %s has a typing error: its checksum is wrong", kind)
	}
	return payload, nil
}

func keyChecksum(prefix string, payload []byte) []byte {
	h := blake3.New()
	_, _ = h.WriteString(prefix)
	_, _ = h.Write(payload)
	return h.Sum(nil)[:checksumSize]
}
