package restorer

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/registry"
)

// discarded is a sandbox that remembers by which claim it was discarded.
type discarded struct {
	dataservice.Sandbox
	r    dataservice.Restoring
	path string
	list *[]string
}

func (d discarded) Discard(context.Context) error {
	*d.list = append(*d.list, d.r.Run+" "+d.path)
	return nil
}
func (discarded) Close() error { return nil }

func TestDiscardRemovesTheSandboxOfEveryComponent(t *testing.T) {
	var list []string
	spec := dataservice.Spec{Name: "files", Sandbox: func(_ context.Context, config json.RawMessage, r dataservice.Restoring, _ dataservice.Deps) (dataservice.Sandbox, error) {
		var c api.TargetFiles
		err := json.Unmarshal(config, &c)
		return discarded{r: r, path: c.Path, list: &list}, err
	}}
	r := New(Config{}, Deps{Drivers: registry.New("data service", func(s dataservice.Spec) string { return s.Name }, spec)})
	targets := []api.TargetComponent{{Name: "a", Files: &api.TargetFiles{Path: "/a"}}, {Name: "b", Files: &api.TargetFiles{Path: "/b"}}}
	if err := r.discard(t.Context(), targets, "r1", 7); err != nil {
		t.Fatal(err)
	}
	if want := []string{"r1 /a", "r1 /b"}; !slices.Equal(list, want) {
		t.Errorf("%q is discarded, want %q", list, want)
	}
}
