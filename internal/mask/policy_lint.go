package mask

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/tranship/tranship/internal/api"
	"github.com/tranship/tranship/internal/registry"
)

// expiresSoon is how long before its end a decision to keep something is told of.
const expiresSoon = 30 * 24 * time.Hour

// Lint returns everything that Compile would refuse, and what a reviewer should know. It needs no key.
func Lint(policy *api.MaskingPolicy, components []ComponentSchema, masks *registry.Registry[Spec], now time.Time) ([]Finding, error) {
	// Masks are built to be checked, and never used: any key does.
	secret := sha256.Sum256([]byte("tranship lint"))
	epoch, err := NewEpoch("lint", 1, secret[:])
	if err != nil {
		return nil, err
	}
	c := newCompiler(policy, CompileDeps{Masks: masks, Epoch: epoch, Now: now})
	p, err := c.run(components)
	if err != nil {
		return nil, err
	}
	for _, item := range c.unclassified {
		c.add(unclassifiedFinding(item))
	}
	for _, schema := range components {
		keeps := p.components[schema.Name].keeps()
		for _, k := range append(keeps, p.components[schema.Name].fileKeeps(policy)...) {
			if !k.Expires.IsZero() && now.Before(k.Expires.End()) && !now.Add(expiresSoon).Before(k.Expires.End()) {
				c.add(Finding{Severity: SeverityWarning, Code: "keep-expires", Message: fmt.Sprintf("the decision to keep %s ends on %s", k.Place, k.Expires),
					Fix: "review it again in time: runs stop on the next day"})
			}
		}
	}
	sortFindings(c.findings)
	return c.findings, nil
}

func unclassifiedFinding(u Unclassified) Finding {
	f := Finding{Severity: SeverityError, Code: "unclassified", Component: u.Component, Object: u.Object, Column: u.Column,
		Message: fmt.Sprintf("no rule covers this %s", u.Type), Fix: "add a rule, or keep it with a reason"}
	if u.Suggested != "" {
		f.Fix = fmt.Sprintf("perhaps mask %s is right", u.Suggested)
	}
	return f
}
