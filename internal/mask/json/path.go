package json

import (
	"errors"
	"fmt"
	"strings"
)

// segmentKind says what a segment of a path matches.
type segmentKind uint8

const (
	segmentKey      segmentKind = iota // one member of an object
	segmentAnyKey                      // every member of an object
	segmentElement                     // every element of an array
	segmentAnything                    // any number of members and elements
	segmentNested                      // the document inside a string
)

type segment struct {
	kind segmentKind
	key  string
}

// path is a parsed rule path.
type path struct {
	segments []segment
	// vagueness orders rules that match one leaf: the smallest wins. Any-depth wildcards outweigh others.
	vagueness int
}

// parsePath reads $.a.b[*].c, with * for any key, ** for any depth, ["a key"] for keys with other characters, and (json)
// behind a string that holds a document.
func parsePath(s string) (path, error) {
	var p path
	rest, ok := strings.CutPrefix(s, "$")
	if !ok {
		return p, errors.New("it does not begin with $")
	}
	for rest != "" {
		seg, n, err := parseSegment(rest)
		if err != nil {
			return p, fmt.Errorf("at %q: %w", rest, err)
		}
		switch seg.kind {
		case segmentAnything:
			p.vagueness += 1 << 16
		case segmentAnyKey:
			p.vagueness++
		}
		p.segments = append(p.segments, seg)
		rest = rest[n:]
	}
	return p, nil
}

func parseSegment(s string) (segment, int, error) {
	switch {
	case strings.HasPrefix(s, "[*]"):
		return segment{kind: segmentElement}, 3, nil
	case strings.HasPrefix(s, "(json)"):
		return segment{kind: segmentNested}, 6, nil
	case strings.HasPrefix(s, `["`):
		key, n, ok := scanKey([]byte(s[1:]))
		if !ok || !strings.HasPrefix(s[1+n:], "]") {
			return segment{}, 0, errors.New(`a key in brackets is written ["key"]`)
		}
		return segment{kind: segmentKey, key: key}, n + 2, nil
	case s[0] == '[':
		return segment{}, 0, errors.New("only [*] matches elements: single ones cannot be told apart")
	case s[0] != '.':
		return segment{}, 0, errors.New("want a dot or a bracket")
	}
	end := strings.IndexAny(s[1:], ".[(")
	if end < 0 {
		end = len(s) - 1
	}
	switch key := s[1 : 1+end]; key {
	case "":
		return segment{}, 0, errors.New("the key is empty")
	case "*":
		return segment{kind: segmentAnyKey}, 2, nil
	case "**":
		return segment{kind: segmentAnything}, 3, nil
	default:
		if strings.Contains(key, "*") {
			return segment{}, 0, errors.New("* stands for a whole key only")
		}
		return segment{kind: segmentKey, key: key}, 1 + end, nil
	}
}

func scanKey(b []byte) (string, int, bool) {
	n, ok := scanString(b, 0)
	if !ok {
		return "", 0, false
	}
	return string(appendDecoded(nil, b[:n])), n, true
}

// position is a place in a rule: its segments before next have been matched.
type position struct {
	rule, next int32
}
