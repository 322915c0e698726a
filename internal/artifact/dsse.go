package artifact

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

const statementType = "application/vnd.in-toto+json"

// Signature is one signature over a statement or a report.
type Signature struct {
	KeyID string `json:"keyid"` // VerifyKey.Fingerprint
	Sig   []byte `json:"sig"`
}

// envelope is a DSSE envelope.
type envelope struct {
	PayloadType string      `json:"payloadType"`
	Payload     []byte      `json:"payload"`
	Signatures  []Signature `json:"signatures"`
}

// preAuth is what DSSE signs: the type and the payload, each with its length.
func preAuth(payloadType string, payload []byte) []byte {
	b := fmt.Appendf(nil, "DSSEv1 %d %s %d ", len(payloadType), payloadType, len(payload))
	return append(b, payload...)
}

func sign(s *Signer, payloadType string, payload []byte) Signature {
	return Signature{KeyID: s.Public().Fingerprint(), Sig: ed25519.Sign(s.key, preAuth(payloadType, payload))}
}

// signedBy reports whether a trusted key of the role signed the envelope.
func (e *envelope) signedBy(t Trusted, role Role) bool {
	for _, s := range e.Signatures {
		if k, ok := t.find(role, s.KeyID); ok && ed25519.Verify(k.key[:], preAuth(e.PayloadType, e.Payload), s.Sig) {
			return true
		}
	}
	return false
}

// need returns ErrUntrusted unless a trusted key of each role signed the envelope. A key that is listed for two roles
// signs for one of them only.
func (e *envelope) need(what string, t Trusted, roles ...Role) error {
	seen := map[string]Role{}
	for _, role := range roles {
		found := false
		for _, s := range e.Signatures {
			k, ok := t.find(role, s.KeyID)
			if !ok || seen[s.KeyID] != "" || !ed25519.Verify(k.key[:], preAuth(e.PayloadType, e.Payload), s.Sig) {
				continue
			}
			seen[s.KeyID], found = role, true
			break
		}
		if !found {
			return fault.New(fault.Denied, "signature.missing", "%s: %w: none by a trusted %s", what, ErrUntrusted, role).
				WithHint("list the public key of the %s that made it under the location's signers, if it is to be trusted", role)
		}
	}
	return nil
}

func (e *envelope) encode() ([]byte, error) { return encodeJSON(e) }

// decodeEnvelope reads an envelope in exactly the form that encode writes, so that no byte of it is without meaning.
func decodeEnvelope(at blob.Key, b []byte, payloadType string) (*envelope, error) {
	var e envelope
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return nil, corrupt(at, "%w", err)
	}
	if e.PayloadType != payloadType {
		return nil, corrupt(at, "its payload is a %.100q", e.PayloadType)
	}
	again, err := e.encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, b) {
		return nil, corrupt(at, "it is not in the form that its writer gave it")
	}
	return &e, nil
}

func encodeJSON(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fault.New(fault.Permanent, "artifact.encode", "encode an object: %w", err)
	}
	return b, nil
}
