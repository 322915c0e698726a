package leak

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
)

// leaf is a string or a number of a document, or a key of one of its objects.
type leaf struct {
	path  string // $.phones[*], with the keys as they are
	told  string // the path for findings: * for keys that may be data
	kept  bool
	key   bool
	value []byte
}

// walker finds the leaves of one column's documents. It belongs to one goroutine.
type walker struct {
	kept  [][]string
	known map[string]leaf // what was found out of a path
	stack []string
}

// element is the step into an array.
const element = "[*]"

func newWalker(keptPaths []string) *walker {
	w := &walker{known: map[string]leaf{}}
	for _, p := range keptPaths {
		w.kept = append(w.kept, steps(p))
	}
	return w
}

// steps splits a path as policies write it. A step into a string that holds a document is no step here: the string is a leaf.
func steps(path string) []string {
	var out []string
	rest := strings.TrimPrefix(path, "$")
	for rest != "" {
		switch {
		case strings.HasPrefix(rest, element):
			out, rest = append(out, element), rest[len(element):]
		case strings.HasPrefix(rest, `["`):
			end := strings.Index(rest, `"]`)
			if end < 0 {
				return append(out, rest)
			}
			out, rest = append(out, rest[2:end]), rest[end+2:]
		default:
			rest = strings.TrimPrefix(rest, ".")
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return append(out, rest)
			}
			out, rest = append(out, rest[:end]), rest[end:]
		}
	}
	return out
}

// covers reports whether a pattern is about a path.
func covers(pattern, path []string) bool {
	if len(pattern) == 0 {
		return len(path) == 0
	}
	if pattern[0] == "**" {
		return covers(pattern[1:], path) || len(path) > 0 && covers(pattern, path[1:])
	}
	if len(path) == 0 || pattern[0] != path[0] && (pattern[0] != "*" || path[0] == element) {
		return false
	}
	return covers(pattern[1:], path[1:])
}

// leaves appends the leaves of a document. It reports false for what is no JSON.
func (w *walker) leaves(dst []leaf, document []byte) ([]leaf, bool) {
	dec := json.NewDecoder(bytes.NewReader(document))
	dec.UseNumber()
	w.stack = w.stack[:0]
	for {
		tok, err := dec.Token()
		if err != nil {
			return dst, errors.Is(err, io.EOF)
		}
		if dst, err = w.value(dst, dec, tok); err != nil {
			return dst, false
		}
	}
}

func (w *walker) value(dst []leaf, dec *json.Decoder, tok json.Token) ([]leaf, error) {
	switch v := tok.(type) {
	case string:
		return append(dst, w.leaf([]byte(v))), nil
	case json.Number:
		return append(dst, w.leaf([]byte(v))), nil
	case json.Delim:
		return w.container(dst, dec, v == '{')
	}
	return dst, nil
}

func (w *walker) container(dst []leaf, dec *json.Decoder, object bool) ([]leaf, error) {
	depth := len(w.stack)
	w.stack = append(w.stack, element)
	defer func() { w.stack = w.stack[:depth] }()
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return dst, err
		}
		if object {
			key, _ := tok.(string)
			w.stack[depth] = key
			if len(key) >= minChars {
				l := w.leaf([]byte(key))
				l.key = true
				dst = append(dst, l)
			}
			if tok, err = dec.Token(); err != nil {
				return dst, err
			}
		}
		if dst, err = w.value(dst, dec, tok); err != nil {
			return dst, err
		}
	}
	_, err := dec.Token()
	return dst, err
}

func (w *walker) leaf(value []byte) leaf {
	var path strings.Builder
	path.WriteByte('$')
	for _, step := range w.stack {
		writeStep(&path, step)
	}
	l, known := w.known[path.String()]
	if !known {
		l = leaf{path: path.String(), told: w.told()}
		l.kept = slices.ContainsFunc(w.kept, func(pattern []string) bool { return covers(pattern, w.stack) })
		if len(w.known) < maxPaths {
			w.known[l.path] = l
		}
	}
	l.value = value
	return l
}

func writeStep(path *strings.Builder, step string) {
	if step != element {
		path.WriteByte('.')
	}
	path.WriteString(step)
}

// told is the path at hand with * for keys that may be data.
func (w *walker) told() string {
	var path strings.Builder
	path.WriteByte('$')
	for _, step := range w.stack {
		if step != element && !isName(step) {
			step = "*"
		}
		writeStep(&path, step)
	}
	return path.String()
}

// isName reports whether a key is the name of a field, rather than data.
func isName(key string) bool {
	if len(key) > 40 || key == "" || key[0] >= '0' && key[0] <= '9' {
		return false
	}
	for i := range len(key) {
		if c := key[i]; !isAlphanumeric(c) && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// maxPaths bounds what is remembered of paths: keys may be data.
const maxPaths = 10_000
