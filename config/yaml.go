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

// A reader reads a tree of YAML into a draft. It looks at nodes and decodes nothing,
// so that each has its place, and nothing expands.
type reader struct {
	*draft
	source string // a file's path, a variable's name, or nothing
}

func (r *reader) at(n *yaml.Node) place { return place{r.source, n.Line, n.Column} }

func (r *reader) problem(n *yaml.Node, key, format string, args ...any) {
	r.problems.add(r.at(n), key, fmt.Errorf(format, args...))
}

// parse returns the root of the one document in data, nil if there is nothing in it
// or it is no good.
func (r *reader) parse(data []byte) *yaml.Node {
	if root, ok := parseJSON(data); ok {
		return root
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var root, second yaml.Node
	if err := decoder.Decode(&root); err != nil {
		r.syntax(err)
		return nil
	}
	if err := decoder.Decode(&second); err == nil {
		r.problem(&second, "", "a second document: a file has one")
	} else {
		r.syntax(err)
	}
	if r.refuse(&root); isNull(root.Content[0]) {
		return nil
	}
	return root.Content[0]
}

// syntax adds the parser's error. Its messages are fixed texts, but for the one that
// has the name of an anchor.
func (r *reader) syntax(err error) {
	if errors.Is(err, io.EOF) {
		return
	}
	line, text := parseSyntaxError(err.Error())
	if strings.HasPrefix(text, "unknown anchor") {
		text = "an alias; anchors and aliases are not for configuration"
	}
	r.problems.add(place{source: r.source, line: max(line, 1)}, "", errors.New(text))
}

// parseSyntaxError splits an error of the parser, such as "yaml: line 3: did not find
// expected key". The line is 0 if the error has none.
func parseSyntaxError(message string) (line int, text string) {
	text, ok := strings.CutPrefix(message, "yaml: ")
	if !ok || strings.Contains(text, "\n") {
		return 0, "not YAML"
	}
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		number, after, _ := strings.Cut(rest, ": ")
		if line, err := strconv.Atoi(number); err == nil {
			return line, after
		}
	}
	return 0, text
}

// refuse reports what YAML has and configuration does not want: anchors, which can
// explode and hide what is set where, and tags, which change what a value is.
func (r *reader) refuse(n *yaml.Node) {
	switch {
	case n.Kind == yaml.AliasNode, n.Anchor != "":
		r.problem(n, "", "an anchor or an alias: write out what it stands for")
	case n.Style&yaml.TaggedStyle != 0:
		r.problem(n, "", "a tag: write the plain value")
	}
	for _, child := range n.Content {
		r.refuse(child)
	}
}

const nullTag = "!!null"

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == nullTag }

// document reads the root of a file.
func (r *reader) document(root *yaml.Node) {
	if root == nil {
		return
	}
	tree := map[string]map[string]setting{}
	known := []string{"providers", "names"}
	for _, s := range settings() {
		section, name, _ := strings.Cut(s.key, ".")
		if tree[section] == nil {
			known = append(known, section)
			tree[section] = map[string]setting{}
		}
		tree[section][name] = s
	}
	r.each(root, "", known, func(key string, n *yaml.Node) {
		single, isSetting := tree[key][""]
		switch {
		case key == "providers":
			r.providers(n)
		case key == "names":
			r.names(n)
		case isSetting:
			r.setting(single, n)
		default:
			r.section(key, n, tree[key])
		}
	})
}

func (r *reader) section(key string, n *yaml.Node, of map[string]setting) {
	r.each(n, key, inOrder(of), func(name string, value *yaml.Node) { r.setting(of[name], value) })
}

// inOrder returns the names of a section's settings as the documentation has them.
func inOrder(of map[string]setting) []string {
	var names []string
	for _, s := range settings() {
		_, name, _ := strings.Cut(s.key, ".")
		if of[name].key == s.key {
			names = append(names, name)
		}
	}
	return names
}

func (r *reader) setting(s setting, n *yaml.Node) {
	r.found(s.key, r.at(n))
	text, ok := r.text(n, s.key)
	if !ok {
		return
	}
	r.problems.add(r.at(n), s.key, s.parse(&r.Config, text))
}

// each calls visit for the entries of a mapping, and reports what is no entry of it.
// No known keys means that any will do.
func (r *reader) each(n *yaml.Node, key string, known []string, visit func(key string, value *yaml.Node)) {
	switch {
	case n.Kind == yaml.AliasNode: // reported
		return
	case n.Kind != yaml.MappingNode:
		r.problem(n, key, "is %s and no mapping of keys to values", kind(n))
		return
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		word := name.Value
		switch line, twice := lines[word], lines[word] > 0; {
		case name.Kind != yaml.ScalarNode:
			r.problem(name, key, "has a key that is %s", kind(name))
		case twice:
			r.problem(name, key, "has the key %s twice: it is in line %d, too", suggest.Quote(word, known), line)
		case known != nil && !slices.Contains(known, word):
			r.problems.add(r.at(name), key, unknown("key", word, known))
		default:
			lines[word] = name.Line
			visit(word, value)
		}
	}
}

// text returns the text of a value.
func (r *reader) text(n *yaml.Node, key string) (string, bool) {
	switch {
	case n.Kind == yaml.AliasNode: // reported
	case n.Kind != yaml.ScalarNode:
		r.problem(n, key, "is %s and no value", kind(n))
	case isNull(n):
		r.problem(n, key, "has no value: leave it out for its default")
	default:
		return n.Value, true
	}
	return "", false
}

// kind says what a node is.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	if isNull(n) {
		return "empty"
	}
	return "a single value"
}
