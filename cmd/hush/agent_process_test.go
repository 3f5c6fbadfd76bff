package main_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/direct/directtest"
)

const agentToken = "agents-token-7d1"

// patience is how long a test waits for what takes moments on a quiet machine.
const patience = 30 * time.Second

// tick is how often it looks.
const tick = 5 * time.Millisecond

// A running is an agent that runs as a process.
type running struct {
	url    string
	cmd    *exec.Cmd
	stderr *said
	stdout *bufio.Reader
	ended  chan struct{} // closed when the process has ended
	token  string
}

// said is what a process writes, to be looked at while it writes.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// startAgent runs the agent on a free port until the test ends, in surroundings that
// hold its token and vars.
func startAgent(t testing.TB, vars []string, args ...string) *running {
	t.Helper()
	return startAgentIn(t, t.TempDir(), vars, args...)
}

// startAgentIn is startAgent in a directory.
func startAgentIn(t testing.TB, dir string, vars []string, args ...string) *running {
	t.Helper()
	return startCommand(t, dir, vars, agentCommand(t, args...)...)
}

func agentCommand(t testing.TB, args ...string) []string {
	t.Helper()
	return append([]string{buildHush(t), "agent", "--addr", "127.0.0.1:0"}, args...)
}

// startCommand is startAgentIn for a command that runs the agent.
func startCommand(t testing.TB, dir string, vars []string, command ...string) *running {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(bare(t), "AWS_TOKEN="+agentToken)
	cmd.Env = append(cmd.Env, vars...)
	r := &running{cmd: cmd, stderr: &said{}, ended: make(chan struct{}), token: agentToken}
	// A pipe of our own, which Wait does not close before it is read to its end.
	ours, theirs, err := os.Pipe()
	require.NoError(t, err)
	cmd.Stdout, cmd.Stderr = theirs, r.stderr
	require.NoError(t, cmd.Start())
	require.NoError(t, theirs.Close())
	go func() {
		_ = cmd.Wait()
		close(r.ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-r.ended
		assert.NoError(t, ours.Close())
	})
	r.stdout = bufio.NewReader(ours)
	line, err := r.stdout.ReadString('\n')
	require.NoError(t, err, "no line on the standard output; on the other: %s", r.stderr)
	var ok bool
	r.url, ok = strings.CutPrefix(strings.TrimSuffix(line, "\n"), "listening on ")
	require.True(t, ok, line)
	return r
}

// all ends the agent, and returns all that it has written on its standard error.
func (r *running) all() string {
	_ = r.cmd.Process.Kill()
	<-r.ended // and what it wrote is there
	return r.stderr.String()
}

// signal sends a signal to the agent.
func (r *running) signal(t testing.TB, s os.Signal) {
	t.Helper()
	require.NoError(t, r.cmd.Process.Signal(s))
}

// says waits until the agent has said text on its standard error.
func (r *running) says(t testing.TB, text string) {
	t.Helper()
	eventually(t, "it says "+text, func() bool { return strings.Contains(r.stderr.String(), text) })
}

// eventually waits until ok, which is asked in the test's own goroutine.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ticker, late := time.NewTicker(tick), time.After(patience)
	defer ticker.Stop()
	for !ok() {
		select {
		case <-ticker.C:
		case <-late:
			require.Fail(t, "it never came to that: "+what)
		}
	}
}

// exit waits for the end and returns the status.
func (r *running) exit(t testing.TB) int {
	t.Helper()
	select {
	case <-r.ended:
		return r.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		require.Fail(t, "it does not end", r.stderr.String())
		return 0
	}
}

// An exchange is what came back.
type exchange struct {
	status int
	header http.Header
	body   string
}

// request returns a request for the path, which is sent as it is written, with the
// token and with headers, of which an empty one is left out.
func (r *running) request(t testing.TB, method, target string, headers ...string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.url+target, http.NoBody)
	require.NoError(t, err)
	request.Header.Set("X-Aws-Parameters-Secrets-Token", r.token)
	for i := 0; i < len(headers); i += 2 {
		if request.Header.Set(headers[i], headers[i+1]); headers[i+1] == "" {
			request.Header.Del(headers[i])
		}
	}
	return request
}

// ask sends a request on a connection of its own.
func (r *running) ask(t testing.TB, method, target string, headers ...string) exchange {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	return send(t, transport, r.request(t, method, target, headers...))
}

func send(t testing.TB, transport http.RoundTripper, request *http.Request) exchange {
	t.Helper()
	got, err := try(transport, request)
	require.NoError(t, err)
	return got
}

func try(transport http.RoundTripper, request *http.Request) (exchange, error) {
	response, err := transport.RoundTrip(request)
	if err != nil {
		return exchange{}, err
	}
	body, err := io.ReadAll(response.Body)
	return exchange{response.StatusCode, response.Header, string(body)}, errors.Join(err, response.Body.Close())
}

// begin sends a request whose answer is waited for later.
func (r *running) begin(t testing.TB, target string) <-chan exchange {
	t.Helper()
	request, answer := r.request(t, http.MethodGet, target), make(chan exchange, 1)
	go func() {
		got, err := try(&http.Transport{DisableKeepAlives: true}, request)
		assert.NoError(t, err)
		answer <- got
	}()
	return answer
}

// startStore starts a Secrets Manager, and returns the variables by which the command
// finds it.
func startStore(t testing.TB) (*directtest.Server, []string) {
	t.Helper()
	store, err := directtest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(store.Close)
	return store, []string{
		"AWS_REGION=" + store.Region(), "AWS_ACCESS_KEY_ID=" + directtest.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + directtest.SecretAccessKey, "AWS_ENDPOINT_URL_SECRETS_MANAGER=" + store.URL(),
	}
}
