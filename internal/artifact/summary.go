package artifact

import (
	"context"
	"fmt"
	"strings"
)

// Summary returns what List would yield of one capture. Nothing of it is verified. It returns ErrNotCommitted or ErrVoid
// when there is no such capture.
func (r *Repository) Summary(ctx context.Context, id ID) (Summary, error) {
	if err := r.checkTrust(id); err != nil {
		return Summary{}, err
	}
	p, digest, err := r.clear(ctx, id.String())
	if err != nil {
		return Summary{}, err
	}
	p.Sealed, p.Origin = nil, nil
	s := Summary{Payload: *p, Digest: digest}
	prefix := "c/" + id.String() + "/"
	for info, err := range r.bucket.List(ctx, prefix) {
		if err != nil {
			return Summary{}, fmt.Errorf("look at capture %s: %w", id, err)
		}
		name := strings.TrimPrefix(string(info.Key), prefix)
		if name == retiredName {
			s.Retired = true
		} else if run, ok := strings.CutPrefix(name, verifiedName+"/"); ok {
			s.Verified = append(s.Verified, run)
		}
	}
	return s, nil
}
