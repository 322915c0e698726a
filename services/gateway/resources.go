package gateway

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/registry"
)

// maxResources is the largest body of resources, in bytes; api.Decode takes no more either.
const maxResources = 4 << 20

// applyTries is how often a request starts over when others change the same resources at the same time.
const applyTries = 5

func (s *Server) applyResources(w http.ResponseWriter, r *http.Request) error {
	dry, err := flag(r, "dryRun")
	if err != nil {
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxResources))
	if err != nil {
		return unread(err)
	}
	results := map[api.Key]client.ApplyAction{} // what this request did
	for try := 1; ; try++ {
		changes, err := s.changes(r.Context(), tenant(r.Context()), body)
		if err != nil {
			return err
		}
		if !dry {
			err = s.put(r.Context(), changes, results)
		}
		if fault.Is(err, fault.Conflict) && try < applyTries {
			continue // somebody else changed one of them: judge again
		}
		if err != nil {
			return err
		}
		return answer(w, http.StatusOK, applied(changes, results, dry))
	}
}

// unread tells a body that is too large from one that did not arrive.
func unread(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return refuse(http.StatusBadRequest, fault.Permanent, "body.invalid", "the body did not arrive as a whole")
}

// change is what becomes of one resource.
type change struct {
	key      api.Key
	action   client.ApplyAction
	value    []byte
	revision uint64 // that it replaces
}

