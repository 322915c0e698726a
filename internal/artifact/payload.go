package artifact

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tranship/tranship/internal/fault"
)

// Relation says how a capture came from another.
type Relation string

// The relations.
const (
	IncrementalBase Relation = "incremental-base"
	MaskedFrom      Relation = "masked-from"
	TransferredFrom Relation = "transferred-from"
)

// Parent is a capture that another came from. A masked capture names its raw parent by digest only.
type Parent struct {
	Relation Relation `json:"relation"`
	Capture  string   `json:"capture,omitempty"` // empty for masked-from
	Manifest Digest   `json:"manifest"`          // digest of the parent's manifest object
}

// Masking says how a masked capture was made.
type Masking struct {
	Policy  Digest `json:"policy"` // digest of the masking policy as it was applied
	Epoch   int    `json:"epoch"`
	Engine  string `json:"engine"`            // version of the masking engine
	Verdict string `json:"verdict,omitempty"` // of the leak scan; the verifier adds it
}

// ClearArtifact is what everybody may know of a stream: its size, and the digest of its sealed recipe.
type ClearArtifact struct {
	Stream string `json:"stream"`
	Bytes  int64  `json:"bytes"`
	Stored int64  `json:"stored"`
	Chunks int64  `json:"chunks"`
	Recipe Digest `json:"recipe"`
}

// Totals are sums over the artifacts.
type Totals struct {
	Streams int64 `json:"streams"`
	Bytes   int64 `json:"bytes"`
	Stored  int64 `json:"stored"`
	Chunks  int64 `json:"chunks"`
}

// Payload is the predicate of a manifest: what is signed, and readable without any key. What would tell something of the
// content is in Sealed.
type Payload struct {
	Capture     string    `json:"capture"`
	Run         string    `json:"run"`
	Application string    `json:"application"`
	Trust       Trust     `json:"trust"`
	Keyset      string    `json:"keyset"`
	Created     time.Time `json:"created"` // the consistent point, by the clock of the worker that made it
	Builder     string    `json:"builder"` // program and version
	Parents     []Parent  `json:"parents"`
	Masking     *Masking  `json:"masking,omitempty"` // of masked captures
	// Retention holds labels for retention rules, such as the policy and the slot that the capture was made for.
	Retention map[string]string `json:"retention,omitempty"`
	// Origin is the manifest object that a transferred capture was first committed with.
	Origin []byte `json:"origin,omitempty"`

	// Fill sets the rest.
	Root      Digest          `json:"root"`
	Artifacts []ClearArtifact `json:"artifacts"`
	Sessions  []string        `json:"sessions"` // whose packs and keys the capture needs
	Totals    Totals          `json:"totals"`
	Sealed    []byte          `json:"sealed"`
}

// statement is an in-toto Statement v1.
type statement struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     *Payload  `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

const (
	statementURI = "https://in-toto.io/Statement/v1"
	predicateURI = "https://tranship.io/capture/v1"
)

// Statement is a payload as it is signed and stored, to the byte.
type Statement []byte

// Statement returns the statement of p. Equal payloads give equal statements, also after a trip through JSON.
func (p Payload) Statement() (Statement, error) {
	p.Created = p.Created.UTC()
	if p.Parents == nil {
		p.Parents = []Parent{}
	}
	b, err := encodeJSON(statement{
		Type: statementURI, PredicateType: predicateURI, Predicate: &p,
		Subject: []subject{{Name: p.Capture, Digest: map[string]string{"blake3": fmt.Sprintf("%x", p.Root[:])}}},
	})
	return b, err
}

// Payload reads the statement back. It refuses one that is not in the exact form that Payload.Statement gives.
func (s Statement) Payload() (Payload, error) {
	var st statement
	d := json.NewDecoder(bytes.NewReader(s))
	d.DisallowUnknownFields()
	if err := d.Decode(&st); err != nil {
		return Payload{}, fault.New(fault.Permanent, "artifact.corrupt", "manifest statement: %w: %w", ErrCorrupt, err)
	}
	if st.Type != statementURI || st.PredicateType != predicateURI || st.Predicate == nil {
		return Payload{}, fault.New(fault.Permanent, "artifact.corrupt", "manifest statement: %w: it is of another type", ErrCorrupt)
	}
	again, err := st.Predicate.Statement()
	if err != nil {
		return Payload{}, err
	}
	if !bytes.Equal(again, s) {
		return Payload{}, fault.New(fault.Permanent, "artifact.corrupt", "manifest statement: %w: it is not in canonical form", ErrCorrupt)
	}
	if err := st.Predicate.validate(); err != nil {
		return Payload{}, fault.New(fault.Permanent, "artifact.corrupt", "manifest statement: %w: %w", ErrCorrupt, err)
	}
	return *st.Predicate, nil
}

func (p *Payload) validate() error {
	if err := errors.Join(validateName("capture", p.Capture), validateName("run", p.Run), p.Trust.Validate()); err != nil {
		return err
	}
	if (p.Masking != nil) != (p.Trust == Masked) {
		return errors.New("masking: a masked capture says how it was masked, and no other does")
	}
	transferred := false
	for i, parent := range p.Parents {
		switch {
		case parent.Relation == MaskedFrom && (p.Trust != Masked || parent.Capture != ""):
			return fmt.Errorf("parents[%d]: only a masked capture is masked-from another, which it names by digest only", i)
		case parent.Relation == TransferredFrom:
			transferred = true
		case parent.Relation != MaskedFrom && parent.Relation != IncrementalBase:
			return fmt.Errorf("parents[%d]: relation %.40q is not known", i, string(parent.Relation))
		}
	}
	if transferred != (len(p.Origin) > 0) {
		return errors.New("origin: a transferred capture carries its first manifest, and no other does")
	}
	var sum Totals
	for i, a := range p.Artifacts {
		if err := validateStream(a.Stream); err != nil {
			return fmt.Errorf("artifacts[%d]: %w", i, err)
		}
		sum = Totals{sum.Streams + 1, sum.Bytes + a.Bytes, sum.Stored + a.Stored, sum.Chunks + a.Chunks}
	}
	if sum != p.Totals {
		return errors.New("totals: they are not the sums of the artifacts")
	}
	for i, s := range p.Sessions {
		if err := validateSession(s); err != nil {
			return fmt.Errorf("sessions[%d]: %w", i, err)
		}
	}
	return nil
}

// Sign signs the statement.
func Sign(st Statement, s *Signer) Signature { return sign(s, statementType, st) }
