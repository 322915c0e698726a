package api

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/tranship/tranship/internal/registry"
)

// placeholder is the only thing that a template may hold besides text: templates are filled with values from outside, so
// they can name a parameter and do nothing else.
var placeholder = regexp.MustCompile(`\{\{\s*\.params\.([A-Za-z][A-Za-z0-9_]*)\s*\}\}`)

// Expand replaces each {{ .params.NAME }} of a template by the value of that parameter. A parameter without a value and any
// other use of {{ is an error, which repeats neither the template nor a value.
func Expand(template string, params map[string]string) (string, error) {
	var missing string
	out := placeholder.ReplaceAllStringFunc(template, func(p string) string {
		name := placeholder.FindStringSubmatch(p)[1]
		value, ok := params[name]
		if !ok && missing == "" {
			missing = name
		}
		return value
	})
	if missing != "" {
		return "", fmt.Errorf("parameter %q has no value", missing)
	}
	if strings.Contains(placeholder.ReplaceAllString(template, ""), "{{") {
		return "", fmt.Errorf("a template may hold {{ .params.NAME }} and nothing else in braces")
	}
	return out, nil
}

// checkTemplate reports what is wrong with the template at path and returns its text with "x" for every parameter. The
// second result is false when something was wrong.
func checkTemplate(errs *FieldErrors, path, template string, params map[string]Param) (string, bool) {
	sample := make(map[string]string, len(params))
	for name := range params {
		sample[name] = "x"
	}
	for _, m := range placeholder.FindAllStringSubmatch(template, -1) {
		if _, known := params[m[1]]; !known {
			near := registry.Nearest(m[1], slices.Sorted(maps.Keys(params)))
			errs.suggest(path, near, "uses a parameter that spec.params does not declare")
			return "", false
		}
	}
	text, err := Expand(template, sample)
	if err != nil {
		errs.add(path, "%v", err)
		return "", false
	}
	return text, true
}

// Check reports whether value may be given to the parameter. The error does not repeat it.
func (p Param) Check(value string) error {
	re, err := p.compile()
	if err != nil {
		return err
	}
	if !re.MatchString(value) {
		return fmt.Errorf("does not match the pattern %s", p.Pattern)
	}
	return nil
}

// compile returns the pattern, anchored at both ends.
func (p Param) compile() (*regexp.Regexp, error) {
	if _, err := regexp.Compile(p.Pattern); err != nil {
		return nil, fmt.Errorf("is not a regular expression in RE2 syntax: %w", err)
	}
	return regexp.Compile(`^(?:` + p.Pattern + `)$`)
}
