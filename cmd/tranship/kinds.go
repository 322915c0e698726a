package main

import (
	"slices"
	"strings"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/registry"
)

// kindWords are the ways to write a kind on the command line, apart from its name.
var kindWords = map[string]string{
	"locations": api.KindLocation, "loc": api.KindLocation,
	"clusters":     api.KindCluster,
	"applications": api.KindApplication, "app": api.KindApplication, "apps": api.KindApplication,
	"maskingpolicies": api.KindMaskingPolicy, "masking": api.KindMaskingPolicy, "mp": api.KindMaskingPolicy,
	"policies": api.KindPolicy, "pol": api.KindPolicy,
	"subscriptions": api.KindSubscription, "sub": api.KindSubscription,
}

// everyKind stands for all kinds that a user writes.
const everyKind = "all"

// kindNames are the kinds as they are offered for completion.
func kindNames() []string {
	var names []string
	for _, k := range api.Kinds() {
		names = append(names, strings.ToLower(k))
	}
	return names
}

// parseKind reads a kind as people write it: in any case, singular, plural or short.
func parseKind(word string) (string, error) {
	lower := strings.ToLower(word)
	for _, k := range api.Kinds() {
		if strings.ToLower(k) == lower {
			return k, nil
		}
	}
	if k, ok := kindWords[lower]; ok {
		return k, nil
	}
	switch strings.TrimSuffix(lower, "s") {
	case "run":
		return "", misuse("runs are no resources that can be written").hinted("see: tranship runs --help")
	case "capture":
		return "", misuse("captures are no resources that can be written").hinted("see: tranship captures --help")
	}
	words := kindNames()
	for w := range kindWords {
		words = append(words, w)
	}
	slices.Sort(words)
	if near := registry.Nearest(lower, words); near != "" {
		return "", misuse("there is no kind %q", word).hinted("did you mean %q?", near)
	}
	return "", misuse("there is no kind %q", word).hinted("the kinds are: %s", strings.Join(kindNames(), ", "))
}
