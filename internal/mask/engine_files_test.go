package mask_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/tranship/tranship/internal/dataservice"
	"github.com/tranship/tranship/internal/dataservice/tree"
	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/mask"
)

const filePolicy = `
kind: MaskingPolicy
metadata: {name: files}
spec:
  keys: [{epoch: 1, fromFile: mask-1.key}]
  rules:
    - match: {component: invoices, path: "**/*.pdf"}
      drop: {}
    - match: {component: invoices, path: "**/*.css"}
      keep: {reason: "style sheets", reviewedBy: "dpo@example.org"}
    - match: {component: invoices, path: web/secret.css}
      drop: {}
`

func invoices(more ...dataservice.Object) dataservice.Catalogue {
	c := dataservice.Catalogue{Engine: "files", Name: "invoices"}
	for _, dir := range []string{"2026", "web"} {
		c.Objects = append(c.Objects, dataservice.Object{ID: dir, Name: dir, Kind: "directory"})
	}
	for _, file := range []string{"2026/1.pdf", "web/a.css", "web/secret.css"} {
		c.Objects = append(c.Objects, dataservice.Object{ID: file, Name: file, Kind: "file"})
	}
	c.Objects = append(c.Objects, more...)
	return c
}

func archive(t *testing.T, entries ...tree.Entry) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	w := tree.NewWriter(&out)
	for _, e := range entries {
		if e.Kind == tree.File {
			e.Size = int64(len(e.Path))
		}
		if err := w.Add(e); err != nil {
			t.Fatal(err)
		}
		if e.Kind == tree.File {
			if _, err := io.WriteString(w, e.Path); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &out
}

func entries(t *testing.T, in io.Reader) []string {
	t.Helper()
	var names []string
	r := tree.NewReader(in)
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, e.Path)
	}
}

var shard = dataservice.Unit{ID: "shard-1", Format: dataservice.Tree}

func files(t *testing.T) *mask.UnitProgram {
	t.Helper()
	up, err := compile(t, filePolicy, mask.ComponentSchema{Name: "invoices", Catalogue: invoices()}).Unit("invoices", shard)
	if err != nil {
		t.Fatal(err)
	}
	return up
}

func TestFilesAreKeptOrLeftOutByTheirRules(t *testing.T) {
	in := archive(t, tree.Entry{Kind: tree.Directory, Path: tree.Root}, tree.Entry{Kind: tree.Directory, Path: "2026"}, tree.Entry{Kind: tree.File, Path: "2026/1.pdf"},
		tree.Entry{Kind: tree.Directory, Path: "web"}, tree.Entry{Kind: tree.File, Path: "web/a.css"}, tree.Entry{Kind: tree.File, Path: "web/secret.css"})
	var out bytes.Buffer
	report, err := files(t).Run(context.Background(), in, &out, mask.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if report.Rows != 6 || report.Dropped != 3 {
		t.Errorf("got %+v", report)
	}
	if names := entries(t, &out); !slices.Equal(names, []string{tree.Root, "web", "web/a.css"}) {
		t.Errorf("got %q", names)
	}
	masked := compile(t, filePolicy, mask.ComponentSchema{Name: "invoices", Catalogue: invoices()}).Catalogue("invoices")
	if len(masked.Objects) != 2 || masked.Object("web/a.css") == nil {
		t.Errorf("the masked catalogue is %+v", masked.Objects)
	}
}

func TestFilesWithoutARuleStopTheRun(t *testing.T) {
	c := invoices(dataservice.Object{ID: "web/index.html", Name: "index.html", Kind: "file"}, dataservice.Object{ID: "link", Name: "link", Kind: "symlink"})
	_, err := mask.Compile(parsePolicy(t, filePolicy), []mask.ComponentSchema{{Name: "invoices", Catalogue: c}}, deps())
	items := mask.UnclassifiedIn(err)
	if len(items) != 2 || items[0].Object != "web/index.html" || items[1].Type != "symlink" {
		t.Errorf("got %+v, %v", items, err)
	}
}

func TestFilesBeyondTheCatalogueStopTheUnit(t *testing.T) {
	secret := "web/Geheim.css"
	_, err := files(t).Run(context.Background(), archive(t, tree.Entry{Kind: tree.File, Path: secret}), io.Discard, mask.RunOptions{})
	if !fault.Is(err, fault.Permanent) || strings.Contains(err.Error(), "Geheim") {
		t.Errorf("got %v", err)
	}
}

func TestUnknownFileInARuleIsRefused(t *testing.T) {
	_, err := mask.Compile(parsePolicy(t, strings.Replace(filePolicy, "web/secret.css", "web/secrets.css", 1)),
		[]mask.ComponentSchema{{Name: "invoices", Catalogue: invoices()}}, deps())
	if err == nil || !strings.Contains(err.Error(), `there is no file "web/secrets.css"`) {
		t.Errorf("got %v", err)
	}
}

func TestHardLinksToFilesThatAreLeftOutStopTheUnit(t *testing.T) {
	c := invoices(dataservice.Object{ID: "web/z.css", Name: "z.css", Kind: "hardlink"})
	up, err := compile(t, filePolicy, mask.ComponentSchema{Name: "invoices", Catalogue: c}).Unit("invoices", shard)
	if err != nil {
		t.Fatal(err)
	}
	in := archive(t, tree.Entry{Kind: tree.Hardlink, Path: "web/z.css", Link: "web/secret.css"})
	if _, err := up.Run(context.Background(), in, io.Discard, mask.RunOptions{}); fault.CodeOf(err) != "mask.link" {
		t.Errorf("got %v", err)
	}
}
