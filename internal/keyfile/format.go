package keyfile

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/tranship/tranship/internal/fault"
)

// Kind says what a key is for.
type Kind string

// The kinds of keys, as messages name them.
const (
	LocationPrivate Kind = "location private key"
	LocationPublic  Kind = "location public key"
	Writer          Kind = "writer key"
	Masking         Kind = "masking key"
	SigningPrivate  Kind = "signing key"
	SigningPublic   Kind = "signing public key"
)

// The codes of faults.
const (
	CodeMalformed = "key.malformed" // the text is no key
	CodeKind      = "key.kind"      // the text is a key of another kind
	CodeWeak      = "key.weak"      // the key was not made by a random generator
	CodeExists    = "key.exists"    // the file is there already
)

// keySize is the size of every key in bytes.
const keySize = 32

// checkSize is the size of the checksum that follows the key in its text.
const checkSize = 4

// headers are the words that the text of each kind starts with. Public keys are one word, so that they fit into a field.
var headers = []struct {
	kind   Kind
	header string
	public bool
}{
	{LocationPrivate, "TRANSHIP-LOCATION-PRIVATE-KEY-1", false},
	{Writer, "TRANSHIP-WRITER-KEY-1", false},
	{Masking, "TRANSHIP-MASKING-KEY-1", false},
	{SigningPrivate, "TRANSHIP-SIGNING-PRIVATE-KEY-1", false},
	{LocationPublic, "tspub1", true},
	{SigningPublic, "tssig1", true},
}

func headerOf(kind Kind) (header string, public bool) {
	for _, h := range headers {
		if h.kind == kind {
			return h.header, h.public
		}
	}
	panic("keyfile: no header for a " + string(kind))
}

// encode returns the text of a key without a newline.
func encode(kind Kind, key []byte) string {
	header, public := headerOf(kind)
	body := base64.RawURLEncoding.EncodeToString(append(bytes.Clone(key), checksum(header, key)...))
	if public {
		return header + body
	}
	return header + " " + body
}

// decode returns the bytes of the one key in text, which must be of the wanted kind. Empty lines and lines that start
// with # do not count.
func decode(text []byte, want Kind) ([]byte, error) {
	line, err := keyLine(text)
	if err != nil {
		return nil, fault.New(fault.Permanent, CodeMalformed, "%w where a %s is expected", err, want)
	}
	kind, header, body := classify(line)
	if kind == "" {
		return nil, fault.New(fault.Permanent, CodeMalformed, "text that is no Tranship key where a %s is expected", want).
			WithHint("tranship keys generate makes key files")
	}
	if kind != want {
		return nil, fault.New(fault.Permanent, CodeKind, "a %s where a %s is expected", kind, want)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || len(raw) != keySize+checkSize {
		return nil, fault.New(fault.Permanent, CodeMalformed, "a %s that is cut off or was changed", want)
	}
	key, check := raw[:keySize], raw[keySize:]
	if subtle.ConstantTimeCompare(check, checksum(header, key)) != 1 {
		return nil, fault.New(fault.Permanent, CodeMalformed, "a %s with a wrong checksum: it was changed", want)
	}
	if constant(key) {
		return nil, fault.New(fault.Permanent, CodeWeak, "a %s that consists of one byte repeated", want)
	}
	return key, nil
}

// keyLine returns the one line that holds a key.
func keyLine(text []byte) (string, error) {
	var found string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case found != "":
			return "", fmt.Errorf("more than one line")
		default:
			found = line
		}
	}
	if found == "" {
		return "", fmt.Errorf("an empty text")
	}
	return found, nil
}

// classify splits the text of a key into header and body; the kind is "" when no header fits.
func classify(line string) (kind Kind, header, body string) {
	for _, h := range headers {
		if rest, ok := strings.CutPrefix(line, h.header); ok {
			if h.public {
				return h.kind, h.header, rest
			}
			if body, ok := strings.CutPrefix(rest, " "); ok {
				return h.kind, h.header, body
			}
		}
	}
	return "", "", ""
}

// checksum guards against a changed character. It lies beside the key itself and so gives nothing away.
func checksum(header string, key []byte) []byte {
	h := sha256.New()
	h.Write([]byte(header))
	h.Write(key)
	return h.Sum(nil)[:checkSize]
}

// constant reports whether all bytes are the same, as in a file that was zeroed.
func constant(key []byte) bool {
	return bytes.Count(key, key[:1]) == len(key)
}

// idOfPublic is the id of a key pair: the start of a digest of its public key.
func idOfPublic(header string, public []byte) string {
	sum := sha256.Sum256(append([]byte(header+" id "), public...))
	return hex.EncodeToString(sum[:8])
}

// idOfSecret is the id of a symmetric key: a key check value, which says nothing about a key of 256 random bits.
func idOfSecret(header string, key []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(header + " id"))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}
