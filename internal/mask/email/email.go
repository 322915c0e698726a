// Package email masks e-mail addresses.
package email

import (
	"bytes"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"

	"github.com/tranship/tranship/internal/mask"
)

// localChars is the length of every local part: 80 bits in base32. It never varies, or else an address in a narrow column
// would no longer join with the same address in a wide one.
const localChars = 16

const (
	name    = "email"
	version = 1 // of the formatter
)

// Spec is the mask "email".
var Spec = mask.Spec{
	Name:    name,
	Summary: "an address at a domain that can never receive mail",
	Doc: "The local part becomes 16 characters that encode 80 bits of the keyed hash of the whole address in lower case. " +
		"The domain becomes one that is reserved and cannot be delivered to. Two addresses collide with probability 2⁻⁸⁰ per pair. " +
		"Addresses at a domain listed in keepDomains keep it: mail to them may reach somebody, so list none but your own.",
	Version:       version,
	Deterministic: true,
	Bits:          80,
	Params: []mask.Param{
		{Name: "domain", Type: mask.ParamString, Default: "masked.example",
			Summary: "domain of masked addresses; under example, test, invalid or localhost, or example.com, .net or .org"},
		{Name: "keepDomains", Type: mask.ParamStrings, Summary: "domains, in lower case, that are kept"},
	},
	Kinds: []mask.Kind{mask.KindText, mask.KindVarchar, mask.KindChar},
	Canon: func(mask.Column) (mask.Canon, error) { return mask.CanonEmail, nil },
	Fits: func(p mask.Params, c mask.Column) error {
		longest := len(p.String("domain"))
		for _, d := range p.Strings("keepDomains") {
			longest = max(longest, len(d))
		}
		return mask.FitsChars(localChars+1+longest, c)
	},
	New: build,
}

var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

type transformer struct {
	prf    *mask.PRF
	suffix []byte // "@" and the domain
	keep   [][]byte
	canon  []byte
}

func build(cfg mask.Config, deps mask.Deps) (mask.Transformer, error) {
	domain := cfg.Params.String("domain")
	if !reserved(domain) {
		return nil, fmt.Errorf("params.domain %q could receive mail: choose one that ends in .example, .test or .invalid", domain)
	}
	t := &transformer{
		prf:    deps.Epoch.PRF(cfg.Identity, name, version),
		suffix: []byte("@" + domain),
	}
	for i, d := range cfg.Params.Strings("keepDomains") {
		if !hostname(d) {
			return nil, fmt.Errorf("params.keepDomains[%d] %q is not a domain in lower case", i, d)
		}
		t.keep = append(t.keep, []byte("@"+d))
	}
	return t, nil
}

func (t *transformer) Transform(dst []byte, v mask.Value, _ *mask.Record) ([]byte, error) {
	var err error
	if t.canon, err = mask.CanonEmail(t.canon[:0], v.Raw); err != nil {
		return dst, err
	}
	dst = encoding.AppendEncode(dst, t.prf.Sum(t.canon)[:10])
	at := t.canon[bytes.LastIndexByte(t.canon, '@'):]
	for _, d := range t.keep {
		if bytes.Equal(at, d) {
			return append(dst, d...), nil
		}
	}
	return append(dst, t.suffix...), nil
}

// reserved reports whether no mail exchanger can ever exist for the domain (RFC 2606, RFC 6761).
func reserved(domain string) bool {
	if !hostname(domain) {
		return false
	}
	labels := strings.Split(domain, ".")
	n := len(labels)
	if slices.Contains([]string{"example", "test", "invalid", "localhost"}, labels[n-1]) {
		return true
	}
	return n >= 2 && labels[n-2] == "example" && slices.Contains([]string{"com", "net", "org"}, labels[n-1])
}

func hostname(s string) bool {
	if s == "" || len(s) > 190 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || label[0] == '-' {
			return false
		}
	}
	return true
}
