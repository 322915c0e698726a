package json

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/tranship/tranship/internal/fault"
	"github.com/tranship/tranship/internal/mask"
)

// Reasons why a value is no document.
var (
	errNotJSON = mask.Invalid("it is not JSON")
	errTooDeep = mask.Invalid("the document is nested deeper than maxDepth")
)

// editor copies one document and replaces its leaves on the way. Everything else stays byte for byte: white space, the
// order of keys, keys that occur twice, the text of numbers.
//
// A document inside a string has an editor of its own, because the scratch buffers of its parent are in use meanwhile.
type editor struct {
	*program
	src    []byte
	record *mask.Record

	active []position // of all open containers, innermost last
	trail  []step     // from the root to the value at hand

	key, decoded, masked []byte
	nested, parent       *editor
}

// step is one element of the way from the root.
type step struct {
	kind segmentKind // segmentKey or segmentElement
	key  []byte      // the quoted key, for segmentKey
}

// document appends the masked form of src. The rules that are open at its root are the given positions.
func (e *editor) document(dst, src []byte, roots []position, depth int, r *mask.Record) ([]byte, error) {
	e.src, e.record = src, r
	e.active, e.trail = e.active[:0], e.trail[:0]
	for _, p := range roots {
		e.open(0, p)
	}
	i := skipSpace(src, 0)
	dst = append(dst, src[:i]...)
	dst, i, err := e.value(dst, i, 0, depth)
	if err != nil {
		return dst, err
	}
	end := skipSpace(src, i)
	if end != len(src) {
		return dst, errNotJSON
	}
	return append(dst, src[i:end]...), nil
}

// open makes a position active beside those from base on, and so those that it implies: any depth may be none.
func (e *editor) open(base int, p position) {
	for ; !slices.Contains(e.active[base:], p); p.next++ {
		e.active = append(e.active, p)
		segments := e.rules[p.rule].path.segments
		if int(p.next) == len(segments) || segments[p.next].kind != segmentAnything {
			return
		}
	}
}

// enter opens the positions that the ones from base on lead to by a step, and returns where they begin.
func (e *editor) enter(base int, kind segmentKind, key []byte) int {
	end := len(e.active)
	for i := base; i < end; i++ {
		p := e.active[i]
		segments := e.rules[p.rule].path.segments
		if int(p.next) == len(segments) {
			continue
		}
		switch s := &segments[p.next]; {
		case s.kind == segmentAnything && kind != segmentNested:
			e.open(end, p)
		case s.kind == kind && (kind != segmentKey || s.key == string(key)),
			s.kind == segmentAnyKey && kind == segmentKey:
			e.open(end, position{p.rule, p.next + 1})
		}
	}
	return end
}

// rule returns the rule for the value that the positions from base on stand at, or nil.
func (e *editor) rule(base int) *leaf {
	var best *leaf
	for _, p := range e.active[base:] {
		r := &e.rules[p.rule]
		if int(p.next) == len(r.path.segments) && (best == nil || r.path.vagueness < best.path.vagueness) {
			best = r
		}
	}
	return best
}

// value masks the value at i, for which the positions from base on are open, and returns the index behind it.
func (e *editor) value(dst []byte, i, base, depth int) ([]byte, int, error) {
	if i >= len(e.src) {
		return dst, i, errNotJSON
	}
	switch c := e.src[i]; {
	case c == '{' || c == '[':
		return e.container(dst, i, base, depth)
	case c == '"':
		end, ok := scanString(e.src, i)
		if !ok {
			return dst, i, errNotJSON
		}
		dst, err := e.text(dst, e.src[i:end], base, depth)
		return dst, end, err
	case c == '-' || c >= '0' && c <= '9':
		end, ok := scanNumber(e.src, i)
		if !ok {
			return dst, i, errNotJSON
		}
		dst, err := e.scalar(dst, e.src[i:end], base, number)
		return dst, end, err
	default:
		for _, w := range words {
			if bytes.HasPrefix(e.src[i:], w.text) {
				dst, err := e.scalar(dst, w.text, base, w.kind)
				return dst, i + len(w.text), err
			}
		}
		return dst, i, errNotJSON
	}
}

var words = []struct {
	text []byte
	kind leafKind
}{{[]byte("true"), boolean}, {[]byte("false"), boolean}, {[]byte("null"), null}}

