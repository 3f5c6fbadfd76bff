// Package docs_test checks README.md and the pages of this folder: their Go blocks
// compile, their links resolve, and their language is plain. The shell blocks are run by
// the tests of cmd/hush.
package docs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/hush-secrets/hush"

// A page is a document in Markdown.
type page struct {
	file string // relative to the root of the repository, with slashes
	text string
}

// pages returns the documents at the root and in docs.
func pages(t *testing.T) []page {
	t.Helper()
	var all []page
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		names, err := filepath.Glob(filepath.Join("..", pattern))
		require.NoError(t, err)
		for _, name := range names {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			all = append(all, page{strings.TrimPrefix(filepath.ToSlash(name), "../"), string(text)})
		}
	}
	require.Greater(t, len(all), 10)
	return all
}

// TestGoBlocksCompile compiles and vets every Go block.
//
// A block that begins with a package clause is a complete file. A block of declarations
// is a file without its head. Any other block is the body of a function that has ctx and
// p, a hush.Provider, and returns an error. The last two get the imports that they use,
// of this module and of docImports.
func TestGoBlocksCompile(t *testing.T) {
	var blocks []goBlock
	for _, p := range pages(t) {
		found := goBlocks(p.file, p.text)
		require.True(t, len(found) > 0 || p.file != "README.md", "README.md has no Go block")
		blocks = append(blocks, found...)
	}
	assert.Empty(t, compileErrors(t, blocks))
}

// TestGoBlocksAreChecked checks that compileErrors accepts each kind of block and finds each
// kind of mistake.
func TestGoBlocksAreChecked(t *testing.T) {
	const text = "# Page\n\n" +
		"```go\npackage main\n\nfunc main() {}\n```\n" +
		"```go\nvar p hush.Provider = hush.Static(nil)\n\nfunc get(ctx context.Context) error {\n\t_, err := hush.Get(ctx, p, \"a\")\n\treturn err\n}\n```\n" +
		"  ```go\n  secret, err := p.Get(ctx, hush.Name(\"a\"))\n  if err != nil {\n  \treturn err\n  }\n  _ = secret\n  ```\n" +
		"```sh\ngo test ./...\n```\n"
	blocks := goBlocks("page.md", text)
	require.Len(t, blocks, 3)
	assert.Equal(t, goBlock{"page.md", 3, "package main\n\nfunc main() {}\n"}, blocks[0])
	assert.Equal(t, 16, blocks[2].line)

	for _, bad := range []string{
		"_ = hush.NoSuchName",
		"_ = nowhere",
		"package main\n\nimport \"os\"\n\nfunc main() {}",
	} {
		blocks = append(blocks, goBlock{"bad.md", 1, bad + "\n"})
	}
	output := strings.Join(compileErrors(t, blocks), "\n")
	for i, block := range blocks {
		isBad := strings.Contains(output, fmt.Sprintf("# docs/block%d\n", i))
		assert.Equal(t, block.file == "bad.md", isBad, block.code)
	}
	for _, bad := range []string{"hush.Get(ctx, p\n", "fmt.Printf(\"%d\", \"vet finds this\")\n"} {
		assert.Len(t, compileErrors(t, []goBlock{{"bad.md", 1, bad}}), 1, bad)
	}
}

// A goBlock is a fenced block of Go in a document.
type goBlock struct {
	file string
	line int // of its fence
	code string
}

var fenced = regexp.MustCompile("(?m:^)([ \t]*)```go\r?\n((?s:.*?)(?m:^))[ \t]*```")

func goBlocks(file, text string) []goBlock {
	var blocks []goBlock
	for _, at := range fenced.FindAllStringSubmatchIndex(text, -1) {
		indent, code := text[at[2]:at[3]], text[at[4]:at[5]]
		code = strings.TrimPrefix(strings.ReplaceAll(code, "\n"+indent, "\n"), indent)
		blocks = append(blocks, goBlock{file, 1 + strings.Count(text[:at[0]], "\n"), code})
	}
	return blocks
}

// compileErrors returns the messages of the compiler and go vet about the blocks. Each
// block is a package of another module, as a reader's would be.
func compileErrors(t *testing.T, blocks []goBlock) []string {
	t.Helper()
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	imports, dir := docImports(t), readersModule(t, root)
	var found []string
	for i, block := range blocks {
		source, err := block.source(root, imports)
		if err != nil {
			found = append(found, err.Error())
			continue
		}
		pkg := filepath.Join(dir, fmt.Sprintf("block%d", i))
		require.NoError(t, os.Mkdir(pkg, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(pkg, "block.go"), []byte(source), 0o600))
	}
	if len(found) > 0 {
		return found
	}
	if out, err := command(t, dir, "vet", "./...").CombinedOutput(); err != nil {
		return []string{string(out)}
	}
	return nil
}

// readersModule returns the folder of a new module that requires the module in root, and
// the same versions of all others.
func readersModule(t *testing.T, root string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	edit := command(t, dir, "mod", "edit", "-module=docs", "-require="+module+"@v0.0.0", "-replace="+module+"="+root)
	out, err := edit.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return dir
}

func command(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	return cmd
}

// source returns the block as a file. Messages about it name the lines of the document.
func (b goBlock) source(root string, imports map[string]string) (string, error) {
	const head = "package docs\n"
	code := fmt.Sprintf("//line %s:%d\n", filepath.Join(root, b.file), b.line+1) + b.code
	if _, err := parse(code, parser.PackageClauseOnly); err == nil {
		return code, nil
	}
	if file, err := parse(head+code, parser.SkipObjectResolution); err == nil {
		return head + missing(file, imports) + code, nil
	}
	code = "func _(ctx context.Context, p hush.Provider) error {\n" + code
	file, err := parse(head+code+"}\n", parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	if !returns(file) {
		code += "return nil\n"
	}
	return head + missing(file, imports) + code + "}\n", nil
}

func parse(code string, mode parser.Mode) (*ast.File, error) {
	return parser.ParseFile(token.NewFileSet(), "", code, mode)
}

// returns reports whether the one function of file ends with a return.
func returns(file *ast.File) bool {
	body := file.Decls[0].(*ast.FuncDecl).Body.List
	if len(body) == 0 {
		return false
	}
	_, ok := body[len(body)-1].(*ast.ReturnStmt)
	return ok
}

// missing returns import declarations for the packages that file uses and does
// not import.
func missing(file *ast.File, imports map[string]string) string {
	used := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && imports[x.Name] != "" {
				used[imports[x.Name]] = true
			}
		}
		return true
	})
	for _, spec := range file.Imports {
		delete(used, strings.Trim(spec.Path.Value, `"`))
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(used)) {
		fmt.Fprintf(&b, "import %q\n", name)
	}
	return b.String()
}

// docImports returns the import path of each package that a block may use without
// importing it.
func docImports(t *testing.T) map[string]string {
	t.Helper()
	imports := map[string]string{}
	for _, name := range []string{
		"context", "errors", "fmt", "log", "log/slog", "net", "net/http", "net/http/httptest", "net/url", "os", "testing", "time",
		"github.com/aws/aws-sdk-go-v2/service/secretsmanager", "github.com/hashicorp/vault/api", "go.uber.org/zap",
	} {
		imports[path.Base(name)] = name
	}
	list := command(t, "..", "list", "-f", "{{.Name}} {{.ImportPath}}", "./...")
	out, err := list.Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		name, importPath, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name != "main" && !strings.Contains(importPath, "/internal/") {
			imports[name] = importPath
		}
	}
	return imports
}
