package mask

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tranship/tranship/internal/fault"
)

// Spec describes one mask: what it promises, what it takes and how to build it. The documentation pages, the CLI's list and
// the checks of the policy compiler come from it.
type Spec struct {
	Name    string // as a policy writes it: "email", "name.first"
	Summary string // one line
	Doc     string // the exact mapping, in full sentences

	// Version is the version of the formatter and its dictionaries. It is part of every PRF message: what a version maps
	// a value to never changes.
	Version int

	Deterministic bool // equal canonical values of one identity (and subject) give equal results
	Injective     bool // different canonical values of one identity give different results
	Bits          int  // for masks that are not injective: two values collide with probability 2^-Bits; 0 means often
	Reversible    bool // the holder of the key can compute the input from the result
	NeedsSubject  bool // rules must name a subject
	SeesNull      bool // Transform is called for NULL and '' too; otherwise Build answers for them
	Keeps         bool // values pass unchanged

	Params []Param
	Kinds  []Kind // kinds of column that the mask can be bound to

	// Canon returns how values of the identity in such a column become canonical. Nil means [CanonText].
	Canon func(Column) (Canon, error)
	// Fits reports whether every result of an identity with these parameters fits the column. Nil means that results
	// have as many characters as their input, or fewer.
	Fits func(Params, Column) error
	// New builds one Transformer. Call Build instead: it checks and applies the rules that hold for every mask.
	New func(Config, Deps) (Transformer, error)
}

// Config is the place of one Transformer: an identity bound to a column.
type Config struct {
	Identity  string   // "person.email"; never empty
	Subject   string   // identity of Record.Subject; empty where the rule names no subject
	Column    Column   // how to read the cells
	Params    Params   // parameters of the identity's mask, from ParseParams
	Sentinels []string // values of the identity that mean "no value" ("n/a", "unknown") and are kept as they are
}

// Deps are what a Transformer is built from.
type Deps struct {
	Epoch *Epoch    // keys
	Now   time.Time // for the expiry of keep; no other mask looks at it
	// Leaf builds the Transformer of a rule inside a document. The compiler provides it, with on_invalid applied or
	// not; nil means that rules inside documents are refused.
	Leaf func(LeafRule, Column) (Transformer, error)
}

// LeafRule is a rule for the leaves of a document: an identity, or a mask that needs none.
type LeafRule struct {
	Path     string         // "$.contacts[*].email"
	Identity string         // declared by the policy
	Mask     string         // "text", "null", … where no identity is named
	Params   map[string]any // of Mask, not yet checked
	Region   string
	Format   string
}

// Build checks cfg against the spec and returns a Transformer that follows the general rules: NULL stays NULL, the empty
// string stays empty, sentinels stay as they are.
func (s Spec) Build(cfg Config, deps Deps) (Transformer, error) {
	if cfg.Identity == "" {
		return nil, refuse("mask %s: no identity is named", s.Name)
	}
	if deps.Epoch == nil {
		return nil, refuse("mask %s of %s: no key epoch is given", s.Name, cfg.Identity)
	}
	if s.NeedsSubject && cfg.Subject == "" {
		return nil, refuse("mask %s of %s needs a subject: name the column that says whom the row is about", s.Name, cfg.Identity)
	}
	if cfg.Params.values == nil {
		p, err := ParseParams(s.Params, nil, "params")
		if err != nil {
			return nil, fmt.Errorf("mask %s of %s: %w", s.Name, cfg.Identity, err)
		}
		cfg.Params = p
	}
	if err := s.Check(cfg.Params, cfg.Column); err != nil {
		return nil, fmt.Errorf("identity %s: %w", cfg.Identity, err)
	}
	t, err := s.New(cfg, deps)
	if err != nil {
		// Nothing but the policy and the key decides whether a mask can be built: trying again cannot help.
		return nil, fault.Wrap(fault.Permanent, fmt.Errorf("mask %s of %s: %w", s.Name, cfg.Identity, err))
	}
	if s.SeesNull {
		return t, nil
	}
	g := &guard{inner: t}
	for _, v := range cfg.Sentinels {
		g.sentinels = append(g.sentinels, []byte(v))
	}
	return g, nil
}

// Check reports whether the mask can be bound to a column with these parameters: its kind is one that the mask accepts and
// every result fits.
func (s Spec) Check(p Params, c Column) error {
	if !slices.Contains(s.Kinds, c.Kind) {
		return refuse("mask %s cannot be applied to a %s column", s.Name, c.Kind)
	}
	if s.Fits != nil {
		if err := s.Fits(p, c); err != nil {
			return fault.Wrap(fault.Permanent, fmt.Errorf("mask %s: %w", s.Name, err))
		}
	}
	return nil
}

// CanonFor returns how values of the identity in such a column become canonical.
func (s Spec) CanonFor(c Column) (Canon, error) {
	if s.Canon == nil {
		return CanonText, nil
	}
	canon, err := s.Canon(c)
	if err != nil {
		return nil, fault.Wrap(fault.Permanent, fmt.Errorf("mask %s: %w", s.Name, err))
	}
	return canon, nil
}

// FitsChars is the Fits of a mask whose results have at most n characters.
func FitsChars(n int, c Column) error {
	if c.MaxChars > 0 && n > c.MaxChars {
		return fmt.Errorf("results have up to %d characters, but the column holds %d", n, c.MaxChars)
	}
	return nil
}

// guard applies the rules that hold for every mask.
type guard struct {
	inner     Transformer
	sentinels [][]byte
}

func (g *guard) Transform(dst []byte, v Value, r *Record) ([]byte, error) {
	if v.Null {
		return dst, ErrNull
	}
	if len(v.Raw) == 0 {
		return dst, nil
	}
	for _, s := range g.sentinels {
		if bytes.Equal(s, v.Raw) {
			return append(dst, v.Raw...), nil
		}
	}
	out, err := g.inner.Transform(dst, v, r)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func refuse(format string, args ...any) error {
	return fault.New(fault.Permanent, "mask.spec", format, args...)
}

// IsOutcome reports whether err is one of the outcomes that the engine acts on per cell, rather than a failure of the run.
func IsOutcome(err error) bool {
	return errors.Is(err, ErrNull) || errors.Is(err, ErrDrop) || errors.Is(err, ErrInvalid)
}
