package api

// Glob is a pattern of names that consist of parts: tables (schema.table) or paths (directory/file). ? matches one character
// and * any number of them within a part; ** matches anything; **/ at the start of a part also matches no part at all.
// The zero Glob matches only the empty name.
type Glob struct {
	steps []globStep
	exact bool
}

// globStep is one state of a pattern's automaton: what is read to come to the next one.
type globStep struct {
	class   globClass
	literal byte
	repeat  bool // the state may be left without reading, and reading comes back to it
	skip    int  // of a fork: how many steps the other way leads on
}

type globClass uint8

const (
	globLiteral globClass = iota
	globWithin            // any byte but the separator
	globAny
	globFork // reads nothing: goes on with the next step, or jumps
)

// The separators of names that consist of parts.
const (
	SeparatorTable = '.'
	SeparatorPath  = '/'
)

// NewGlob returns the pattern for names whose parts are separated by sep.
func NewGlob(pattern string, sep byte) Glob {
	g := Glob{exact: true}
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '?':
			g.exact = false
			g.steps = append(g.steps, globStep{class: globWithin, literal: sep})
		case c == '*' && i+1 < len(pattern) && pattern[i+1] == '*':
			g.exact = false
			start := i == 0 || pattern[i-1] == sep
			i++
			if start && i+1 < len(pattern) && pattern[i+1] == sep {
				// A step of its own: once the stars have read something, the separator behind them must be there.
				g.steps = append(g.steps, globStep{class: globFork, skip: 3})
			}
			g.steps = append(g.steps, globStep{class: globAny, repeat: true})
		case c == '*':
			g.exact = false
			g.steps = append(g.steps, globStep{class: globWithin, literal: sep, repeat: true})
		default:
			g.steps = append(g.steps, globStep{class: globLiteral, literal: c})
		}
	}
	return g
}

// Exact reports whether the pattern is a plain name.
func (g Glob) Exact() bool { return g.exact }

// Match reports whether the whole name fits the pattern.
func (g Glob) Match(name string) bool {
	now := g.closure(map[int]bool{0: true})
	for i := range len(name) {
		next := map[int]bool{}
		for at := range now {
			if at < len(g.steps) && g.steps[at].reads(name[i]) {
				next[g.after(at)] = true
			}
		}
		if now = g.closure(next); len(now) == 0 {
			return false
		}
	}
	return now[len(g.steps)]
}

// Overlaps reports whether some name fits both patterns.
func (g Glob) Overlaps(o Glob) bool {
	type pair struct{ g, o int }
	seen := map[pair]bool{}
	var queue []pair
	push := func(a, b int) {
		for x := range g.closure(map[int]bool{a: true}) {
			for y := range o.closure(map[int]bool{b: true}) {
				if p := (pair{x, y}); !seen[p] {
					seen[p] = true
					queue = append(queue, p)
				}
			}
		}
	}
	push(0, 0)
	for len(queue) > 0 {
		p := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if p.g == len(g.steps) || p.o == len(o.steps) {
			if p.g == len(g.steps) && p.o == len(o.steps) {
				return true
			}
			continue
		}
		if g.steps[p.g].meets(o.steps[p.o]) {
			push(g.after(p.g), o.after(p.o))
		}
	}
	return false
}

// closure adds the states that are reached without reading.
func (g Glob) closure(states map[int]bool) map[int]bool {
	queue := make([]int, 0, len(states))
	for at := range states {
		queue = append(queue, at)
	}
	reach := func(at int) {
		if !states[at] {
			states[at] = true
			queue = append(queue, at)
		}
	}
	for len(queue) > 0 {
		at := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if at == len(g.steps) {
			continue
		}
		if g.steps[at].repeat {
			reach(at + 1)
		}
		if g.steps[at].class == globFork {
			reach(at + 1)
			reach(at + g.steps[at].skip)
		}
	}
	return states
}

func (g Glob) after(at int) int {
	if g.steps[at].repeat {
		return at
	}
	return at + 1
}

func (s globStep) reads(c byte) bool {
	switch s.class {
	case globLiteral:
		return c == s.literal
	case globWithin:
		return c != s.literal
	case globFork:
		return false
	}
	return true
}

// meets reports whether some byte is read by both.
func (s globStep) meets(o globStep) bool {
	switch {
	case s.class == globFork || o.class == globFork:
		return false
	case s.class == globLiteral:
		return o.reads(s.literal)
	case o.class == globLiteral:
		return s.reads(o.literal)
	}
	return true
}
