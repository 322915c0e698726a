package artifact

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/fault"
)

const reportType = "application/vnd.tranship.verification+json"

// Report says that a run restored a capture and found it equal.
type Report struct {
	Capture  string          `json:"capture"`
	Manifest Digest          `json:"manifest"`
	Root     Digest          `json:"root"`
	Run      string          `json:"run"`
	Details  json.RawMessage `json:"details,omitempty"` // figures, never values of the data
}

// MarkVerified stores the signed report of a verify step beside the capture. The first report of a run stays; storing
// another one is no error.
func (r *Repository) MarkVerified(ctx context.Context, capture ID, report Report, s *Signer) error {
	if err := r.checkTrust(capture); err != nil {
		return err
	}
	if err := validateName("run", report.Run); err != nil {
		return err
	}
	if report.Capture != capture.String() {
		return fault.New(fault.Permanent, "name.invalid", "report on capture %s: it is about capture %s", capture, report.Capture)
	}
	payload, err := encodeJSON(&report)
	if err != nil {
		return err
	}
	object, err := (&envelope{PayloadType: reportType, Payload: payload, Signatures: []Signature{sign(s, reportType, payload)}}).encode()
	if err != nil {
		return err
	}
	if err := r.putOnce(ctx, reportKey(capture, report.Run), object); err != nil && !errors.Is(err, blob.ErrExists) {
		return fmt.Errorf("mark capture %s as verified: %w", capture, err)
	}
	return nil
}

// VerifiedBy reads the report of a run, which a trusted restorer or verifier must have signed.
func (r *Repository) VerifiedBy(ctx context.Context, capture ID, run string, t Trusted) (Report, error) {
	if err := errors.Join(r.checkTrust(capture), validateName("run", run)); err != nil {
		return Report{}, err
	}
	at := reportKey(capture, run)
	object, err := r.bucket.Get(ctx, at, maxManifest)
	if err != nil {
		return Report{}, fmt.Errorf("read the report of run %s on capture %s: %w", run, capture, err)
	}
	e, err := decodeEnvelope(at, object, reportType)
	if err != nil {
		return Report{}, err
	}
	if !e.signedBy(t, Restorer) {
		if err := e.need(string(at), t, Verifier); err != nil {
			return Report{}, err
		}
	}
	var report Report
	if err := json.Unmarshal(e.Payload, &report); err != nil {
		return Report{}, corrupt(at, "%w", err)
	}
	if report.Capture != capture.String() || report.Run != run {
		return Report{}, corrupt(at, "it is about capture %.100q and run %.100q", report.Capture, report.Run)
	}
	return report, nil
}

func reportKey(capture ID, run string) blob.Key {
	return captureKey(capture.String(), verifiedName+"/"+run)
}
