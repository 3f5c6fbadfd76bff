package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/hush-secrets/hush/bench/internal/result"
)

//go:embed templates
var templates embed.FS

// A file is a document or a picture with figures.
type file struct {
	path    string
	content []byte
}

func (f file) write() error {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil { //nolint:gosec // documents are public
		return err
	}
	return os.WriteFile(f.path, f.content, 0o644) //nolint:gosec // documents are public
}

// render returns the files with figures in the repository at root: the page, its pictures, and
// the documents with marked blocks. It needs a result of each section and a measurement for
// each comparison.
func render(root string, results map[string]*result.Result) ([]file, error) {
	if err := checkComplete(results); err != nil {
		return nil, err
	}
	t, err := template.New("").Funcs(view{results}.funcs()).ParseFS(templates, "templates/*.tmpl")
	if err != nil {
		return nil, err
	}
	page, err := execute(t, "performance.md.tmpl", nil)
	if err != nil {
		return nil, err
	}
	images, err := pictures(root, t, view{results})
	if err != nil {
		return nil, err
	}
	files, err := documents(root, t)
	return slices.Concat([]file{{filepath.Join(root, "docs", "performance.md"), page}}, images, files), err
}

// checkComplete returns an error that lists the missing measurements.
func checkComplete(results map[string]*result.Result) error {
	var errs []error
	for _, s := range sections {
		if results[s.name] == nil && !s.explicit {
			errs = append(errs, fmt.Errorf("section %s has no result; run go -C bench run ./report %s", s.name, s.name))
		}
	}
	for _, c := range comparisons {
		if results[c.section] != nil {
			_, err := c.evaluate(results)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func execute(t *template.Template, name string, data any) ([]byte, error) {
	var b bytes.Buffer
	err := t.ExecuteTemplate(&b, name, data)
	return b.Bytes(), err
}

// block is a part of a document. The template with the name of the block has its content.
var block = regexp.MustCompile(`(?s)(<!-- report: ([\w-]+) -->\n).*?(<!-- report end -->)`)

// documents returns the documents with blocks.
func documents(root string, t *template.Template) (files []file, err error) {
	names, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		return nil, err
	}
	for _, name := range append(names, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if !block.Match(text) {
			continue
		}
		filled, err := fill(string(text), t)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		files = append(files, file{name, []byte(filled)})
	}
	return files, nil
}

func fill(text string, t *template.Template) (filled string, err error) {
	filled = block.ReplaceAllStringFunc(text, func(old string) string {
		part := block.FindStringSubmatch(old)
		content, fillErr := execute(t, part[2], nil)
		err = errors.Join(err, fillErr)
		return part[1] + strings.Trim(string(content), "\n") + "\n" + part[3]
	})
	return filled, err
}

// A view has the functions of the templates.
type view struct{ results map[string]*result.Result }

func (v view) funcs() template.FuncMap {
	return template.FuncMap{
		"limits": v.limits, "rows": v.rows, "hits": v.hits, "coldStarts": v.coldStarts, "measured": v.measured, "compared": v.compared,
		"tables": v.tables, "output": v.output, "excerpt": v.excerpt, "has": v.has, "result": v.result,
		"sources": v.sources, "add": add, "published": func() []publishedRead { return publishedReads },
	}
}

func add(numbers ...int) (sum int) {
	for _, n := range numbers {
		sum += n
	}
	return sum
}

func (v view) has(section string) bool { return v.results[section] != nil }

func (v view) result(section string) (*result.Result, error) {
	if r := v.results[section]; r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("section %s has no result", section)
}