// changes judges a body beside what is stored, and returns what is to be written, in the order of the body.
func (s *Server) changes(ctx context.Context, tenant string, body []byte) ([]change, error) {
	submitted := api.NewSet()
	if err := submitted.Load(bytes.NewReader(body), ""); err != nil {
		return nil, err
	}
	resources := submitted.Resources()
	if len(resources) == 0 {
		return nil, refuse(http.StatusBadRequest, fault.Permanent, "body.empty", "the body holds no resource")
	}
	for _, r := range resources {
		if owner := r.Meta().Tenant(); owner != tenant {
			return nil, api.FieldErrors{{
				Resource: r.Kind() + "/" + r.Meta().Name, Path: "metadata.namespace",
				Message: fmt.Sprintf("is %s, and the request is for tenant %s: name the tenant in the resource and in the request", owner, tenant),
			}}
		}
	}
	c, err := s.catalogue(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if err := c.check(submitted, nil, s.deps.Clock.Now()); err != nil {
		return nil, err
	}
	out := make([]change, 0, len(resources))
	for _, r := range resources {
		ch, err := s.change(c.find(api.KeyOf(r)), r)
		if err != nil {
			return nil, err
		}
		out = append(out, ch)
	}
	return out, nil
}

// change compares a resource with what stands in its place.
func (s *Server) change(old *stored, r api.Resource) (change, error) {
	m := r.Meta()
	ch := change{key: api.KeyOf(r), action: client.Created}
	basis := m.ResourceVersion
	m.UID, m.CreatedAt, m.ResourceVersion = uuid.NewString(), s.deps.Clock.Now().UTC(), ""
	if old != nil {
		was := old.resource.Meta()
		m.UID, m.CreatedAt = was.UID, was.CreatedAt
		ch.action, ch.revision = client.Configured, old.revision
		same, err := equal(old.resource, r)
		if err != nil {
			return ch, err
		}
		if same {
			ch.action = client.Unchanged
			return ch, nil
		}
	}
	if basis != "" && basis != strconv.FormatUint(ch.revision, 10) {
		return ch, refuse(http.StatusConflict, fault.Conflict, "resource.changed", "%s %q was changed since version %.20s", ch.key.Kind, ch.key.Name, basis).
			WithHint("get it again and repeat the change, or leave metadata.resourceVersion out")
	}
	var value bytes.Buffer
	if err := api.EncodeJSON(&value, r); err != nil {
		return ch, err
	}
	ch.value = value.Bytes()
	return ch, nil
}

func equal(a, b api.Resource) (bool, error) {
	x, err := api.Canonical(a)
	if err != nil {
		return false, err
	}
	y, err := api.Canonical(b)
	if err != nil {
		return false, err
	}
	return bytes.Equal(x, y) && maps.Equal(a.Meta().Annotations, b.Meta().Annotations), nil
}

// put writes changes, what others build on first, and notes them in done.
func (s *Server) put(ctx context.Context, changes []change, done map[api.Key]client.ApplyAction) error {
	order := slices.Clone(changes)
	slices.SortStableFunc(order, func(a, b change) int {
		return cmp.Compare(slices.Index(api.Kinds(), a.key.Kind), slices.Index(api.Kinds(), b.key.Kind))
	})
	for _, ch := range order {
		if ch.action == client.Unchanged {
			continue
		}
		if _, err := s.deps.Resources.Put(ctx, keyOf(ch.key), ch.value, ch.revision); err != nil {
			return err
		}
		done[ch.key] = ch.action
	}
	return nil
}

func applied(changes []change, done map[api.Key]client.ApplyAction, dry bool) client.ApplyResult {
	out := client.ApplyResult{DryRun: dry}
	for _, ch := range changes {
		action := ch.action
		if did, ok := done[ch.key]; ok {
			action = did // in an earlier try
		}
		out.Resources = append(out.Resources, client.Applied{Kind: ch.key.Kind, Name: ch.key.Name, Action: action})
	}
	return out
}

func (s *Server) listResources(w http.ResponseWriter, r *http.Request) error {
	kind, err := kindOf(r.PathValue("kind"))
	if err != nil {
		return err
	}
	c, err := s.catalogue(r.Context(), tenant(r.Context()))
	if err != nil {
		return err
	}
	var found []api.Resource
	for _, e := range c.entries {
		if e.resource.Kind() == kind {
			found = append(found, e.view())
		}
	}
	if wantsYAML(r) {
		return answerYAML(w, found...)
	}
	list := client.ResourceList{Items: []json.RawMessage{}}
	for _, res := range found {
		var item bytes.Buffer
		if err := api.EncodeJSON(&item, res); err != nil {
			return err
		}
		list.Items = append(list.Items, item.Bytes())
	}
	return answer(w, http.StatusOK, list)
}

func (s *Server) getResource(w http.ResponseWriter, r *http.Request) error {
	_, e, err := s.named(r)
	if err != nil {
		return err
	}
	if wantsYAML(r) {
		return answerYAML(w, e.view())
	}
	var item bytes.Buffer
	if err := api.EncodeJSON(&item, e.view()); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(item.Bytes())
	return nil
}

func (s *Server) deleteResource(w http.ResponseWriter, r *http.Request) error {
	force, err := flag(r, "force")
	if err != nil {
		return err
	}
	c, e, err := s.named(r)
	if err != nil {
		return err
	}
	key := api.KeyOf(e.resource)
	if err := c.check(api.NewSet(), &key, s.deps.Clock.Now()); err != nil && !force {
		p := refuse(http.StatusConflict, fault.Conflict, "resource.used", "%s %q is named by other resources", key.Kind, key.Name).
			WithHint("change those first, or delete it with force")
		p.problem.Fields = problems(err)
		return p
	}
	if err := s.deps.Resources.Delete(r.Context(), keyOf(key), e.revision); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// named returns the resource that the path names, beside all others.
func (s *Server) named(r *http.Request) (*catalogue, *stored, error) {
	kind, err := kindOf(r.PathValue("kind"))
	if err != nil {
		return nil, nil, err
	}
	c, err := s.catalogue(r.Context(), tenant(r.Context()))
	if err != nil {
		return nil, nil, err
	}
	name := r.PathValue("name")
	e := c.find(api.Key{Kind: kind, Tenant: c.tenant, Name: name})
	if e == nil {
		return nil, nil, c.missing(kind, name)
	}
	return c, e, nil
}

// view is the resource as people see it: with its version.
func (e *stored) view() api.Resource {
	e.resource.Meta().ResourceVersion = strconv.FormatUint(e.revision, 10)
	return e.resource
}

// kindOf reads the name of a kind as a path spells it: Policy, policy or policies.
func kindOf(text string) (string, error) {
	var names []string
	for _, kind := range api.Kinds() {
		if strings.EqualFold(text, kind) || strings.EqualFold(text, plural(kind)) {
			return kind, nil
		}
		names = append(names, plural(kind))
	}
	e := refuse(http.StatusNotFound, fault.NotFound, "kind.unknown", "there is no kind %.40q", text)
	if near := registry.Nearest(strings.ToLower(text), names); near != "" {
		return "", e.WithHint("did you mean %q?", near)
	}
	return "", e.WithHint("known are %s", strings.Join(names, ", "))
}

func plural(kind string) string {
	kind = strings.ToLower(kind)
	if stem, ok := strings.CutSuffix(kind, "y"); ok {
		return stem + "ies"
	}
	return kind + "s"
}

func wantsYAML(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "yaml") }

func answerYAML(w http.ResponseWriter, resources ...api.Resource) error {
	var out bytes.Buffer
	if err := api.EncodeYAML(&out, resources...); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(out.Bytes())
	return nil
}
