package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tranship/tranship/internal/api"
)

// maxManifest bounds a file of resources, in bytes. The API takes no larger one.
const maxManifest = 4 << 20

// bundle is the resources of several files, as one text to send and as what was read from it.
type bundle struct {
	set   *api.Set
	text  []byte
	parts []part
}

// part is where a file lies within the text of a bundle.
type part struct {
	file string
	line int // lines before its first one
}

// separator stands between the texts of two files. It takes two lines.
const separator = "\n---\n"

func (b *bundle) add(file string, data []byte) error {
	if len(b.parts) > 0 {
		b.text = append(b.text, separator...)
	}
	b.parts = append(b.parts, part{file: file, line: bytes.Count(b.text, []byte("\n"))})
	b.text = append(b.text, data...)
	return b.set.Load(bytes.NewReader(data), file)
}

// place says in which file the problems lie that somebody found in the text as a whole.
func (b *bundle) place(problems api.FieldErrors) api.FieldErrors {
	placed := slices.Clone(problems)
	for i, p := range placed {
		if p.Line == 0 || p.File != "" {
			continue
		}
		for _, part := range b.parts {
			if part.line < p.Line {
				placed[i].File, placed[i].Line = part.file, p.Line-part.line
			}
		}
	}
	return placed
}

// readResources reads the resources of files, of the YAML and JSON files of directories, and of standard input for "-".
// All problems of all files are reported at once.
func (m *Main) readResources(paths []string) (*bundle, error) {
	b := &bundle{set: api.NewSet()}
	var problems api.FieldErrors
	for _, path := range paths {
		files, err := manifestFiles(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			data, err := m.readManifest(file)
			if err != nil {
				return nil, err
			}
			if err := b.add(shownName(file), data); err != nil {
				var fields api.FieldErrors
				if !errors.As(err, &fields) {
					return nil, failed(err, "reading %s", shownName(file))
				}
				problems = append(problems, fields...)
			}
		}
	}
	if len(problems) > 0 {
		return nil, invalidResources(problems)
	}
	if len(b.set.Resources()) == 0 {
		return nil, misuse("there are no resources in %s", strings.Join(paths, ", "))
	}
	return b, nil
}

// invalidResources lists what is wrong with resources, a line for each.
func invalidResources(problems api.FieldErrors) error {
	what := "the resources have a problem"
	if len(problems) > 1 {
		what = "the resources have problems"
	}
	return &failure{code: exitMisuse, what: what, err: problems}
}

// manifestFiles returns the files behind a path, in order.
func manifestFiles(path string) ([]string, error) {
	if path == "-" {
		return []string{path}, nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, misuse("there is no file %s", path)
	case err != nil:
		return nil, failed(err, "reading resources")
	case !info.IsDir():
		return []string{path}, nil
	}
	list, err := os.ReadDir(path)
	if err != nil {
		return nil, failed(err, "reading resources")
	}
	var files []string
	for _, f := range list {
		if ext := filepath.Ext(f.Name()); !f.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, ext) {
			files = append(files, filepath.Join(path, f.Name()))
		}
	}
	if len(files) == 0 {
		return nil, misuse("there is no .yaml, .yml or .json file in %s", path)
	}
	return files, nil
}

func (m *Main) readManifest(path string) ([]byte, error) {
	in := m.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, failed(err, "reading resources")
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	if in == nil {
		return nil, misuse("there is nothing on standard input")
	}
	data, err := io.ReadAll(io.LimitReader(in, maxManifest+1))
	if err != nil {
		return nil, failed(err, "reading %s", shownName(path))
	}
	if len(data) > maxManifest {
		return nil, misuse("%s is larger than %d MiB", shownName(path), maxManifest>>20).hinted("split it")
	}
	return data, nil
}

func shownName(path string) string {
	if path == "-" {
		return "stdin"
	}
	return path
}
