package deploy

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// release is what the chart renders to, by kind and name.
type release struct {
	deployments  map[string]*appsv1.Deployment
	statefulSets map[string]*appsv1.StatefulSet
	services     map[string]*corev1.Service
	accounts     map[string]*corev1.ServiceAccount
	roles        map[string]*rbacv1.Role
	bindings     map[string]*rbacv1.RoleBinding
	budgets      map[string]*policyv1.PodDisruptionBudget
	policies     map[string]*networkingv1.NetworkPolicy
	others       map[string]string // API version and kind, by name
	text         string
}

type values = map[string]any

func render(t *testing.T, v values) *release {
	t.Helper()
	r, err := tryRender(t, v)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tryRender(t *testing.T, v values) (*release, error) {
	t.Helper()
	chart, err := loader.Load(filepath.Join(repository, "deploy", "helm", "tranship"))
	if err != nil {
		t.Fatal(err)
	}
	vals, err := util.ToRenderValues(chart, v, common.ReleaseOptions{Name: "main", Namespace: "ts", Revision: 1, IsInstall: true}, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(chart, vals)
	if err != nil {
		return nil, err
	}
	r := &release{
		map[string]*appsv1.Deployment{}, map[string]*appsv1.StatefulSet{}, map[string]*corev1.Service{}, map[string]*corev1.ServiceAccount{},
		map[string]*rbacv1.Role{}, map[string]*rbacv1.RoleBinding{}, map[string]*policyv1.PodDisruptionBudget{},
		map[string]*networkingv1.NetworkPolicy{}, map[string]string{}, "",
	}
	for name, text := range files {
		if filepath.Ext(name) != ".yaml" {
			continue
		}
		r.text += text
		docs := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
		for {
			doc, err := docs.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			r.add(t, name, doc)
		}
	}
	return r, nil
}

// add decodes one object. An unknown field is an error.
func (r *release) add(t *testing.T, file string, doc []byte) {
	t.Helper()
	data, err := yaml.ToJSON(doc)
	if err != nil {
		t.Fatalf("%s: %v\n%s", file, err, doc)
	}
	if string(data) == "null" {
		return
	}
	var kind struct {
		metav1.TypeMeta
		Metadata metav1.ObjectMeta `json:"metadata"`
	}
	if err := json.Unmarshal(data, &kind); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	switch what := kind.APIVersion + " " + kind.Kind; what {
	case "apps/v1 Deployment":
		decode(t, file, data, kind.Metadata.Name, r.deployments)
	case "apps/v1 StatefulSet":
		decode(t, file, data, kind.Metadata.Name, r.statefulSets)
	case "v1 Service":
		decode(t, file, data, kind.Metadata.Name, r.services)
	case "v1 ServiceAccount":
		decode(t, file, data, kind.Metadata.Name, r.accounts)
	case "rbac.authorization.k8s.io/v1 Role":
		decode(t, file, data, kind.Metadata.Name, r.roles)
	case "rbac.authorization.k8s.io/v1 RoleBinding":
		decode(t, file, data, kind.Metadata.Name, r.bindings)
	case "policy/v1 PodDisruptionBudget":
		decode(t, file, data, kind.Metadata.Name, r.budgets)
	case "networking.k8s.io/v1 NetworkPolicy":
		decode(t, file, data, kind.Metadata.Name, r.policies)
	default:
		r.others[kind.Metadata.Name] = what
	}
}

func decode[T any](t *testing.T, file string, data []byte, name string, into map[string]*T) {
	t.Helper()
	if into[name] != nil {
		t.Errorf("%s: two objects are called %s", file, name)
	}
	v := new(T)
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Errorf("%s: %s: %v", file, name, err)
	}
	into[name] = v
}

func TestChartRunsEveryServiceUnderItsOwnAccount(t *testing.T) {
	r := render(t, nil)
	if len(r.deployments) != len(services) {
		t.Errorf("%d deployments", len(r.deployments))
	}
	for _, service := range services {
		name := "main-tranship-" + service
		d := r.deployments[name]
		if d == nil || r.accounts[name] == nil || r.roles[name] == nil || r.bindings[name] == nil || r.budgets[name] == nil {
			t.Errorf("%s: a Deployment, ServiceAccount, Role, RoleBinding or PodDisruptionBudget is missing", service)
			continue
		}
		if d.Spec.Template.Spec.ServiceAccountName != name {
			t.Errorf("%s runs as %s", service, d.Spec.Template.Spec.ServiceAccountName)
		}
		if len(r.roles[name].Rules) != 0 {
			t.Errorf("%s may do what no service needs: %v", service, r.roles[name].Rules)
		}
		if b := r.bindings[name]; b.RoleRef.Name != name || len(b.Subjects) != 1 || b.Subjects[0].Name != name || b.Subjects[0].Namespace != "ts" {
			t.Errorf("%s: the binding is %+v", service, b)
		}
		for k, v := range d.Spec.Selector.MatchLabels {
			if d.Spec.Template.Labels[k] != v {
				t.Errorf("%s does not select its own pods", service)
			}
		}
		c := d.Spec.Template.Spec.Containers[0]
		args := checkArgs(t, service, c.Args)
		if args["target"] != service || args["nats"] != "nats://main-tranship-nats:4222" {
			t.Errorf("%s runs %v", service, c.Args)
		}
		if service != "scheduler" && args["accept"] == "" {
			t.Errorf("%s opens locations of any trust", service)
		}
	}
	if len(r.statefulSets) != 1 || len(r.others) != 0 {
		t.Errorf("also rendered: %d StatefulSets, %v", len(r.statefulSets), r.others)
	}
	nats := r.statefulSets["main-tranship-nats"]
	if got := checkArgs(t, "nats", nats.Spec.Template.Spec.Containers[0].Args); got["target"] != "nats" || *nats.Spec.Replicas != 1 {
		t.Errorf("nats runs %v", got)
	}
	if len(nats.Spec.VolumeClaimTemplates) != 1 {
		t.Error("the bus has no volume")
	}
	for _, name := range []string{"main-tranship-nats", "main-tranship-gateway"} {
		if r.services[name] == nil {
			t.Errorf("there is no Service %s", name)
		}
	}
}

// pods are those of every workload.
func (r *release) pods() map[string]corev1.PodSpec {
	all := map[string]corev1.PodSpec{}
	for name, d := range r.deployments {
		all[name] = d.Spec.Template.Spec
	}
	for name, s := range r.statefulSets {
		all[name] = s.Spec.Template.Spec
	}
	return all
}

func TestChartPodsAreConfined(t *testing.T) {
	for name, pod := range render(t, nil).pods() {
		s := pod.SecurityContext
		if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.RunAsUser == nil || *s.RunAsUser == 0 ||
			s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: %+v", name, s)
		}
		if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
			t.Errorf("%s holds a token of the Kubernetes API", name)
		}
		if pod.TerminationGracePeriodSeconds == nil || *pod.TerminationGracePeriodSeconds < int64((2*drain).Seconds()) {
			t.Errorf("%s is killed before it could hand its work back", name)
		}
		for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
			s := c.SecurityContext
			if s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem || s.AllowPrivilegeEscalation == nil ||
				*s.AllowPrivilegeEscalation || s.Capabilities == nil || len(s.Capabilities.Add) != 0 ||
				!slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
				t.Errorf("%s/%s: %+v", name, c.Name, s)
			}
			if c.Resources.Requests == nil || c.Resources.Limits.Memory().IsZero() {
				t.Errorf("%s/%s has no bounds", name, c.Name)
			}
			if strings.HasSuffix(c.Image, ":") || strings.HasSuffix(c.Image, ":latest") {
				t.Errorf("%s/%s runs %s", name, c.Name, c.Image)
			}
		}
	}
}

