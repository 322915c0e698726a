package mask

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/registry"
)

// identity is a declared identity, or the implicit one of a mask that a rule names directly.
type identity struct {
	name      string
	spec      Spec
	params    Params
	sentinels []string
	raw       map[string]any // of an implicit identity: the parameters it was first used with
	field     string         // where it was declared or first used
	broken    bool           // a finding tells why already
}

// declareIdentities resolves the identities that the policy declares.
func (c *compiler) declareIdentities() {
	for _, name := range slices.Sorted(maps.Keys(c.policy.Spec.Identities)) {
		declared := c.policy.Spec.Identities[name]
		c.identities[name] = c.newIdentity(name, declared.Mask, declared.Params, "spec.identities."+name)
	}
	for _, name := range slices.Sorted(maps.Keys(c.identities)) {
		c.checkReferences(c.identities[name])
	}
}

func (c *compiler) newIdentity(name, maskName string, params map[string]any, at string) *identity {
	id := &identity{name: name, field: at, raw: params}
	spec, err := c.deps.Masks.Get(maskName)
	if err != nil {
		c.add(problem("mask", at+".mask", err))
		id.broken = true
		return id
	}
	id.spec = spec
	own := maps.Clone(params)
	if list, given := own["sentinels"]; given && !declares(spec, "sentinels") {
		delete(own, "sentinels")
		parsed, err := ParseParams([]Param{{Name: "sentinels", Type: ParamStrings}}, map[string]any{"sentinels": list}, at)
		if err != nil {
			c.add(problem("params", "", err))
			id.broken = true
			return id
		}
		id.sentinels = parsed.Strings("sentinels")
	}
	if id.params, err = ParseParams(spec.Params, own, at); err != nil {
		c.add(problem("params", "", err))
		id.broken = true
	}
	return id
}

func declares(s Spec, param string) bool {
	return slices.ContainsFunc(s.Params, func(p Param) bool { return p.Name == param })
}

// checkReferences demands that parameters which name identities name known ones.
func (c *compiler) checkReferences(id *identity) {
	if id.broken {
		return
	}
	for _, p := range id.spec.Params {
		if p.Type != ParamIdentity {
			continue
		}
		if name := id.params.String(p.Name); name != "" && c.policy.Spec.Identities[name].Mask == "" {
			c.add(c.unknownIdentity(id.field+"."+p.Name, name))
			id.broken = true
		}
	}
}

func (c *compiler) unknownIdentity(at, name string) Finding {
	f := Finding{Code: "identity", Field: at, Message: fmt.Sprintf("the policy declares no identity %q", name)}
	if near := registry.Nearest(name, slices.Sorted(maps.Keys(c.policy.Spec.Identities))); near != "" {
		f.Fix = fmt.Sprintf("did you mean %q?", near)
	}
	return f
}

// declared returns a declared identity, or nil with a finding.
func (c *compiler) declared(at, name string) *identity {
	if _, ok := c.policy.Spec.Identities[name]; !ok {
		c.add(c.unknownIdentity(at, name))
		return nil
	}
	return usable(c.identities[name])
}

// implicit returns the identity that is named after a mask. Rules share it, so they must agree on its parameters.
// Documents are the exception: their parameters are rules for what is inside, which has identities of its own.
func (c *compiler) implicit(at, maskName string, params map[string]any) *identity {
	spec, err := c.deps.Masks.Get(maskName)
	if err == nil && slices.ContainsFunc(spec.Params, func(p Param) bool { return p.Type == ParamRules }) {
		return usable(c.newIdentity(maskName, maskName, params, at))
	}
	if _, taken := c.policy.Spec.Identities[maskName]; taken {
		c.add(Finding{Code: "identity", Field: at, Message: fmt.Sprintf("mask %q has the name of a declared identity", maskName),
			Fix: fmt.Sprintf("write {identity: %s} or rename the identity", maskName)})
		return nil
	}
	known := c.identities[maskName]
	if known == nil {
		known = c.newIdentity(maskName, maskName, params, at)
		c.identities[maskName] = known
		c.checkReferences(known)
		return usable(known)
	}
	if usable(known) != nil && !sameParams(known.raw, params) {
		c.add(Finding{Code: "identity", Field: at,
			Message: fmt.Sprintf("mask %q has other parameters here than at %s, so one value would become two", maskName, known.field),
			Fix:     "declare an identity for each meaning under spec.identities"})
		return nil
	}
	return usable(known)
}

func usable(id *identity) *identity {
	if id == nil || id.broken {
		return nil
	}
	return id
}

// sameParams compares parameters as they were decoded.
func sameParams(a, b map[string]any) bool { return fmt.Sprint(a) == fmt.Sprint(b) && len(a) == len(b) }

// columnParams splits the keys of a column's rule into those that say how to read the column and the mask's own.
func columnParams(rule api.ColumnRule) (reading, own map[string]any) {
	reading, own = map[string]any{}, map[string]any{}
	for k, v := range rule.Params {
		switch k {
		case "region", "format", "siblings":
			reading[k] = v
		default:
			own[k] = v
		}
	}
	return reading, own
}
