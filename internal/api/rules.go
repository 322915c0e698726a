package api

import (
	"maps"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/tranship/tranship/internal/registry"
)

var (
	labelPattern    = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	identityPattern = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)
	paramPattern    = regexp.MustCompile(`^[a-z][A-Za-z0-9_]{0,31}$`)
	envPattern      = regexp.MustCompile(`^` + SecretEnvPrefix + `[A-Z0-9_]+$`)
	typePattern     = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(\.\*)?$|^\*$`)
	labelKey        = regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)
	labelValue      = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$`)
)

const wantLabel = "must be a DNS label: at most 63 of a-z, 0-9 and -, with a letter or digit at both ends"

// isLabel reports whether s is a DNS label.
func isLabel(s string) bool { return labelPattern.MatchString(s) }

func defaultMeta(t *TypeMeta, kind string, m *ObjectMeta) {
	*t = TypeMeta{APIVersion: Version, Kind: kind}
	if m.Namespace == "" {
		m.Namespace = DefaultTenant
	}
}

func validateMeta(m *ObjectMeta) FieldErrors {
	var errs FieldErrors
	requireLabel(&errs, "metadata.name", m.Name)
	requireLabel(&errs, "metadata.namespace", m.Tenant())
	validateLabels(&errs, "metadata.labels", m.Labels)
	return errs
}

func validateLabels(errs *FieldErrors, at string, labels map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if !labelKey.MatchString(key) {
			errs.add(child(at, key), "is no label key: words of letters, digits, '-', '_' and '.', with an optional prefix and /")
		}
		if !labelValue.MatchString(labels[key]) {
			errs.add(child(at, key), "must be a label value: at most 63 letters, digits, '-', '_' and '.'")
		}
	}
}

// requireLabel wants a DNS label at a field.
func requireLabel(errs *FieldErrors, at, value string) {
	switch {
	case value == "":
		errs.add(at, "is missing")
	case !isLabel(value):
		errs.add(at, wantLabel)
	}
}

// optionalLabel wants a DNS label at a field, or nothing.
func optionalLabel(errs *FieldErrors, at, value string) {
	if value != "" {
		requireLabel(errs, at, value)
	}
}

func requireText(errs *FieldErrors, at, value string) {
	if strings.TrimSpace(value) == "" {
		errs.add(at, "is missing")
	}
}

// requireOneOf wants one of a closed set of words at a field.
func requireOneOf[T ~string](errs *FieldErrors, at string, value T, known ...T) {
	if slices.Contains(known, value) {
		return
	}
	words := make([]string, len(known))
	for i, k := range known {
		words[i] = string(k)
	}
	if value == "" {
		errs.add(at, "is missing: %s", oneOf(words))
		return
	}
	errs.suggest(at, registry.Nearest(string(value), words), "must be %s", oneOf(words))
}

// oneOf writes "a, b or c".
func oneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// choice is a field of a union with whether it is set.
type choice struct {
	name string
	set  bool
}

// requireExactlyOne wants one of a union's fields and reports whether it got that.
func requireExactlyOne(errs *FieldErrors, at string, choices ...choice) bool {
	var all, set []string
	for _, c := range choices {
		all = append(all, c.name)
		if c.set {
			set = append(set, c.name)
		}
	}
	switch len(set) {
	case 1:
		return true
	case 0:
		errs.add(at, "needs %s", oneOf(all))
	default:
		errs.add(at, "has %s: only one of them can be meant", strings.Join(set, " and "))
	}
	return false
}

func (r SecretRef) validate(errs *FieldErrors, at string) {
	if !requireExactlyOne(errs, at, choice{"fromFile", r.FromFile != ""}, choice{"fromEnv", r.FromEnv != ""}, choice{"fromSecret", r.FromSecret != nil}) {
		return
	}
	switch {
	case r.FromFile != "":
		if !localPath(r.FromFile) {
			errs.add(child(at, "fromFile"), "must be the path of a file below the worker's secrets directory, relative to it")
		}
	case r.FromEnv != "":
		if !envPattern.MatchString(r.FromEnv) {
			errs.add(child(at, "fromEnv"), "must be the name of an environment variable that starts with %s", SecretEnvPrefix)
		}
	default:
		requireText(errs, below(at, "fromSecret.name"), r.FromSecret.Name)
		requireText(errs, below(at, "fromSecret.key"), r.FromSecret.Key)
	}
}

// localPath reports whether p stays below the directory that it is relative to and is no URL.
func localPath(p string) bool {
	return filepath.IsLocal(p) && path.Clean(p) != "." && !strings.Contains(p, "://") && !strings.ContainsAny(p, "\x00\n")
}

// requireURL wants a plain http or https address. The error does not repeat it: it may hold a password.
func requireURL(errs *FieldErrors, at, value string) {
	u, err := url.Parse(value)
	switch {
	case value == "":
		errs.add(at, "is missing")
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		errs.add(at, "must be an address that starts with http:// or https://")
	case u.User != nil:
		errs.add(at, "must not hold credentials: they belong into a secret")
	}
}

// duplicates calls report for every index whose key an earlier one has.
func duplicates[T any, K comparable](items []T, key func(T) K, report func(i, first int)) {
	seen := make(map[K]int, len(items))
	for i, item := range items {
		k := key(item)
		if first, dup := seen[k]; dup {
			report(i, first)
			continue
		}
		seen[k] = i
	}
}

// globError says what is wrong with a pattern, or returns "".
func globError(pattern string, sep byte) string {
	switch {
	case len(pattern) > 256:
		return "is longer than 256 bytes"
	case sep == SeparatorTable && strings.Count(pattern, ".") == 0 && pattern != "**":
		return "must name a table as schema.table"
	case sep == SeparatorPath && !localPath(pattern):
		return "must be a path within the component, without .. and a leading /"
	}
	return ""
}

func validateGlobs(errs *FieldErrors, at string, patterns []string, sep byte) {
	for i, p := range patterns {
		if wrong := globError(p, sep); wrong != "" {
			errs.add(element(at, i), "%s", wrong)
		}
	}
}

// requireNatural wants a number that is not negative.
func requireNatural[T ~int | ~int64 | ~float64](errs *FieldErrors, at string, value T) {
	if value < 0 {
		errs.add(at, "must not be negative")
	}
}
