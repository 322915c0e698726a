package gateway_test

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/client"
	"github.com/tranship/tranship/internal/fault"
)

func apply(t testing.TB, d *desk, text string) client.ApplyResult {
	t.Helper()
	r, err := d.client.Apply(t.Context(), []byte(text), false)
	check(t, err)
	return r
}

func actions(r client.ApplyResult) string {
	var b strings.Builder
	for _, a := range r.Resources {
		b.WriteString(a.Kind + "/" + a.Name + " " + string(a.Action) + "\n")
	}
	return b.String()
}

const clusterProd = "{apiVersion: tranship.io/v1alpha1, kind: Cluster, metadata: {name: prod}, spec: {connection: {inCluster: true}}}\n"

func TestApplyingTwiceChangesNothingMore(t *testing.T) {
	d := newDesk(t)
	if got := actions(apply(t, d, string(shop(t)))); strings.Count(got, " created\n") != 6 {
		t.Fatalf("at first:\n%s", got)
	}
	before := d.resources.revision
	if got := actions(apply(t, d, string(shop(t)))); strings.Count(got, " unchanged\n") != 6 || d.resources.revision != before {
		t.Fatalf("again:\n%s", got)
	}
	changed := strings.Replace(string(shop(t)), "maxAttempts: 3", "maxAttempts: 4", 1)
	if got := actions(apply(t, d, changed)); strings.Count(got, " unchanged\n") != 5 || !strings.Contains(got, "Policy/nightly configured\n") {
		t.Fatalf("after a change:\n%s", got)
	}
}

func TestAnnotationsAreAChange(t *testing.T) {
	d := newDesk(t)
	apply(t, d, clusterProd)
	noted := strings.Replace(clusterProd, "name: prod", "name: prod, annotations: {note: mine}", 1)
	if got := actions(apply(t, d, noted)); got != "Cluster/prod configured\n" {
		t.Fatal(got)
	}
}

func TestStoredResourceKeepsItsUIDAndGetsAVersion(t *testing.T) {
	d := newDesk(t)
	apply(t, d, clusterProd)
	first, err := d.client.Resource(t.Context(), "cluster", "prod")
	check(t, err)
	apply(t, d, strings.Replace(clusterProd, "spec: {", "spec: {accepts: raw, ", 1))
	second, err := d.client.Resource(t.Context(), "Cluster", "prod")
	check(t, err)
	a, b := first.Meta(), second.Meta()
	if a.UID == "" || a.UID != b.UID || !a.CreatedAt.Equal(b.CreatedAt) || a.ResourceVersion == b.ResourceVersion || a.ResourceVersion == "" {
		t.Fatalf("first %+v, second %+v", a, b)
	}
	if second.(*api.Cluster).Spec.Accepts != api.TrustRaw {
		t.Fatal("the change was not stored")
	}
}

func TestOneInvalidResourceKeepsAllFromBeingStored(t *testing.T) {
	d := newDesk(t)
	_, err := d.client.Apply(t.Context(), []byte(strings.Replace(string(shop(t)), "capture: {to: vault}", "capture: {to: vautl}", 1)), false)
	var p *client.Problem
	if !errors.As(err, &p) || len(p.Fields) == 0 {
		t.Fatalf("got %v", err)
	}
	f := p.Fields[0]
	if f.Path != "spec.steps[0].capture.to" || f.Suggestion != "vault" || f.Line == 0 || f.Resource != "Policy/nightly" {
		t.Errorf("the problem is %+v", f)
	}
	if keys := d.resources.keys(); len(keys) > 0 {
		t.Errorf("stored nevertheless: %v", keys)
	}
}

func TestDryRunStoresNothing(t *testing.T) {
	d := newDesk(t)
	r, err := d.client.Apply(t.Context(), shop(t), true)
	check(t, err)
	if !r.DryRun || len(r.Resources) != 6 || r.Resources[0].Action != client.Created || len(d.resources.keys()) != 0 {
		t.Fatalf("got %+v, stored %v", r, d.resources.keys())
	}
}

