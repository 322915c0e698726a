package leak

import (
	"encoding/json"
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
	path  []byte

	doc []byte // the document at hand
	out []leaf // and what was found in it
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

// leaves appends the leaves of a document. It reports false for what is no JSON. Values without escapes are parts of the
// document.
func (w *walker) leaves(dst []leaf, document []byte) ([]leaf, bool) {
	w.stack, w.doc, w.out = w.stack[:0], document, dst
	var ok bool
	for at := w.space(0); at < len(document); at = w.space(at) {
		if at, ok = w.value(at); !ok {
			return w.out, false
		}
	}
	return w.out, true
}

// maxDepth is the deepest nesting that is read; a deeper document is looked at as text.
const maxDepth = 10_000

// value reads the value that begins at an index, and returns the index behind it.
func (w *walker) value(at int) (int, bool) {
	if at >= len(w.doc) {
		return at, false
	}
	switch c := w.doc[at]; {
	case c == '{', c == '[':
		return w.container(at+1, c == '{')
	case c == '"':
		text, end, ok := w.text(at)
		if ok {
			w.out = append(w.out, w.leaf(text))
		}
		return end, ok
	default:
		end := at
		for end < len(w.doc) && !delimits(w.doc[end]) {
			end++
		}
		switch word := w.doc[at:end]; {
		case string(word) == "true", string(word) == "false", string(word) == "null":
		case c == '-' || c >= '0' && c <= '9':
			w.out = append(w.out, w.leaf(word))
		default:
			return at, false
		}
		return end, true
	}
}

func delimits(c byte) bool {
	return c == ',' || c == ']' || c == '}' || c == ':' || c == '"' || c == '[' || c == '{' || c <= ' '
}

// container reads what is behind the bracket of an object or array.
func (w *walker) container(at int, object bool) (int, bool) {
	depth := len(w.stack)
	if depth == maxDepth {
		return at, false
	}
	w.stack = append(w.stack, element)
	defer func() { w.stack = w.stack[:depth] }()
	closing := byte(']')
	if object {
		closing = '}'
	}
	if at = w.space(at); at < len(w.doc) && w.doc[at] == closing {
		return at + 1, true
	}
	for {
		var ok bool
		if at = w.space(at); object {
			if at, ok = w.key(at, depth); !ok {
				return at, false
			}
		}
		if at, ok = w.value(at); !ok {
			return at, false
		}
		if at = w.space(at); at >= len(w.doc) {
			return at, false
		}
		switch w.doc[at] {
		case closing:
			return at + 1, true
		case ',':
			at++
		default:
			return at, false
		}
	}
}

// key reads a key with its colon and makes it the step at a depth.
func (w *walker) key(at, depth int) (int, bool) {
	key, at, ok := w.text(at)
	if !ok {
		return at, false
	}
	w.stack[depth] = string(key)
	if len(key) >= minChars {
		l := w.leaf(key)
		l.key = true
		w.out = append(w.out, l)
	}
	if at = w.space(at); at >= len(w.doc) || w.doc[at] != ':' {
		return at, false
	}
	return w.space(at + 1), true
}

// text reads the string that begins at an index.
func (w *walker) text(at int) (value []byte, end int, ok bool) {
	if at >= len(w.doc) || w.doc[at] != '"' {
		return nil, at, false
	}
	escaped := false
	for end = at + 1; end < len(w.doc); end++ {
		switch w.doc[end] {
		case '\\':
			escaped = true
			end++
		case '"':
			if !escaped {
				return w.doc[at+1 : end], end + 1, true
			}
			var s string
			if err := json.Unmarshal(w.doc[at:end+1], &s); err != nil {
				return nil, end, false
			}
			return []byte(s), end + 1, true
		}
	}
	return nil, end, false
}

func (w *walker) space(at int) int {
	for at < len(w.doc) && (w.doc[at] == ' ' || w.doc[at] == '\n' || w.doc[at] == '\t' || w.doc[at] == '\r') {
		at++
	}
	return at
}

// leaf returns a value at the path at hand.
func (w *walker) leaf(value []byte) leaf {
	w.path = appendPath(w.path[:0], w.stack, func(step string) string { return step })
	l, known := w.known[string(w.path)]
	if !known {
		told := appendPath(nil, w.stack, func(step string) string {
			if step == element || isName(step) {
				return step
			}
			return "*"
		})
		l = leaf{path: string(w.path), told: string(told)}
		l.kept = slices.ContainsFunc(w.kept, func(pattern []string) bool { return covers(pattern, w.stack) })
		if len(w.known) < maxPaths {
			w.known[l.path] = l
		}
	}
	l.value = value
	return l
}

// appendPath appends a path with each step as write gives it.
func appendPath(dst []byte, steps []string, write func(string) string) []byte {
	dst = append(dst, '$')
	for _, step := range steps {
		if step != element {
			dst = append(dst, '.')
		}
		dst = append(dst, write(step)...)
	}
	return dst
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
