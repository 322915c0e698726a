package artifact

import "github.com/tranship/tranship/internal/blob"

// OriginOf returns the first payload of a transferred capture: what its makers signed. Whoever read p from a verified
// Manifest need not verify it again.
func OriginOf(p Payload) (Payload, error) {
	e, err := decodeEnvelope(blob.Key("origin of "+p.Capture), p.Origin, statementType)
	if err != nil {
		return Payload{}, err
	}
	return Statement(e.Payload).Payload()
}