func TestChangeThatBreaksAStoredResourceIsRefused(t *testing.T) {
	d := newDesk(t)
	apply(t, d, string(shop(t)))
	raw := `{apiVersion: tranship.io/v1alpha1, kind: Location, metadata: {name: masked}, spec: {trust: raw, file: {path: ./masked},
		encryption: {publicKey: tspub1MDE6ety2Ofwp5Dt77WW9wse6SiMFQ9ALF8Z53Cla9yvrsWgs}}}`
	_, err := d.client.Apply(t.Context(), []byte(raw), false)
	var p *client.Problem
	if !errors.As(err, &p) || !slices.ContainsFunc(p.Fields, func(f api.FieldError) bool { return f.Resource == "Policy/nightly" && f.Line == 0 && f.File == "" }) {
		t.Fatalf("got %v", err)
	}
}

func TestMistakeThatStandsAlreadyKeepsNobodyFromOtherChanges(t *testing.T) {
	d := newDesk(t)
	apply(t, d, string(shop(t)))
	check(t, d.client.Delete(t.Context(), "maskingpolicy", "pii", true)) // the policy now names what is gone
	if got := actions(apply(t, d, clusterProd)); got != "Cluster/prod created\n" {
		t.Fatal(got)
	}
}

func TestUpdateOfAnOlderVersionIsRefused(t *testing.T) {
	d := newDesk(t)
	apply(t, d, clusterProd)
	old, err := d.client.Resource(t.Context(), "cluster", "prod")
	check(t, err)
	apply(t, d, strings.Replace(clusterProd, "spec: {", "spec: {accepts: raw, ", 1))
	old.Meta().Labels = map[string]string{"tier": "prod"}
	var text bytes.Buffer
	check(t, api.EncodeYAML(&text, old))
	_, err = d.client.Apply(t.Context(), text.Bytes(), false)
	if !fault.Is(err, fault.Conflict) || fault.CodeOf(err) != "resource.changed" {
		t.Fatalf("got %v", err)
	}
}

func TestChangeBySomebodyElseInBetweenIsJudgedAgain(t *testing.T) {
	d := newDesk(t)
	apply(t, d, clusterProd)
	var once sync.Once
	d.resources.onPut = func(key string) {
		once.Do(func() {
			d.resources.onPut = nil
			e, err := d.resources.Get(t.Context(), key)
			check(t, err)
			_, err = d.resources.Put(t.Context(), key, bytes.Replace(e.Value, []byte(`"masked"`), []byte(`"raw"`), 1), e.Revision)
			check(t, err)
		})
	}
	labelled := strings.Replace(clusterProd, "name: prod", "name: prod, labels: {tier: prod}", 1)
	if got := actions(apply(t, d, labelled)); got != "Cluster/prod configured\n" {
		t.Fatal(got)
	}
	r, err := d.client.Resource(t.Context(), "cluster", "prod")
	check(t, err)
	if r.Meta().Labels["tier"] != "prod" {
		t.Error("the change was lost")
	}
}

func TestResourceThatIsNamedByOthersIsNotDeleted(t *testing.T) {
	d := newDesk(t)
	apply(t, d, string(shop(t)))
	err := d.client.Delete(t.Context(), "locations", "vault", false)
	var p *client.Problem
	if !errors.As(err, &p) || p.Code != "resource.used" || len(p.Fields) == 0 || p.Fields[0].Resource != "Policy/nightly" {
		t.Fatalf("got %v", err)
	}
	check(t, d.client.Delete(t.Context(), "locations", "vault", true))
	if _, err := d.client.Resource(t.Context(), "location", "vault"); !fault.Is(err, fault.NotFound) {
		t.Fatalf("got %v", err)
	}
	check(t, d.client.Delete(t.Context(), "policy", "nightly", false)) // nobody names it
}

func TestMissingResourceAndKindAreSuggested(t *testing.T) {
	d := newDesk(t)
	apply(t, d, string(shop(t)))
	for path, hint := range map[string]string{"/v1/resources/policies/nigthly": "nightly", "/v1/resources/polices": "policies", "/v1/resources/runs/x": "known are"} {
		if status, _, body := d.do(http.MethodGet, path, ""); status != 404 || !strings.Contains(body, hint) {
			t.Errorf("%s: got %d %s", path, status, body)
		}
	}
}

