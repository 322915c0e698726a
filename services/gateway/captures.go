package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/artifact"
	"github.com/tranship/tranship/internal/blob"
	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/location"
)

const (
	defaultCaptures = 100
	maxUnreadable   = 20 // captures of a page that are reported as damaged
)

// shelf is where captures are looked for: a location, and the applications whose share of it is looked at.
type shelf struct {
	location     *stored
	applications []string // by name
}

func (s *Server) shelf(r *http.Request) (*shelf, error) {
	q := r.URL.Query()
	name, application := q.Get("location"), q.Get("application")
	if name == "" {
		return nil, refuse(http.StatusBadRequest, fault.Permanent, "query.invalid", "location: is missing")
	}
	if application != "" && !label.MatchString(application) {
		return nil, refuse(http.StatusBadRequest, fault.Permanent, "query.invalid", "application: must be a DNS label")
	}
	c, err := s.catalogue(r.Context(), tenant(r.Context()))
	if err != nil {
		return nil, err
	}
	e := c.find(api.Key{Kind: api.KindLocation, Tenant: c.tenant, Name: name})
	if e == nil {
		return nil, c.missing(api.KindLocation, name)
	}
	// An application that is named need not exist any more: its captures outlive it.
	out := &shelf{location: e, applications: []string{application}}
	if application == "" {
		out.applications = c.names(api.KindApplication)
		slices.Sort(out.applications)
	}
	return out, nil
}

// repository calls do with an application's share of the location, if there is one.
func (s *Server) repository(ctx context.Context, sh *shelf, application string, do func(*artifact.Repository) error) error {
	loc, err := s.deps.Locations.Open(ctx, sh.location.value, tenant(ctx), application, location.List)
	if errors.Is(err, blob.ErrNotFound) {
		return nil // nothing was ever captured there
	}
	if err != nil {
		return err
	}
	defer loc.Close()
	return do(loc.Repo)
}

func (s *Server) listCaptures(w http.ResponseWriter, r *http.Request) error {
	limit, err := number(r, "limit", defaultCaptures, 1, client.MaxCaptures)
	if err != nil {
		return err
	}
	sh, err := s.shelf(r)
	if err != nil {
		return err
	}
	page := capturePage{limit: int(limit), location: sh.location.resource.Meta().Name}
	page.fromApp, page.fromID, _ = strings.Cut(r.URL.Query().Get("after"), "/")
	page.list.Items = []client.Capture{}
	for _, app := range sh.applications {
		if app < page.fromApp || page.full {
			continue
		}
		err := s.repository(r.Context(), sh, app, func(repo *artifact.Repository) error { return page.take(r.Context(), repo) })
		if err != nil {
			return err
		}
	}
	return answer(w, http.StatusOK, page.list)
}

// capturePage collects captures until the page is full.
type capturePage struct {
	limit           int
	location        string
	fromApp, fromID string // the last capture of the page before
	list            client.CaptureList
	full            bool
}

func (p *capturePage) take(ctx context.Context, repo *artifact.Repository) error {
	for sum, err := range repo.List(ctx) {
		if err != nil {
			if ctx.Err() != nil || fault.ClassOf(err).Retryable() {
				return err
			}
			if len(p.list.Unreadable) < maxUnreadable {
				p.list.Unreadable = append(p.list.Unreadable, repo.Application()+": "+err.Error())
			}
			continue
		}
		if repo.Application() == p.fromApp && sum.Payload.Capture <= p.fromID {
			continue
		}
		if len(p.list.Items) == p.limit {
			last := p.list.Items[p.limit-1]
			p.full, p.list.Next = true, last.Application+"/"+last.ID
			return nil
		}
		p.list.Items = append(p.list.Items, captureOf(p.location, sum))
	}
	return nil
}

func (s *Server) getCapture(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.shelf(r)
	if err != nil {
		return err
	}
	name := r.PathValue("capture")
	id, err := artifact.ParseID(artifact.Trust(sh.location.resource.(*api.Location).Spec.Trust), name)
	if err != nil {
		return refuse(http.StatusBadRequest, fault.Permanent, "capture.invalid", "the path names no capture: an id has lower-case letters, digits and hyphens")
	}
	at := sh.location.resource.Meta().Name
	var found *client.Capture
	for _, app := range sh.applications {
		err := s.repository(r.Context(), sh, app, func(repo *artifact.Repository) error {
			sum, err := repo.Summary(r.Context(), id)
			if errors.Is(err, artifact.ErrNotCommitted) || errors.Is(err, artifact.ErrVoid) {
				return nil
			}
			if err != nil {
				return err
			}
			c := captureOf(at, sum)
			for _, a := range sum.Payload.Artifacts {
				c.Artifacts = append(c.Artifacts, client.Artifact{Stream: a.Stream, Bytes: a.Bytes, Stored: a.Stored, Chunks: a.Chunks})
			}
			found = &c
			return nil
		})
		if err != nil {
			return err
		}
		if found != nil {
			return answer(w, http.StatusOK, found)
		}
	}
	return fault.New(fault.NotFound, "capture.missing", "there is no capture %s in location %s", name, at).
		WithHint("tranship captures ls shows the captures of a location")
}

func captureOf(at string, s artifact.Summary) client.Capture {
	p := s.Payload
	c := client.Capture{
		ID: p.Capture, Application: p.Application, Location: at, Trust: string(p.Trust), Run: p.Run, Created: p.Created, Builder: p.Builder,
		Digest: s.Digest.String(), Root: p.Root.String(), Streams: p.Totals.Streams, Bytes: p.Totals.Bytes, Stored: p.Totals.Stored,
		Retired: s.Retired, Verified: s.Verified, Labels: p.Retention,
	}
	if m := p.Masking; m != nil {
		c.Masking = &client.Masking{Policy: m.Policy.String(), Epoch: m.Epoch, Engine: m.Engine, Verdict: m.Verdict}
	}
	for _, parent := range p.Parents {
		c.Parents = append(c.Parents, client.Parent{Relation: string(parent.Relation), Capture: parent.Capture, Manifest: parent.Manifest.String()})
	}
	return c
}
