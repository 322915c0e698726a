package api

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,62}$`)

// child returns the path of a key below path: spec.steps, or columns["a b"] for a key that is no plain word.
func child(path, key string) string {
	switch {
	case !plainKey.MatchString(key):
		return path + "[" + strconv.Quote(abridge(key)) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

// unknownChild is child for a key that nobody expected. It may be a value in the wrong place, a secret even, so only a
// plain word is repeated.
func unknownChild(path, key string) string {
	if plainKey.MatchString(key) {
		return child(path, key)
	}
	return child(path, "?")
}

// element returns the path of an item of a list.
func element(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// parent returns the path without its last part.
func parent(path string) string {
	if strings.HasSuffix(path, `"]`) {
		if i := strings.LastIndex(path, `["`); i >= 0 {
			return path[:i]
		}
	}
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// abridge cuts a long text in its middle.
func abridge(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most/2], "") + "…" + strings.ToValidUTF8(s[len(s)-most/2:], "")
}

// below returns the path of a field below path; field may be several names, joined by dots.
func below(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}