func TestResourcesAreListedInBothForms(t *testing.T) {
	d := newDesk(t)
	apply(t, d, string(shop(t)))
	rs, err := d.client.Resources(t.Context(), "locations")
	check(t, err)
	if len(rs) != 3 || rs[0].Meta().Name != "masked" || rs[2].Meta().Name != "vault" {
		t.Fatalf("got %v", rs)
	}
	status, header, body := d.do(http.MethodGet, "/v1/resources/locations", "", "Accept", "application/yaml")
	if status != 200 || header.Get("Content-Type") != "application/yaml" {
		t.Fatalf("got %d %v", status, header)
	}
	again, err := api.Decode(strings.NewReader(body), "")
	check(t, err)
	if len(again) != 3 {
		t.Fatalf("got %s", body)
	}
}

func TestTenantsDoNotSeeOneAnother(t *testing.T) {
	d := newDesk(t)
	apply(t, d, string(shop(t)))
	acme := newClient(t, d.url, "acme")
	if rs, err := acme.Resources(t.Context(), "locations"); err != nil || len(rs) != 0 {
		t.Fatalf("got %v, %v", rs, err)
	}
	if _, err := acme.Apply(t.Context(), []byte(clusterProd), false); fault.CodeOf(err) != "resource.invalid" || !strings.Contains(err.Error(), "metadata.namespace") {
		t.Fatalf("a resource of another tenant: got %v", err)
	}
	// One key pair for two tenants is refused, without a word about the other's.
	shared := strings.Replace(string(shop(t)), "metadata: {name: vault}", "metadata: {name: mine, namespace: acme}", 1)
	_, err := acme.Apply(t.Context(), []byte(shared[:strings.Index(shared, "---")]), false)
	var p *client.Problem
	if !errors.As(err, &p) || len(p.Fields) != 1 || p.Fields[0].Resource != "Location/mine" || strings.Contains(err.Error(), "vault") {
		t.Fatalf("a shared key: got %v", err)
	}
}

func TestBodyThatIsTooLargeIsRefused(t *testing.T) {
	d := newDesk(t)
	for path, size := range map[string]int{"/v1/resources": 4<<20 + 1, "/v1/runs": 1<<20 + 1} {
		status, _, body := d.do(http.MethodPost, path, `{"policy": "`+strings.Repeat("x", size)+`"}`)
		if status != 413 || !strings.Contains(body, "body.large") {
			t.Errorf("%s: got %d %.200s", path, status, body)
		}
	}
}

func TestSecretInAResourceIsNotRepeated(t *testing.T) {
	d := newDesk(t)
	text := `{apiVersion: tranship.io/v1alpha1, kind: Application, metadata: {name: shop}, spec: {components: [{name: db, postgres: {dsn: "postgres://u:hunter2@h/d"}}]}}`
	status, _, body := d.do(http.MethodPost, "/v1/resources", text)
	if status != 422 || strings.Contains(body, "hunter2") {
		t.Fatalf("got %d %s", status, body)
	}
}

func FuzzApply(f *testing.F) {
	f.Add(shop(f))
	f.Add([]byte(clusterProd))
	f.Add([]byte("{apiVersion: tranship.io/v1alpha1, kind: Policy, metadata: {name: '*'}}"))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte(`{"metadata": {"namespace": "a.b.>"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d := newDesk(t)
		status, _, text := d.do(http.MethodPost, "/v1/resources", string(body))
		switch status {
		case 200:
			// What was taken can be read by all who read resources, and is what it was.
			again, _, text := d.do(http.MethodPost, "/v1/resources", string(body))
			if again != 200 || strings.Contains(text, `"created"`) || strings.Contains(text, `"configured"`) {
				t.Fatalf("again: %d %s", again, text)
			}
		case 400, 409, 422:
			if keys := d.resources.keys(); len(keys) > 0 {
				t.Fatalf("refused with %d and stored %v", status, keys)
			}
		default:
			t.Fatalf("got %d %s", status, text)
		}
	})
}