// container masks an object or an array. A rule that drops it or makes it null applies to it as a whole.
func (e *editor) container(dst []byte, i, base, depth int) ([]byte, int, error) {
	if depth >= e.maxDepth {
		return dst, i, errTooDeep
	}
	if r := e.rule(base); r != nil && (r.drops || r.nulls) {
		end, err := e.skip(i, depth)
		if err != nil {
			return dst, i, err
		}
		if r.drops {
			return dst, end, mask.ErrDrop
		}
		return append(dst, "null"...), end, nil
	}
	object := e.src[i] == '{'
	closing := byte(']')
	if object {
		closing = '}'
	}
	dst = append(dst, e.src[i])
	from := i + 1
	i = skipSpace(e.src, from)
	if i < len(e.src) && e.src[i] == closing {
		return append(dst, e.src[from:i+1]...), i + 1, nil
	}
	for written := false; ; {
		undo := len(dst)
		if written {
			dst = append(dst, ',')
		}
		i = skipSpace(e.src, from)
		dst = append(dst, e.src[from:i]...)
		var err error
		if object {
			dst, i, err = e.member(dst, i, base, depth)
		} else {
			open := e.enter(base, segmentElement, nil)
			e.trail = append(e.trail, step{kind: segmentElement})
			dst, i, err = e.value(dst, i, open, depth+1)
			e.leave(open, err)
		}
		switch {
		case errors.Is(err, mask.ErrDrop):
			dst = dst[:undo]
		case err != nil:
			return dst, i, err
		default:
			written = true
		}
		from = i
		i = skipSpace(e.src, from)
		if i >= len(e.src) {
			return dst, i, errNotJSON
		}
		dst = append(dst, e.src[from:i]...)
		from = i + 1
		switch e.src[i] {
		case closing:
			return append(dst, closing), from, nil
		case ',':
		default:
			return dst, i, errNotJSON
		}
	}
}

// leave closes the positions from open on. After an error the trail stays, for the message.
func (e *editor) leave(open int, err error) {
	e.active = e.active[:open]
	if err == nil || errors.Is(err, mask.ErrDrop) {
		e.trail = e.trail[:len(e.trail)-1]
	}
}

// member masks a key and its value.
func (e *editor) member(dst []byte, i, base, depth int) ([]byte, int, error) {
	end, ok := scanString(e.src, i)
	if !ok {
		return dst, i, errNotJSON
	}
	quoted := e.src[i:end]
	e.key = appendDecoded(e.key[:0], quoted)
	colon := skipSpace(e.src, end)
	if colon >= len(e.src) || e.src[colon] != ':' {
		return dst, colon, errNotJSON
	}
	from := skipSpace(e.src, colon+1)
	dst = append(dst, e.src[i:from]...)
	open := e.enter(base, segmentKey, e.key)
	e.trail = append(e.trail, step{kind: segmentKey, key: quoted})
	dst, from, err := e.value(dst, from, open, depth+1)
	e.leave(open, err)
	return dst, from, err
}

// skip returns the index behind the value at i, which nobody looks at but which has to be JSON.
func (e *editor) skip(i, depth int) (int, error) {
	if e.skipper == nil {
		p := &program{maxDepth: e.maxDepth, unknown: actDrop}
		e.skipper = &editor{program: p}
	}
	s := e.skipper
	s.src = e.src
	s.active, s.trail = s.active[:0], s.trail[:0]
	var err error
	s.masked, i, err = s.value(s.masked[:0], i, 0, depth)
	if errors.Is(err, mask.ErrDrop) {
		err = nil
	}
	return i, err
}

// text masks a string, or the document inside it where a rule says that it holds one.
func (e *editor) text(dst, quoted []byte, base, depth int) ([]byte, error) {
	open := e.enter(base, segmentNested, nil)
	if open == len(e.active) {
		return e.scalar(dst, quoted, base, text)
	}
	defer func() { e.active = e.active[:open] }()
	if depth+1 >= e.maxDepth {
		return dst, errTooDeep
	}
	if e.nested == nil {
		e.nested = &editor{program: e.program, parent: e}
	}
	e.decoded = appendDecoded(e.decoded[:0], quoted)
	var err error
	e.masked, err = e.nested.document(e.masked[:0], e.decoded, e.active[open:], depth+1, e.record)
	switch {
	case err == nil:
		return appendSame(dst, quoted, e.decoded, e.masked), nil
	case errors.Is(err, mask.ErrDrop):
		return dst, err
	case errors.Is(err, mask.ErrInvalid):
		return e.act(dst, e.invalid, quoted, text, err)
	default:
		return dst, err
	}
}