func TestChartPodsAreWatched(t *testing.T) {
	for name, pod := range render(t, nil).pods() {
		c := pod.Containers[0]
		ports := map[string]int32{}
		for _, p := range c.Ports {
			ports[p.Name] = p.ContainerPort
		}
		for what, want := range map[string]string{"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"} {
			p := map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe}[what]
			if p == nil || p.HTTPGet == nil || p.HTTPGet.Path != want || p.HTTPGet.Port.StrVal != "ops" {
				t.Errorf("%s: the %s probe is %+v", name, what, p)
			}
		}
		if got := checkArgs(t, name, c.Args)["ops-listen"]; got != ":9464" || ports["ops"] != 9464 {
			t.Errorf("%s listens on %q, its port is %d", name, got, ports["ops"])
		}
	}
}

// A service gets its own keys as files that nobody else can read, by way of a copy.
func TestChartServicesGetTheirOwnKeys(t *testing.T) {
	r := render(t, values{"services": values{"masker": values{"secrets": []any{"vault", "masking"}}}})
	for name, pod := range r.pods() {
		component := strings.TrimPrefix(name, "main-tranship-")
		var files, whole []string
		var mode *int32
		for _, v := range pod.Volumes {
			if v.Secret != nil {
				t.Errorf("%s mounts a Secret as it is", name)
			}
			if v.Name == "keys" && (v.EmptyDir == nil || v.EmptyDir.Medium != corev1.StorageMediumMemory) {
				t.Errorf("%s keeps its keys on disk", name)
			}
			if v.Projected == nil {
				continue
			}
			mode = v.Projected.DefaultMode
			for _, source := range v.Projected.Sources {
				if len(source.Secret.Items) == 0 {
					whole = append(whole, source.Secret.Name)
				}
				for _, item := range source.Secret.Items {
					files = append(files, item.Path)
				}
			}
		}
		if mode == nil || *mode != 0o400 {
			t.Errorf("%s: the mode of its Secrets is %v", name, mode)
		}
		slices.Sort(files)
		var want []string
		switch component {
		case "nats":
			want = []string{"capturer.nk.pub", "gateway.nk.pub", "masker.nk.pub", "restorer.nk.pub", "scheduler.nk.pub", "transferer.nk.pub", "verifier.nk.pub"}
		case "scheduler":
			want = []string{"scheduler.nk"}
		case "gateway":
			want = []string{"gateway.nk", "token"}
		default:
			want = []string{component + ".nk", component + ".signing.key"}
		}
		if !slices.Equal(files, want) {
			t.Errorf("%s holds %v, want %v", name, files, want)
		}
		if component == "masker" != slices.Equal(whole, []string{"vault", "masking"}) {
			t.Errorf("%s holds the Secrets %v", name, whole)
		}
		for _, m := range pod.Containers[0].VolumeMounts {
			if m.Name == "secrets" {
				t.Errorf("%s mounts what its group can read", name)
			}
		}
		if len(pod.InitContainers) != 1 || !strings.Contains(strings.Join(pod.InitContainers[0].Command, " "), "umask 077") {
			t.Errorf("%s: nothing copies its keys", name)
		}
	}
}

