package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hush-secrets/hush/internal/suggest"
)

// A reader reads the nodes of a YAML document into a draft. It decodes nothing, so that
// each value has its place and no alias is expanded.
type reader struct {
	*draft
	source string // the path of a file or the name of a variable
}

func (r *reader) at(n *yaml.Node) place { return place{r.source, n.Line, n.Column} }

func (r *reader) report(n *yaml.Node, key, format string, args ...any) {
	r.problems.add(r.at(n), key, fmt.Errorf(format, args...))
}

// parse returns the root of the document in data, or nil if it is empty or invalid.
func (r *reader) parse(data []byte) *yaml.Node {
	if root, ok := parseJSON(data); ok {
		return root
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var root, second yaml.Node
	if err := decoder.Decode(&root); err != nil {
		r.reportSyntax(err)
		return nil
	}
	if err := decoder.Decode(&second); err == nil {
		r.report(&second, "", "a file has one document; remove the second")
	} else {
		r.reportSyntax(err)
	}
	if r.refuse(&root) || isNull(root.Content[0]) {
		return nil
	}
	return root.Content[0]
}

// reportSyntax reports an error of the YAML parser, except the end of the file. Its
// messages are fixed texts, except for the one with the name of an anchor.
func (r *reader) reportSyntax(err error) {
	if errors.Is(err, io.EOF) {
		return
	}
	line, text := parseSyntaxError(err.Error())
	switch {
	case strings.HasPrefix(text, "unknown anchor"):
		text = noAnchors
	case strings.Contains(text, "cannot start any token"):
		text += "; write the value in quotes"
	}
	r.problems.add(place{source: r.source, line: max(line, 1)}, "", errors.New(text))
}

// parseSyntaxError splits an error of the parser, such as "yaml: line 3: did not find
// expected key". The line is 0 if the error has none.
func parseSyntaxError(message string) (line int, text string) {
	text, ok := strings.CutPrefix(message, "yaml: ")
	if !ok || strings.Contains(text, "\n") {
		return 0, "invalid YAML"
	}
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		number, after, _ := strings.Cut(rest, ": ")
		if line, err := strconv.Atoi(number); err == nil {
			return line, after
		}
	}
	return 0, text
}

const noAnchors = "anchors and aliases are not allowed; write the value itself"

// refuse reports anchors, which can expand without limit and hide where a value is set,
// and tags, which change the type of a value. It returns true if there are any.
func (r *reader) refuse(n *yaml.Node) (found bool) {
	switch {
	case n.Kind == yaml.AliasNode, n.Anchor != "":
		r.report(n, "", noAnchors)
		found = true
	case n.Style&yaml.TaggedStyle != 0:
		r.report(n, "", "tags are not allowed; write the value itself")
		found = true
	}
	for _, child := range n.Content {
		found = r.refuse(child) || found
	}
	return found
}

const nullTag = "!!null"

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == nullTag }

// each calls visit for each entry of a mapping and reports the invalid ones. With known
// nil, every key is valid.
func (r *reader) each(n *yaml.Node, key string, known []string, visit func(key string, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		advice := "known keys: " + strings.Join(known, ", ")
		if known == nil {
			advice = "write for example names: {db: {direct: prod/db}}"
		}
		r.report(n, key, "must be a mapping of keys to values, not %s; %s", kind(n), advice)
		return
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		word := name.Value
		switch line, duplicate := lines[word]; {
		case name.Kind != yaml.ScalarNode:
			r.report(name, key, "a key must be a single value, not %s", kind(name))
		case duplicate:
			r.report(name, key, "duplicate key %s; it is also in line %d", suggest.Quote(word, known), line)
		case known != nil && !slices.Contains(known, word):
			err := unknown("key", word, known)
			if strings.Contains(word, ":") {
				err = fmt.Errorf("%w; write a space after the colon", err)
			}
			r.problems.add(r.at(name), key, err)
		default:
			lines[word] = name.Line
			visit(word, value)
		}
	}
}

// text returns the text of a single value, or reports that n is not one.
func (r *reader) text(n *yaml.Node, key string) (string, bool) {
	switch {
	case n.Kind != yaml.ScalarNode:
		r.report(n, key, "must be a single value, not %s", kind(n))
	case isNull(n):
		r.problems.add(r.at(n), key, errNoValue)
	default:
		return n.Value, true
	}
	return "", false
}

func kind(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "empty"
	}
	return "a single value"
}
