//go:build unix

package main_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// viaExec returns a command line that runs words with hush exec and one secret.
func viaExec(words ...string) []string {
	return append([]string{binary, "exec", "--provider", "env", "--env", "X=db", "--"}, words...)
}

// start starts words with vars and the secret db in their environment.
func start(t *testing.T, vars []string, words ...string) (cmd *exec.Cmd, in io.WriteCloser, out *bufio.Reader) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Env = environ(t, append(vars, "DB=secret")...)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return cmd, in, bufio.NewReader(stdout)
}

func TestExecPassesSignals(t *testing.T) {
	cmd, _, out := start(t, withHelper("signals"), viaExec(self(t))...)
	line := func() string {
		text, err := out.ReadString('\n')
		require.NoError(t, err)
		return strings.TrimSpace(text)
	}
	require.Equal(t, "ready", line())
	for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGINT, syscall.SIGHUP, syscall.SIGWINCH, syscall.SIGINT, syscall.SIGTERM} {
		require.NoError(t, cmd.Process.Signal(s), "the process is the command")
		assert.Equal(t, s.String(), line())
	}
	require.Error(t, cmd.Wait())
	assert.Equal(t, 42, cmd.ProcessState.ExitCode())
}

func TestExecPassesTheExitStatus(t *testing.T) {
	t.Parallel()
	for code := range 256 {
		cmd := exec.CommandContext(t.Context(), binary, "exec", "--", "sh", "-c", "exit "+strconv.Itoa(code))
		cmd.Env = environ(t)
		_ = cmd.Run()
		assert.Equal(t, code, cmd.ProcessState.ExitCode())
	}
}

func TestExecPassesDeathBySignal(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGPIPE, syscall.SIGABRT} {
		words := viaExec("sh", "-c", "ulimit -c 0; kill -"+strconv.Itoa(int(s))+" $$")
		cmd, _, _ := start(t, nil, words...)
		require.Error(t, cmd.Wait())
		status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		require.True(t, ok)
		assert.True(t, status.Signaled(), s)
		assert.Equal(t, s, status.Signal())
	}
}

// A command observes the same with hush as without, except for the variable.
func TestExecChangesNothingElse(t *testing.T) {
	extra, err := os.Open(self(t))
	require.NoError(t, err)
	defer extra.Close()
	for name, prefix := range map[string]string{
		"plain":          "",
		"limits":         "ulimit -S -n 100; ulimit -S -c 10 2>/dev/null || :; umask 027;",
		"no core":        "ulimit -H -c 0;",
		"nohup":          "trap '' HUP;",
		"background":     "trap '' HUP INT;",
		"no input":       "exec </dev/null;",
		"read and write": "exec 0<>/dev/null;",
	} {
		look := func(words ...string) observation {
			cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", prefix + ` exec "$@"`, "sh"}, words...)...)
			cmd.Env = append(environ(t, withHelper("look", "DB=secret")...), "HOME=/", "TMPDIR=/")
			cmd.Dir, cmd.ExtraFiles, cmd.Stdin = filepath.Dir(self(t)), []*os.File{extra, nil, extra}, strings.NewReader("in\x00put")
			got := finish(t, cmd)
			require.Zero(t, got.code, got.stderr)
			return parseObservation(t, got.stdout)
		}
		assert.Equal(t, look("env", "X=secret", self(t), "a", ""), look(viaExec(self(t), "a", "")...), name)

		limits := func(words ...string) string {
			// The script starts no process, because the shell would block signals meanwhile.
			const show = `ulimit -S -n; ulimit -H -n; ulimit -S -c; ulimit -H -c; umask; echo $0
				[ -r /proc/$$/status ] || exit 0
				while read -r line; do case $line in Sig[BI]*) echo "$line";; esac; done </proc/$$/status`
			cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", prefix + ` exec "$@"`, "sh"}, append(words, "sh", "-c", show)...)...)
			cmd.Env = environ(t, "DB=secret")
			got := finish(t, cmd)
			require.Zero(t, got.code, got.stderr)
			return got.stdout
		}
		assert.Equal(t, limits("env"), limits(viaExec()...), name)
	}
}

// Go's runtime opens /dev/null for closed descriptors, so that a command reads the end of
// its input at once.
func TestExecWithClosedInput(t *testing.T) {
	for closed, check := range map[string]string{"<&-": "cat", ">&- 2>&-": "echo out; echo err >&2; exit 0", "<&- >&- 2>&-": "exit 0"} {
		words := append([]string{"-c", `exec "$@" ` + closed, "sh"}, viaExec("sh", "-c", check)...)
		cmd, _, _ := start(t, nil, append([]string{"sh"}, words...)...)
		require.NoError(t, cmd.Wait(), closed)
	}
}

func TestExecReportsTooLongEnvironment(t *testing.T) {
	dir := t.TempDir()
	// The limits of one variable and of all differ between systems. Sixteen megabytes
	// exceed all of them.
	var vars, flags []string
	for name := range strings.FieldsSeq("A B C D E F G H I J K L M N O P") {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("canary", 1<<20/6)), 0o600))
		vars, flags = append(vars, name+"_FILE="+path), append(flags, "--env", "BIG_"+name+"="+name)
	}
	got := hush(t, vars, append(append([]string{"exec", "--provider", "env:?files=true"}, flags...), "--", "sh", "-c", "echo started")...)
	assert.Equal(t, 126, got.code)
	assert.Empty(t, got.stdout)
	assert.Contains(t, got.stderr, "exceed the limit of this system: they have 167")
	assert.Contains(t, got.stderr, "the longest variable, BIG_A, has 10485")
	assert.NotContains(t, got.stderr, "canary")
}

func TestExecReportsInvalidPrograms(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ content, want string }{
		"nothing":     {"echo started\n", "the file is not a program for this system and has no #! line"},
		"interpreter": {"#!/no/such/interpreter\necho started\n", "the interpreter in its #! line, does not exist"},
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(c.content), 0o600))
		require.NoError(t, os.Chmod(path, 0o700))
		got := hush(t, []string{"DB=x"}, "exec", "--provider", "env", "--env", "X=db", "--", path)
		assert.Equal(t, 126, got.code)
		assert.Contains(t, got.stderr, c.want)
		assert.Empty(t, got.stdout)
	}
}

func TestExecRejectsSpecialEnvFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	got := hush(t, nil, "exec", "--env-file", path, "--", "true")
	assert.Equal(t, 2, got.code)
	assert.Contains(t, got.stderr, "not a regular file")
}

// hangingStore starts a store that does not respond. asked has an element for each
// request.
func hangingStore(t *testing.T) (provider string, asked <-chan struct{}) {
	t.Helper()
	requests := make(chan struct{}, 8)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		requests <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	return "extension:?timeout=60s&endpoint=" + server.URL, requests
}

// A signal before the command starts ends hush.
func TestExecIsInterrupted(t *testing.T) {
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		provider, asked := hangingStore(t)
		cmd, _, out := start(t, []string{"AWS_TOKEN=t"}, binary, "exec", "--timeout", "1m", "--provider", provider, "--env", "X=db", "--", "echo", "started")
		<-asked
		begin := time.Now()
		require.NoError(t, cmd.Process.Signal(s))
		text, err := io.ReadAll(out)
		require.NoError(t, err)
		assert.Empty(t, text)
		require.Error(t, cmd.Wait())
		assert.Equal(t, 130, cmd.ProcessState.ExitCode())
		assert.Less(t, time.Since(begin), 30*time.Second)
	}
}
