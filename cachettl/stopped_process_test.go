//go:build unix

package cachettl_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/cachettl"
)

// childVariable makes the test binary a child process: its value is the URL of the
// store and the mode of its cache.
const childVariable = "HUSH_TEST_CHILD"

func TestMain(m *testing.M) {
	if arguments, ok := os.LookupEnv(childVariable); ok {
		url, mode, _ := strings.Cut(arguments, " ")
		child(url, mode)
		return
	}
	os.Exit(m.Run())
}

// child is a function that is invoked by a line on its standard input. It responds
// with the version that a Get returns, and "stale" if it is.
func child(url, mode string) {
	opts := &cachettl.Options{StaleIfError: time.Hour}
	switch mode {
	case "stale while revalidate":
		opts.StaleWhileRevalidate = time.Hour
	case "config in Lambda":
		opts.StaleWait = 5 * time.Second
	}
	cache := cachettl.New(httpStore(url), 2*time.Second, opts)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		secret, err := cache.Get(context.Background(), db)
		switch {
		case err != nil:
			_, _ = fmt.Fprintln(os.Stdout, err)
		case secret.Stale:
			_, _ = fmt.Fprintln(os.Stdout, secret.Version, "stale")
		default:
			_, _ = fmt.Fprintln(os.Stdout, secret.Version)
		}
	}
}

func httpStore(url string) hush.ProviderFunc {
	return func(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return hush.Secret{}, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return hush.Secret{}, hush.NewError("http", ref, hush.ErrUnavailable, err)
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return hush.Secret{}, hush.NewError("http", ref, hush.ErrUnavailable, err)
		}
		return hush.Secret{Value: hush.NewValue(body), Version: string(body)}, nil
	}
}

// A stopper stops a process and lets it go on.
type stopper interface {
	stop() error
	cont() error
}

type signals struct{ *os.Process }

func (s signals) stop() error { return s.Signal(syscall.SIGSTOP) }
func (s signals) cont() error { return s.Signal(syscall.SIGCONT) }

// A freezer is a cgroup that freezes its processes when frozen is written to file.
type freezer struct{ file, frozen, thawed string }

func (f freezer) stop() error { return os.WriteFile(f.file, []byte(f.frozen), 0o600) }
func (f freezer) cont() error { return os.WriteFile(f.file, []byte(f.thawed), 0o600) }

// newFreezer moves process into a new freezer cgroup of version 1 or 2.
func newFreezer(t *testing.T, process *os.Process) (stopper, error) {
	t.Helper()
	dir, f := "/sys/fs/cgroup/freezer", freezer{"freezer.state", "FROZEN", "THAWED"}
	if _, err := os.Stat(dir); err != nil {
		own, err := os.ReadFile("/proc/self/cgroup")
		if err != nil {
			return nil, err
		}
		_, path, _ := strings.Cut(strings.TrimSpace(string(own)), "::")
		dir, f = "/sys/fs/cgroup"+path, freezer{"cgroup.freeze", "1", "0"}
	}
	dir = filepath.Join(dir, fmt.Sprintf("hush-test-%d", process.Pid))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	f.file = filepath.Join(dir, f.file)
	t.Cleanup(func() {
		_ = f.cont()
		_ = process.Kill()
		_, _ = process.Wait()
		assert.Eventually(t, func() bool { return os.Remove(dir) == nil }, 10*time.Second, 10*time.Millisecond)
	})
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(process.Pid)), 0o600); err != nil {
		return nil, err
	}
	return f, f.cont()
}

// TestStoppedProcess stops real processes between their invocations, by signals and,
// where there is a writable freezer cgroup, by that. Their stores respond in 300 ms.
// No version may be returned stale twice.
func TestStoppedProcess(t *testing.T) {
	var children []*childProcess
	for _, mode := range []string{"plain", "stale while revalidate", "config in Lambda"} {
		c := startChild(t, mode+", stopped by signals", mode)
		c.stopper = signals{c.process}
		children = append(children, c)

		c = startChild(t, mode+", stopped by the freezer", mode)
		frozen, err := newFreezer(t, c.process)
		if err != nil {
			t.Logf("no writable freezer cgroup, so signals alone stop a process: %v", err)
			continue
		}
		c.stopper = frozen
		children = append(children, c)
	}
	for _, c := range children {
		c.invoke(t)
	}
	for _, gap := range []time.Duration{3 * time.Second, 7 * time.Second, 3 * time.Second, 5 * time.Second} {
		<-time.After(gap)
		for _, c := range children {
			c.invoke(t)
		}
	}
}

// A childProcess is a running child.
type childProcess struct {
	name    string
	process *os.Process
	stopper stopper
	input   io.Writer
	output  *bufio.Scanner

	stopped bool
	stale   []string // the versions that it returned stale
}

func startChild(t *testing.T, name, mode string) *childProcess {
	t.Helper()
	var calls atomic.Int64
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		version := calls.Add(1)
		select {
		case <-time.After(latency):
			_, _ = fmt.Fprint(w, "v", version)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(store.Close)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+store.URL+" "+mode)
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &childProcess{name: name, process: cmd.Process, input: input, output: bufio.NewScanner(output)}
}

// invoke lets the child go on, makes it read its secret, and stops it at once.
func (c *childProcess) invoke(t *testing.T) {
	t.Helper()
	if c.stopped {
		require.NoError(t, c.stopper.cont())
	}
	_, err := fmt.Fprintln(c.input)
	require.NoError(t, err)
	require.True(t, c.output.Scan(), "the child ended")
	require.NoError(t, c.stopper.stop())
	c.stopped = true
	version, word, _ := strings.Cut(c.output.Text(), " ")
	require.Regexp(t, `^v\d+$`, version, c.output.Text())
	if word == "stale" {
		assert.NotContains(t, c.stale, version, "%s: stale again", c.name)
		assert.NotContains(t, c.name, "Lambda", "nothing stale")
		c.stale = append(c.stale, version)
	}
	t.Logf("%s: %s %s", c.name, version, word)
}
