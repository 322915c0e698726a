package events_test

import (
	"strconv"
	"strings"
)

// remove takes the field at a path like steps[0].work.mask away.
func remove(v any, path string) {
	in, name := find(v, path)
	delete(in, name)
}

// put sets the field at a path.
func put(v any, path string, value any) {
	in, name := find(v, path)
	in[name] = value
}

// find returns the object that holds the field at a path, and the field's name.
func find(v any, path string) (map[string]any, string) {
	tokens := strings.Split(strings.ReplaceAll(path, "[", ".["), ".")
	for _, token := range tokens[:len(tokens)-1] {
		if index, ok := strings.CutPrefix(token, "["); ok {
			i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
			if err != nil {
				panic(err)
			}
			v = v.([]any)[i]
			continue
		}
		v = v.(map[string]any)[token]
	}
	return v.(map[string]any), tokens[len(tokens)-1]
}
