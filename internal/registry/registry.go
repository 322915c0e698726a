// Package registry keeps the implementations of one concept under their names.
//
// A registry is a value: each concept builds its own in one all.go and main passes it on. Nothing registers itself.
package registry

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Registry maps names to specs of type T. The zero value is not usable; call New.
type Registry[T any] struct {
	concept string
	specs   map[string]T
}

// New builds the registry of a concept ("object store", "mask") from specs. Two specs of one name are a programming
// error and panic.
func New[T any](concept string, name func(T) string, specs ...T) *Registry[T] {
	r := &Registry[T]{concept: concept, specs: make(map[string]T, len(specs))}
	for _, s := range specs {
		n := name(s)
		if _, dup := r.specs[n]; dup {
			panic(fmt.Sprintf("registry: two %ss are named %q", concept, n))
		}
		r.specs[n] = s
	}
	return r
}

// Get returns the spec of that name, or an error that names the closest known one.
func (r *Registry[T]) Get(name string) (T, error) {
	if s, ok := r.specs[name]; ok {
		return s, nil
	}
	var zero T
	if near := Nearest(name, r.Names()); near != "" {
		return zero, fmt.Errorf("unknown %s %q: did you mean %q?", r.concept, name, near)
	}
	return zero, fmt.Errorf("unknown %s %q: known are %s", r.concept, name, strings.Join(r.Names(), ", "))
}

// Names lists the registered names, sorted.
func (r *Registry[T]) Names() []string {
	names := make([]string, 0, len(r.specs))
	for n := range r.specs {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// Nearest returns the candidate with the smallest edit distance to name, or "" when none is within a third of its
// length (at least two edits): a suggestion that is far off is worse than none.
func Nearest(name string, candidates []string) string {
	best, at := "", max(2, len(name)/3)+1
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if d := distance(strings.ToLower(name), strings.ToLower(c)); d < at {
			best, at = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
