package api

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"
)

func TestGlobMatches(t *testing.T) {
	for _, c := range []struct {
		pattern string
		sep     byte
		name    string
		want    bool
	}{
		{"public.customers", '.', "public.customers", true},
		{"public.customers", '.', "public.customer", false},
		{"public.*", '.', "public.customers", true},
		{"public.*", '.', "public.a.b", false},
		{"*.tmp_?", '.', "audit.tmp_1", true},
		{"*.tmp_?", '.', "audit.tmp_12", false},
		{"**/*.pdf", '/', "a.pdf", true},
		{"**/*.pdf", '/', "2024/01/a.pdf", true},
		{"**/*.pdf", '/', "2024/01/a.pdfx", false},
		{"*.pdf", '/', "2024/a.pdf", false},
		{"2024/**", '/', "2024/01/a.pdf", true},
		{"2024/**", '/', "2025/01/a.pdf", false},
		{"a/**/b", '/', "a/b", true},
		{"a/**/b", '/', "a/x/y/b", true},
		{"a/**/b", '/', "ab", false},
		{"a**/b", '/', "a/b", true},
		{"a**/b", '/', "ab", false},
		{"", '/', "", true},
		{"", '/', "a", false},
		{"[a-z]", '/', "b", false},
		{"[a-z]", '/', "[a-z]", true},
	} {
		if got := NewGlob(c.pattern, c.sep).Match(c.name); got != c.want {
			t.Errorf("%q matches %q: %v, want %v", c.pattern, c.name, got, c.want)
		}
	}
}

func TestGlobOverlaps(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"**/*.pdf", "reports/**", true},
		{"**/*.pdf", "**/*.txt", false},
		{"a/*", "a/b/*", false},
		{"a/**", "a/b/*", true},
		{"x*y", "*z", false},
		{"x*", "*z", true},
		{"?", "ab", false},
		{"**/a", "a", true},
	} {
		for _, pair := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
			if got := NewGlob(pair[0], '/').Overlaps(NewGlob(pair[1], '/')); got != c.want {
				t.Errorf("%q overlaps %q: %v, want %v", pair[0], pair[1], got, c.want)
			}
		}
	}
}

// reference translates a pattern into a regular expression, the other way to say what it means.
func reference(pattern string) *regexp.Regexp {
	re := "^"
	for i := 0; i < len(pattern); i++ {
		switch {
		case (i == 0 || pattern[i-1] == '/') && len(pattern) >= i+3 && pattern[i:i+3] == "**/":
			re += "(.*/)?"
			i += 2
		case len(pattern) >= i+2 && pattern[i:i+2] == "**":
			re += ".*"
			i++
		case pattern[i] == '*':
			re += "[^/]*"
		case pattern[i] == '?':
			re += "[^/]"
		default:
			re += regexp.QuoteMeta(pattern[i : i+1])
		}
	}
	return regexp.MustCompile(re + "$")
}

func TestGlobAgreesWithRegularExpressions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab/?*]{0,8}`).Draw(t, "pattern")
		other := rapid.StringMatching(`[ab/?*]{0,8}`).Draw(t, "other")
		name := rapid.StringMatching(`[ab/]{0,8}`).Draw(t, "name")
		g, o := NewGlob(pattern, '/'), NewGlob(other, '/')
		matches := g.Match(name)
		if matches != reference(pattern).MatchString(name) {
			t.Fatalf("%q matches %q: %v", pattern, name, matches)
		}
		if matches && o.Match(name) && !g.Overlaps(o) {
			t.Fatalf("%q and %q both match %q and are said not to overlap", pattern, other, name)
		}
	})
}
