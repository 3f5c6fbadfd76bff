package docs_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
)

// TestLinksResolve requires that each relative link leads to a file of the repository
// and, if it has an anchor, to a heading of that page.
func TestLinksResolve(t *testing.T) {
	all := map[string]page{}
	for _, p := range pages(t) {
		all[p.file] = p
	}
	for _, p := range all {
		for _, link := range p.links() {
			assert.NoError(t, resolve(all, p.file, link), "%s: %s", p.file, link)
		}
	}
}

// TestIndexHasEveryPage requires a link from the index to each other page of the folder.
func TestIndexHasEveryPage(t *testing.T) {
	linked := map[string]bool{"docs/README.md": true}
	all := pages(t)
	for _, p := range all {
		if p.file == "docs/README.md" {
			for _, link := range p.links() {
				linked[path.Join("docs", link)] = true
			}
		}
	}
	for _, p := range all {
		if strings.HasPrefix(p.file, "docs/") {
			assert.True(t, linked[p.file], "docs/README.md has no link to %s", p.file)
		}
	}
}

func TestLinksAreChecked(t *testing.T) {
	all := map[string]page{
		"docs/a.md": {"docs/a.md", "# Title\n\n## What `x` does, exactly\n\n## Twice\n\n## Twice\n\n```sh\n# no heading\n```\n"},
	}
	for link, ok := range map[string]bool{
		"a.md": true, "a.md#title": true, "#what-x-does-exactly": true, "a.md#twice-1": true, "../docs/goblocks_test.go": true,
		"a.md#none": false, "#no-heading": false, "b.md": false, "a.md#twice-2": false, "../none/": false,
	} {
		assert.Equal(t, ok, resolve(all, "docs/a.md", link) == nil, link)
	}
	found := page{text: "[a](b.md) `[c](d.md)` [two\nlines](e.md#f) <img src=\"g.svg\"> [x](https://h)\n```\n[i](j.md)\n```\n"}.links()
	assert.Equal(t, []string{"b.md", "e.md#f", "g.svg"}, found)
}

var (
	fence      = regexp.MustCompile("(?ms)^[ \t]*```.*?^[ \t]*```[ \t]*$")
	inlineCode = regexp.MustCompile("`[^`]*`")
	target     = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"`)
	heading    = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// links returns the relative links of the page.
func (p page) links() (links []string) {
	text := inlineCode.ReplaceAllString(fence.ReplaceAllString(p.text, ""), "")
	for _, match := range target.FindAllStringSubmatch(text, -1) {
		if link := match[1] + match[2]; !strings.Contains(link, "://") && !strings.HasPrefix(link, "mailto:") {
			links = append(links, link)
		}
	}
	return links
}

// anchors returns the anchors of the page's headings, as GitHub derives them.
func (p page) anchors() map[string]bool {
	anchors := map[string]bool{}
	for _, match := range heading.FindAllStringSubmatch(fence.ReplaceAllString(p.text, ""), -1) {
		slug := strings.Map(slugRune, strings.ToLower(match[1]))
		unique := slug
		for i := 1; anchors[unique]; i++ {
			unique = fmt.Sprintf("%s-%d", slug, i)
		}
		anchors[unique] = true
	}
	return anchors
}

func slugRune(r rune) rune {
	switch {
	case r == ' ':
		return '-'
	case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
		return r
	}
	return -1
}

// resolve returns an error if link, on the page from, leads nowhere.
func resolve(all map[string]page, from, link string) error {
	name, anchor, hasAnchor := strings.Cut(link, "#")
	file := from
	if name != "" {
		file = path.Join(path.Dir(from), name)
	}
	p, isPage := all[file]
	if !isPage {
		if _, err := os.Stat(filepath.Join("..", filepath.FromSlash(file))); err != nil {
			return err
		}
	}
	if hasAnchor && !p.anchors()[anchor] {
		return fmt.Errorf("%s has no heading #%s", file, anchor)
	}
	return nil
}
