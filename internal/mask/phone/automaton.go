package phone

import (
	"encoding/binary"
	"fmt"
	"regexp/syntax"
	"slices"
)

// automaton runs many digit patterns at once. It is deterministic: a number takes one step per digit, and the state that
// it ends in knows all patterns that match it as a whole.
type automaton struct {
	next    [][10]int32
	matches [][]int32 // patterns by state, ascending
}

// maxStates bounds the memory of one automaton; the largest one, of the North American plan, has some thousands.
const maxStates = 200_000

// newAutomaton compiles the patterns. An empty one matches nothing.
func newAutomaton(patterns []string) (*automaton, error) {
	b := &builder{ids: map[string]int32{}}
	var start []int32
	for i, p := range patterns {
		if p == "" {
			continue
		}
		tree, err := syntax.Parse(p, syntax.Perl)
		if err != nil {
			return nil, fmt.Errorf("pattern of phone numbers: %w", err)
		}
		prog, err := syntax.Compile(tree.Simplify())
		if err != nil {
			return nil, fmt.Errorf("pattern of phone numbers: %w", err)
		}
		base := int32(len(b.insts))
		for _, inst := range prog.Inst {
			b.insts = append(b.insts, instruction{Inst: inst, base: base, pattern: int32(i)})
		}
		start = append(start, base+int32(prog.Start))
	}
	return b.build(start)
}

type instruction struct {
	syntax.Inst
	base    int32 // of its pattern's first instruction
	pattern int32
}

// builder makes states of sets of instructions.
type builder struct {
	insts []instruction
	ids   map[string]int32 // state by its set
	sets  [][]int32
	seen  []bool
	automaton
}

func (b *builder) build(start []int32) (*automaton, error) {
	b.seen = make([]bool, len(b.insts))
	b.state(start)
	for s := 0; s < len(b.sets); s++ {
		if len(b.sets) > maxStates {
			return nil, fmt.Errorf("the patterns of phone numbers need more than %d states", maxStates)
		}
		for d := range 10 {
			var to []int32
			for _, at := range b.sets[s] {
				if in := &b.insts[at]; in.Op != syntax.InstMatch && in.MatchRune(rune('0'+d)) {
					to = append(to, in.base+int32(in.Out))
				}
			}
			next := b.state(to)
			b.next[s][d] = next
		}
	}
	return &b.automaton, nil
}

// state returns the number of the state for the instructions and all that follow them without a digit.
func (b *builder) state(from []int32) int32 {
	var set []int32
	for stack := slices.Clone(from); len(stack) > 0; {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if b.seen[at] {
			continue
		}
		b.seen[at] = true
		set = append(set, at)
		in := &b.insts[at]
		switch in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			stack = append(stack, in.base+int32(in.Out), in.base+int32(in.Arg))
		case syntax.InstCapture, syntax.InstNop:
			stack = append(stack, in.base+int32(in.Out))
		}
	}
	var key []byte
	kept := set[:0]
	for _, at := range set {
		b.seen[at] = false
	}
	slices.Sort(set)
	for _, at := range set {
		switch b.insts[at].Op {
		case syntax.InstMatch, syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			kept = append(kept, at)
			key = binary.BigEndian.AppendUint32(key, uint32(at))
		}
	}
	if id, ok := b.ids[string(key)]; ok {
		return id
	}
	id := int32(len(b.sets))
	b.ids[string(key)] = id
	b.sets = append(b.sets, kept)
	b.next = append(b.next, [10]int32{})
	var matches []int32
	for _, at := range kept {
		if in := &b.insts[at]; in.Op == syntax.InstMatch {
			matches = append(matches, in.pattern)
		}
	}
	b.matches = append(b.matches, matches)
	return id
}

// run returns the state that digits lead to.
func (a *automaton) run(digits []byte) int32 {
	s := int32(0)
	for _, c := range digits {
		s = a.next[s][c-'0']
	}
	return s
}