func TestChartHoldsNoSecrets(t *testing.T) {
	r := render(t, nil)
	for name, pod := range r.pods() {
		for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
			environment := map[string]string{}
			for _, e := range c.Env {
				environment[e.Name] = e.Value
			}
			checkEnvironment(t, name, environment)
		}
	}
	for name, what := range r.others {
		if strings.HasSuffix(what, " Secret") {
			t.Errorf("the chart makes the Secret %s", name)
		}
	}
}

func TestChartAdmitsToEachPodWhomItServes(t *testing.T) {
	r := render(t, nil)
	all := r.policies["main-tranship"]
	if all == nil || len(all.Spec.Ingress) != 0 || !slices.Contains(all.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) {
		t.Errorf("pods are open: %+v", all)
	}
	nats := r.policies["main-tranship-nats"]
	if nats == nil || len(nats.Spec.Ingress) != 1 || len(nats.Spec.Ingress[0].From) != 1 || nats.Spec.Ingress[0].Ports[0].Port.IntValue() != 4222 {
		t.Errorf("the bus is open: %+v", nats)
	}
	scheduler := r.policies["main-tranship-scheduler"]
	if scheduler == nil || !slices.Contains(scheduler.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) || len(scheduler.Spec.Egress) != 2 {
		t.Errorf("the scheduler reaches more than the bus: %+v", scheduler)
	}
	if len(render(t, values{"networkPolicy": values{"enabled": false}}).policies) != 0 {
		t.Error("policies are rendered that nobody wants")
	}
}

func TestChartWithAnotherNATS(t *testing.T) {
	r := render(t, values{"nats": values{"enabled": false, "url": "nats://hub.example.org:4333"}, "serviceMonitor": values{"enabled": true}})
	if len(r.statefulSets) != 0 || r.services["main-tranship-nats"] != nil || r.accounts["main-tranship-nats"] != nil {
		t.Error("there are two servers")
	}
	for name, d := range r.deployments {
		if got := checkArgs(t, name, d.Spec.Template.Spec.Containers[0].Args)["nats"]; got != "nats://hub.example.org:4333" {
			t.Errorf("%s uses %s", name, got)
		}
	}
	if got := r.policies["main-tranship-scheduler"].Spec.Egress[1].Ports[0].Port.IntValue(); got != 4333 {
		t.Errorf("the scheduler may reach port %d", got)
	}
	if r.others["main-tranship"] != "monitoring.coreos.com/v1 ServiceMonitor" || r.services["main-tranship-ops"] == nil {
		t.Errorf("nothing is monitored: %v", r.others)
	}
}

func TestChartRefusesValuesThatCannotWork(t *testing.T) {
	for names, v := range map[string]values{
		"nats.url":                       {"nats": values{"enabled": false}},
		"/nats/url":                      {"nats": values{"enabled": false, "url": "nats://user:password@hub:4222"}},
		"/services/masker/accept/0":      {"services": values{"masker": values{"accept": []any{"any"}}}},
		"painter":                        {"services": values{"painter": values{"replicas": 1}}},
		"networkPolicies":                {"networkPolicies": values{"enabled": false}},
		"/terminationGracePeriodSeconds": {"terminationGracePeriodSeconds": 20},
		"/cluster":                       {"cluster": "Prod.EU"},
		"/keys/services":                 {"keys": values{"services": values{"masker.nk": "a key"}}},
	} {
		if _, err := tryRender(t, v); err == nil || !strings.Contains(err.Error(), names) {
			t.Errorf("%s: got %v", names, err)
		}
	}
}
