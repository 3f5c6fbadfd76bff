package docs_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	mermaidGraph = regexp.MustCompile("(?s)```mermaid\ngraph TD\n(.*?)```")
	mermaidNode  = regexp.MustCompile(`(\w+)(?:\["([^"]+)"\])?`)
)

// TestPictureHasTheImports compares the picture in architecture.md with the imports
// between the packages of this module that a program can import.
func TestPictureHasTheImports(t *testing.T) {
	var text string
	for _, p := range pages(t) {
		if p.file == "docs/architecture.md" {
			text = p.text
		}
	}
	graph := mermaidGraph.FindStringSubmatch(text)
	require.NotNil(t, graph)
	assert.ElementsMatch(t, imports(t), edges(graph[1]), "correct the picture in docs/architecture.md")
}

// edges returns the lines of a Mermaid graph with the names of packages in place of the
// names of nodes.
func edges(graph string) (lines []string) {
	labels := map[string]string{}
	for _, node := range mermaidNode.FindAllStringSubmatch(graph, -1) {
		if node[2] != "" {
			labels[node[1]] = node[2]
		}
	}
	for line := range strings.Lines(graph) {
		if strings.HasPrefix(strings.TrimSpace(line), "cmd") {
			continue // the command imports what it needs
		}
		nodes := strings.Split(strings.TrimSpace(line), " --> ")
		for i, node := range nodes {
			name := mermaidNode.FindStringSubmatch(node)[1]
			if labels[name] != "" {
				name = labels[name]
			}
			nodes[i] = name
		}
		lines = append(lines, strings.Join(nodes, " --> "))
	}
	return lines
}

// imports returns a line for each import between packages, and one for each package
// without such an import in either direction.
func imports(t *testing.T) (lines []string) {
	t.Helper()
	out, err := command(t, "..", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...").Output()
	require.NoError(t, err)
	connected, all := map[string]bool{}, []string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		from, ok := drawn(fields[0])
		if !ok {
			continue
		}
		all = append(all, from)
		for _, imported := range fields[1:] {
			if to, ok := drawn(imported); ok {
				lines = append(lines, from+" --> "+to)
				connected[from], connected[to] = true, true
			}
		}
	}
	for _, name := range all {
		if !connected[name] {
			lines = append(lines, name)
		}
	}
	return lines
}

// drawn returns the name of a package in the picture.
func drawn(importPath string) (name string, ok bool) {
	name, ok = strings.CutPrefix(importPath, module+"/")
	if !ok || strings.Contains("/"+name+"/", "/internal/") || strings.HasPrefix(name, "examples/") || strings.HasPrefix(name, "cmd/") || name == "docs" {
		return "", false
	}
	return name, true
}
