package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds of what Decode reads.
const (
	maxInput  = 4 << 20 // bytes of one reader
	maxNodes  = 100_000 // values of one reader, each alias counted as often as it is used
	maxDepth  = 32      // nesting of one document
	maxPath   = 1024    // bytes of a path whose line is remembered
	maxErrors = 100     // problems that are reported
)

// The tags of YAML's core schema.
const (
	tagNull      = "!!null"
	tagBool      = "!!bool"
	tagInt       = "!!int"
	tagFloat     = "!!float"
	tagString    = "!!str"
	tagTimestamp = "!!timestamp"
	tagMerge     = "!!merge"
	tagMap       = "!!map"
	tagSeq       = "!!seq"
)

// parse splits data into the root nodes of its documents. Documents before a syntax error are returned with it.
func parse(data []byte) ([]*yaml.Node, *FieldError) {
	if first := bytes.TrimLeft(data, " \t\r\n"); len(first) > 0 && (first[0] == '{' || first[0] == '[') {
		if roots, err := parseJSON(data); err == nil {
			return roots, nil
		}
	}
	var roots []*yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return roots, nil
		}
		if err != nil {
			return roots, syntaxError(err)
		}
		if len(doc.Content) == 1 && doc.Content[0].ShortTag() != tagNull {
			roots = append(roots, doc.Content[0])
		}
	}
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)

// syntaxError turns an error of the YAML library into ours, without the parts of the input that some of them repeat.
func syntaxError(err error) *FieldError {
	fe := &FieldError{Message: "is not YAML"}
	m := yamlLine.FindStringSubmatch(err.Error())
	if m == nil {
		return fe
	}
	fe.Line, _ = strconv.Atoi(m[1])
	switch {
	case strings.Contains(m[2], "unknown anchor"):
		fe.Message = "an alias refers to an anchor that does not exist"
	case strings.Contains(m[2], "contains itself"):
		fe.Message = "an anchor contains itself"
	case strings.HasPrefix(m[2], "control characters"), !strings.ContainsAny(m[2], "'\"`"):
		fe.Message = "is not YAML: " + m[2]
	}
	return fe
}

// parseJSON reads a stream of JSON values. JSON needs a reader of its own: YAML reads the two halves of an escaped surrogate
// pair as two characters.
func parseJSON(data []byte) ([]*yaml.Node, error) {
	p := jsonParser{data: data, dec: json.NewDecoder(bytes.NewReader(data)), line: 1}
	p.dec.UseNumber()
	var roots []*yaml.Node
	for {
		n, err := p.value(0)
		if errors.Is(err, io.EOF) {
			return roots, nil
		}
		if err != nil {
			return nil, err
		}
		roots = append(roots, n)
	}
}

type jsonParser struct {
	data []byte
	dec  *json.Decoder
	at   int64 // offset up to which lines are counted
	line int
}

func (p *jsonParser) value(depth int) (*yaml.Node, error) {
	if depth > maxDepth+1 {
		return nil, fmt.Errorf("is nested more than %d deep", maxDepth)
	}
	token, err := p.dec.Token()
	if err != nil {
		return nil, err
	}
	n := p.node()
	switch token := token.(type) {
	case json.Delim:
		return n, p.container(n, token, depth)
	case string:
		n.Tag, n.Value = tagString, token
	case json.Number:
		n.Tag, n.Value = tagFloat, token.String()
		if _, err := token.Int64(); err == nil {
			n.Tag = tagInt
		}
	case bool:
		n.Tag, n.Value = tagBool, strconv.FormatBool(token)
	case nil:
		n.Tag, n.Value = tagNull, "null"
	}
	return n, nil
}

// container reads the content of an object or a list and its closing delimiter.
func (p *jsonParser) container(n *yaml.Node, open json.Delim, depth int) error {
	n.Kind, n.Tag = yaml.SequenceNode, tagSeq
	if open == '{' {
		n.Kind, n.Tag = yaml.MappingNode, tagMap
	}
	for p.dec.More() {
		// An object yields its keys and values in turn, the keys as strings.
		item, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		n.Content = append(n.Content, item)
	}
	_, err := p.dec.Token()
	return err
}

// node returns a scalar node at the token that was just read.
func (p *jsonParser) node() *yaml.Node {
	now := p.dec.InputOffset()
	p.line += bytes.Count(p.data[p.at:now], []byte("\n"))
	p.at = now
	return &yaml.Node{Kind: yaml.ScalarNode, Line: p.line}
}
