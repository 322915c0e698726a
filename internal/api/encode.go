package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// EncodeYAML writes resources as YAML documents, fields in the order of the types.
func EncodeYAML(w io.Writer, resources ...Resource) error {
	if len(resources) == 0 {
		return nil // the library cannot close a stream that it did not open
	}
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	for _, r := range resources {
		data, err := marshal(r)
		if err != nil {
			return err
		}
		roots, err := parseJSON(data)
		if err != nil || len(roots) != 1 {
			return fmt.Errorf("encoding %s as YAML: %w", KeyOf(r), err)
		}
		quoteOldBooleans(roots[0])
		if err := enc.Encode(roots[0]); err != nil {
			return fmt.Errorf("encoding %s as YAML: %w", KeyOf(r), err)
		}
	}
	return enc.Close()
}

// EncodeJSON writes resources as indented JSON objects, one after the other.
func EncodeJSON(w io.Writer, resources ...Resource) error {
	for _, r := range resources {
		data, err := marshal(r)
		if err != nil {
			return err
		}
		var out bytes.Buffer
		if err := json.Indent(&out, data, "", "  "); err != nil {
			return fmt.Errorf("encoding %s as JSON: %w", KeyOf(r), err)
		}
		out.WriteByte('\n')
		if _, err := w.Write(out.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// Canonical returns the one spelling of what a resource means, for digests: compact JSON with sorted keys of the defaulted
// resource, without what the server sets, without annotations and without status.
func Canonical(r Resource) ([]byte, error) {
	data, err := marshal(r)
	if err != nil {
		return nil, err
	}
	var all map[string]any
	if err := decodeNumbers(data, &all); err != nil {
		return nil, fmt.Errorf("canonical form of %s: %w", KeyOf(r), err)
	}
	delete(all, "status")
	if meta, ok := all["metadata"].(map[string]any); ok {
		for _, field := range []string{"annotations", "uid", "resourceVersion", "createdAt"} {
			delete(meta, field)
		}
	}
	return compact(all)
}

// marshal returns the compact JSON of the defaulted resource; r itself stays as it is.
func marshal(r Resource) ([]byte, error) {
	data, err := compact(r)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", KeyOf(r), err)
	}
	c := New(r.Kind())
	if err := decodeNumbers(data, c); err != nil {
		return nil, fmt.Errorf("encoding %s: %w", KeyOf(r), err)
	}
	c.Default()
	return compact(c)
}

// compact is json.Marshal without the escapes that are meant for HTML.
func compact(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// quoteOldBooleans quotes the words that readers of YAML 1.1 take for true and false. The library quotes everything else
// that needs it.
func quoteOldBooleans(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Tag == tagString {
		switch strings.ToLower(n.Value) {
		case "y", "n", "yes", "no", "on", "off":
			n.Style = yaml.DoubleQuotedStyle
		}
	}
	for _, item := range n.Content {
		quoteOldBooleans(item)
	}
}
