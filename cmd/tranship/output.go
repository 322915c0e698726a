package main

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/tranship/tranship/internal/registry"
)

// format is how results are printed. It is the value of --output.
type format string

// The formats.
const (
	formatTable format = "table"
	formatWide  format = "wide"
	formatYAML  format = "yaml"
	formatJSON  format = "json"
)

var formats = []string{string(formatTable), string(formatWide), string(formatYAML), string(formatJSON)}

// String returns the format's name.
func (f *format) String() string { return string(*f) }

// Type names the kind of value for the help.
func (f *format) Type() string { return "format" }

// Set takes a format's name.
func (f *format) Set(name string) error {
	if !slices.Contains(formats, name) {
		e := misuse("it is one of %s", strings.Join(formats, ", "))
		if near := registry.Nearest(name, formats); near != "" {
			e = misuse("it is one of %s: did you mean %q?", strings.Join(formats, ", "), near)
		}
		return e
	}
	*f = format(name)
	return nil
}

// structured reports whether programs read the output.
func (f *format) structured() bool { return *f == formatJSON || *f == formatYAML }

// print writes a value in the format that was asked for: value as JSON or YAML, or what table returns.
func (m *Main) print(value any, table func(wide bool) *table) error {
	switch m.flags.output {
	case formatJSON, formatYAML:
		return writeValue(m.Stdout, value, m.flags.output)
	}
	t := table(m.flags.output == formatWide)
	return t.write(m.Stdout, m.width(), palette{on: m.colours(m.Stdout)})
}

// writeValue writes a value as indented JSON or as YAML, both with the names of its JSON form.
func writeValue(w io.Writer, value any, f format) error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(value); err != nil {
		return failed(err, "writing the result as %s", f)
	}
	data := out.Bytes()
	if f == formatYAML {
		y, err := yaml.JSONToYAML(data)
		if err != nil {
			return failed(err, "writing the result as %s", f)
		}
		data = y
	}
	_, err := w.Write(data)
	return err
}
