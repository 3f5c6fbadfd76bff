//go:build unix

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// notRun are the shell blocks of the pages that TestShellBlocks does not run, by page and
// first line, with the reason.
var notRun = map[string]string{
	"README.md: go get github.com/hush-secrets/hush@main                # the library":                                   "needs a network",
	"README.md: go run ./cmd/hush demo   # needs no network and no credentials, takes four seconds":                      "TestDemo runs the demo, and go test would run this test again",
	"getting-started.md: mkdir orders && cd orders":                                                                      "needs a network",
	"laptop.md: go install github.com/hush-secrets/hush/cmd/hush@main":                                                   "needs a network",
	"ci.md: go install github.com/hush-secrets/hush/cmd/hush@main":                                                       "needs a network",
	"command.md: go install github.com/hush-secrets/hush/cmd/hush@main":                                                  "needs a network",
	"extension.md: AWS_TOKEN=file:///run/hush/token HUSH_PROVIDERS=extension ./orders":                                   "needs a running agent",
	"secrets-manager.md: HUSH_PROVIDERS=\"direct:?region=eu-west-1\" ./orders":                                           "needs AWS",
	"lambda.md: GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -trimpath -o bootstrap .":                                 "needs zip and a function",
	"containers.md: hush agent --provider direct --token-file /run/hush/token --allow 'orders/*'":                        "runs until a signal",
	"ci.md: APP_DB_PROD=hunter2 hush agent --provider 'env:?prefix=APP_' --addr 127.0.0.1:0 --token-file token >ready &": "needs curl",
	"agent.md: hush agent --token-file ./token --allow 'orders/*'":                                                       "runs until a signal",
	"agent.md: curl -H \"X-Aws-Parameters-Secrets-Token: $(cat ./token)\" \\":                                            "needs curl and a running agent",
	"testing.md: integration/setup              # needs root to install PostgreSQL and curl, if they are missing":        "needs root and minutes",
	"rotation.md: integration/setup   # installs PostgreSQL if it is missing, which needs root":                          "needs root and minutes",
	"performance.md: make bench                              # all sections, and this page":                              "takes ten minutes",
}

// A step is a command of a page. A command of a console block prints printed.
type step struct {
	command string
	printed string
	console bool // otherwise it only has to succeed
}

var shellBlock = regexp.MustCompile("(?m)^( *)```(console|sh)\n((?s:.*?)\n) *```")

// steps returns the commands of the shell blocks of a page, without those in notRun. It
// marks these as seen.
func steps(name, text string, seen map[string]bool) (all []step) {
	for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
		indent, code := block[1], block[3]
		first, _, _ := strings.Cut(code, "\n")
		if key := name + ": " + first; block[2] == "sh" {
			if _, ok := notRun[key]; ok {
				seen[key] = true
				continue
			}
			all = append(all, step{command: "( set -e\n" + code + ")"})
			continue
		}
		for line := range strings.Lines(code) {
			line = strings.TrimPrefix(line, indent)
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				all = append(all, step{command: strings.TrimSuffix(command, "\n"), console: true})
			} else {
				all[len(all)-1].printed += line
			}
		}
	}
	return all
}

// TestShellBlocks runs the shell blocks of the pages, those of each page in one shell and
// in their order. The commands of a console block print what the page says.
func TestShellBlocks(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	require.NoError(t, err)
	ran, seen := 0, map[string]bool{}
	for _, page := range append(pages, filepath.Join("..", "..", "README.md")) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		if all := steps(filepath.Base(page), string(text), seen); len(all) > 0 {
			ran += len(all)
			t.Run(filepath.Base(page), func(t *testing.T) { runSteps(t, string(text), all) })
		}
	}
	assert.Greater(t, ran, 20)
	for key := range notRun {
		assert.True(t, seen[key], "no page has the block %s", key)
	}
}

// runSteps runs the commands of the page with that text.
func runSteps(t *testing.T, text string, all []step) {
	t.Helper()
	const mark = "\x01end of a step\x02"
	var script strings.Builder
	for _, s := range all {
		// The next command sees the status of this one.
		_, _ = fmt.Fprintf(&script, "%s\n{ status=$?; printf '%s%%s\\n' $status; (exit $status); }\n", s.command, mark)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "exec 2>&1\n"+script.String())
	cmd.Dir = readersModule(t, text)
	cmd.Env = append(environ(t), goVariables(t)...)
	cmd.Env = append(cmd.Env, "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
	out, _ := cmd.Output() // its status is that of the last command
	rest := string(out)
	for _, s := range all {
		printed, after, ok := strings.Cut(rest, mark)
		require.True(t, ok, "%s\n%s", s.command, rest)
		status, after, _ := strings.Cut(after, "\n")
		rest = after
		if s.console {
			assert.Equal(t, strings.TrimSuffix(s.printed, "\n"), strings.TrimSuffix(printed, "\n"), s.command)
		} else {
			assert.Equal(t, "0", status, "%s\n%s", s.command, printed)
		}
	}
}

var program = regexp.MustCompile("(?s)```go\n(package main\n.*?)```")

// readersModule returns a directory that, if the page has a program, is a module with
// this program and with this repository as its dependency.
func readersModule(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	main := program.FindStringSubmatch(text)
	if main == nil {
		return dir
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(main[1]), 0o600))
	const module = "github.com/hush-secrets/hush"
	edit := exec.CommandContext(t.Context(), "go", "mod", "edit", "-module=orders", "-require="+module+"@v0.0.0", "-replace="+module+"="+root)
	edit.Dir = dir
	out, err := edit.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return dir
}

// goVariables returns the variables with which the go command works without a home
// directory and without a network.
func goVariables(t *testing.T) []string {
	t.Helper()
	names := []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOTOOLCHAIN", "GOFLAGS"}
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"env"}, names...)...).Output()
	require.NoError(t, err)
	vars := []string{"GOPROXY=off"}
	for i, value := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
		vars = append(vars, names[i]+"="+value)
	}
	return vars
}
