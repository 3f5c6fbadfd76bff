package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unclear are forms that a reader must read twice. They are the worst ones, not all.
var unclear = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\b(is|are) no\b`), // "there is no" is fine, see allowed
	regexp.MustCompile(`(?i)\b(of|by) which\b`),
	regexp.MustCompile(`(?i)\b(whoever|somebody|nobody)\b`),
	regexp.MustCompile(`(?i)\bwho (asks|can|has|may|waits)\b`),
	regexp.MustCompile(`(?i)\b(lest|thereafter|notwithstanding)\b`),
}

// allowed are forms that look like unclear ones.
var allowed = regexp.MustCompile(`(?i)\b(there (is|are) no|(anyone|attackers?|clients?|people|persons?|readers?|users?) who)\b`)

// maxWords is the limit for a sentence of a page.
const maxWords = 40

// TestPagesAreClear keeps unclear forms and long sentences out of the pages.
func TestPagesAreClear(t *testing.T) {
	for _, p := range pages(t) {
		for _, text := range prose(p.text) {
			assert.Empty(t, unclearForms(text), "%s: %s", p.file, text)
			for _, s := range sentences(text) {
				assert.LessOrEqual(t, len(strings.Fields(s)), maxWords, "%s: %s", p.file, s)
			}
		}
	}
}

// TestGoFilesAreClear keeps unclear forms out of the comments of all Go files, and out of
// the texts of those that are not tests: errors, log messages and help.
func TestGoFilesAreClear(t *testing.T) {
	require.NoError(t, filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "testdata" || entry.Name() == "bin"):
			return filepath.SkipDir
		case filepath.Ext(name) != ".go":
			return nil
		}
		for _, text := range goTexts(t, name) {
			assert.Empty(t, unclearForms(text), "%s: %s", name, text)
		}
		return nil
	}))
}

// goTexts returns the comments of a Go file and, unless it is a test, its string literals
// with a space.
func goTexts(t *testing.T, name string) (texts []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
	require.NoError(t, err)
	for _, group := range file.Comments {
		texts = append(texts, strings.Join(strings.Fields(group.Text()), " "))
	}
	if strings.HasSuffix(name, "_test.go") {
		return texts
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING && strings.Contains(literal.Value, " ") {
			texts = append(texts, strings.Join(strings.Fields(literal.Value), " "))
		}
		return true
	})
	return texts
}

func TestUnclearFormsAreFound(t *testing.T) {
	for text, want := range map[string]int{
		"There is no cache.":                      0,
		"Anyone who can read it.":                 0,
		"It is not a name. There are no secrets.": 0,
		"This is no name.":                        1,
		"They are no names, of which two stay.":   2,
		"Whoever asks, nobody knows who can.":     3,
	} {
		assert.Len(t, unclearForms(text), want, text)
	}
	texts := prose("# A title\n\nOne line\nand `x y` more. Two.\n\n- item\n  goes on\n- next\n\n| a | b c |\n|---|---|\n\n```go\nis no text\n```\n")
	assert.Equal(t, []string{"A title", "One line and CODE more. Two.", "item goes on", "next", "a", "b c"}, texts)
	assert.Equal(t, []string{"One e.g. two", "Three"}, sentences("One e.g. two. Three."))
}

func unclearForms(text string) (found []string) {
	text = allowed.ReplaceAllString(text, "")
	for _, pattern := range unclear {
		found = append(found, pattern.FindAllString(text, -1)...)
	}
	return found
}

var (
	htmlTag  = regexp.MustCompile(`(?s)<[a-z/!][^>]*>`)
	linkText = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	listItem = regexp.MustCompile(`^\s*([-*]|\d+\.) +`)
)

// prose returns the paragraphs, list items, headings and table cells of a page, each on
// one line, with CODE in place of inline code.
func prose(markdown string) (texts []string) {
	text := fence.ReplaceAllString(markdown, "")
	text = linkText.ReplaceAllString(htmlTag.ReplaceAllString(text, ""), "$1")
	text = inlineCode.ReplaceAllString(text, "CODE")
	var current []string
	flush := func() {
		if len(current) > 0 {
			texts = append(texts, strings.Join(current, " "))
			current = nil
		}
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		switch trimmed := strings.TrimSpace(line); {
		case trimmed == "":
			flush()
		case strings.HasPrefix(trimmed, "|"):
			flush()
			texts = append(texts, cells(trimmed)...)
		case strings.HasPrefix(trimmed, "#"):
			flush()
			texts = append(texts, strings.TrimLeft(trimmed, "# "))
		case listItem.MatchString(line):
			flush()
			current = []string{listItem.ReplaceAllString(line, "")}
		default:
			current = append(current, trimmed)
		}
	}
	flush()
	return texts
}

func cells(row string) (texts []string) {
	for cell := range strings.SplitSeq(row, "|") {
		if cell = strings.TrimSpace(cell); strings.Trim(cell, "-: ") != "" {
			texts = append(texts, cell)
		}
	}
	return texts
}

var sentenceEnd = regexp.MustCompile(`[.!?]+(\s+|$)`)

func sentences(text string) (all []string) {
	for _, s := range sentenceEnd.Split(strings.ReplaceAll(text, "e.g. ", "e.g.\x00"), -1) {
		if s != "" {
			all = append(all, strings.ReplaceAll(s, "\x00", " "))
		}
	}
	return all
}
