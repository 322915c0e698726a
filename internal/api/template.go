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
// they can name a value and do nothing else.
var placeholder = regexp.MustCompile(`\{\{\s*\.(?:(application)|params\.([A-Za-z][A-Za-z0-9_]*))\s*\}\}`)

// Vars are the values that a template can use.
type Vars struct {
	Application string            // name of the run's application
	Params      map[string]string // the run's parameters
}

// Expand replaces each {{ .application }} and {{ .params.NAME }} of a template by its value. A parameter without a value and
// any other use of {{ is an error, which repeats neither the template nor a value.
func Expand(template string, vars Vars) (string, error) {
	var missing string
	out := placeholder.ReplaceAllStringFunc(template, func(p string) string {
		m := placeholder.FindStringSubmatch(p)
		if m[1] != "" {
			return vars.Application
		}
		value, ok := vars.Params[m[2]]
		if !ok && missing == "" {
			missing = m[2]
		}
		return value
	})
	if missing != "" {
		return "", fmt.Errorf("parameter %q has no value", missing)
	}
	if strings.Contains(placeholder.ReplaceAllString(template, ""), "{{") {
		return "", fmt.Errorf("a template may hold {{ .application }} or {{ .params.NAME }} and nothing else in braces")
	}
	return out, nil
}

// usesApplication reports whether the template differs from application to application.
func usesApplication(template string) bool {
	return slices.ContainsFunc(placeholder.FindAllStringSubmatch(template, -1), func(m []string) bool { return m[1] != "" })
}

// checkTemplate reports what is wrong with the template at path and returns its text with "x" for every value. The second
// result is false when something was wrong.
func checkTemplate(errs *FieldErrors, path, template string, params map[string]Param) (string, bool) {
	sample := make(map[string]string, len(params))
	for name := range params {
		sample[name] = "x"
	}
	for _, m := range placeholder.FindAllStringSubmatch(template, -1) {
		if _, known := params[m[2]]; m[2] != "" && !known {
			near := registry.Nearest(m[2], slices.Sorted(maps.Keys(params)))
			errs.suggest(path, near, "uses a parameter that spec.params does not declare")
			return "", false
		}
	}
	text, err := Expand(template, Vars{Application: "x", Params: sample})
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