// appendSame appends a masked string, in the spelling that it had when the mask did not change it.
func appendSame(dst, quoted, before, after []byte) []byte {
	if bytes.Equal(before, after) {
		return append(dst, quoted...)
	}
	return appendQuoted(dst, after)
}

// scalar masks a leaf whose text in the document is raw.
func (e *editor) scalar(dst, raw []byte, base int, kind leafKind) ([]byte, error) {
	r := e.rule(base)
	if r == nil {
		return e.act(dst, e.unknown, raw, kind, nil)
	}
	if r.drops {
		return dst, mask.ErrDrop
	}
	if r.nulls || kind == null {
		return append(dst, "null"...), nil
	}
	t := r.masks[kind]
	if t == nil {
		return e.act(dst, e.invalid, raw, kind, errLeafType)
	}
	in := raw
	if kind == text {
		e.decoded = appendDecoded(e.decoded[:0], raw)
		in = e.decoded
	}
	var err error
	e.masked, err = t.Transform(e.masked[:0], mask.Text(in), e.record)
	switch {
	case errors.Is(err, mask.ErrNull):
		return append(dst, "null"...), nil
	case errors.Is(err, mask.ErrInvalid):
		return e.act(dst, e.invalid, raw, kind, err)
	case err != nil:
		return dst, err
	case kind == text:
		return appendSame(dst, raw, in, e.masked), nil
	case kind == number && isNumber(e.masked), kind == boolean && (string(e.masked) == "true" || string(e.masked) == "false"):
		return append(dst, e.masked...), nil
	default:
		return e.act(dst, e.invalid, raw, kind, errLeafType)
	}
}

var errLeafType = mask.Invalid("the mask does not take leaves of this type")

// act does what the policy wants with a leaf that has no rule (reason nil) or is invalid for it.
func (e *editor) act(dst []byte, what action, raw []byte, kind leafKind, reason error) ([]byte, error) {
	switch what {
	case actDrop:
		return dst, mask.ErrDrop
	case actNull:
		return append(dst, "null"...), nil
	case actRedact:
		return appendRedacted(dst, raw, kind, e), nil
	}
	at := e.location()
	if reason == nil {
		return dst, fault.Wrap(fault.Permanent, &mask.UnknownPathError{Path: at, Type: kind.String()})
	}
	return dst, fault.New(fault.Permanent, "mask.invalid", "%s: %s", at, reason.Error())
}

func appendRedacted(dst, raw []byte, kind leafKind, e *editor) []byte {
	switch kind {
	case text:
		e.decoded = appendDecoded(e.decoded[:0], raw)
		e.masked = mask.AppendCrossedOut(e.masked[:0], e.decoded)
		return appendQuoted(dst, e.masked)
	case number:
		return append(dst, '0')
	case boolean:
		return append(dst, "false"...)
	default:
		return append(dst, "null"...)
	}
}

// location writes the way to the value at hand. Keys that do not look like names may be data and appear as *.
func (e *editor) location() string {
	var b strings.Builder
	if e.parent != nil {
		b.WriteString(e.parent.location())
		b.WriteString("(json)")
	} else {
		b.WriteByte('$')
	}
	for _, s := range e.trail {
		switch {
		case s.kind == segmentElement:
			b.WriteString("[*]")
		case isName(s.key):
			b.WriteByte('.')
			b.Write(s.key[1 : len(s.key)-1])
		default:
			b.WriteString(".*")
		}
	}
	return b.String()
}

// isName reports whether a quoted key is made of letters, digits, "_" and "-", begins with no digit and is not long.
func isName(quoted []byte) bool {
	key := quoted[1 : len(quoted)-1]
	if len(key) == 0 || len(key) > 40 || key[0] >= '0' && key[0] <= '9' {
		return false
	}
	for _, c := range key {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '-'
		if !letter && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
