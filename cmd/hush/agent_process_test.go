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

// testTimeout bounds waits that take milliseconds on a quiet machine.
const testTimeout = 30 * time.Second

// tick is the interval of polling.
const tick = 5 * time.Millisecond

// An agentProcess is an agent in a process of its own.
type agentProcess struct {
	url    string
	cmd    *exec.Cmd
	stderr *syncBuffer
	stdout *bufio.Reader
	ended  chan struct{} // closed when the process has ended
	token  string
}

// A syncBuffer can be read while a process writes to it.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// startAgent runs the agent on a free port until the test ends. Its environment has a
// token and vars.
func startAgent(t testing.TB, vars []string, args ...string) *agentProcess {
	t.Helper()
	return startAgentIn(t, t.TempDir(), vars, args...)
}

// startAgentIn is startAgent in a directory.
func startAgentIn(t testing.TB, dir string, vars []string, args ...string) *agentProcess {
	t.Helper()
	return startCommand(t, dir, vars, agentCommand(t, args...)...)
}

func agentCommand(t testing.TB, args ...string) []string {
	t.Helper()
	return append([]string{buildHush(t), "agent", "--addr", "127.0.0.1:0"}, args...)
}

// startCommand is startAgentIn for a command that runs the agent.
func startCommand(t testing.TB, dir string, vars []string, command ...string) *agentProcess {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(baseEnviron(t), "AWS_TOKEN="+agentToken)
	cmd.Env = append(cmd.Env, vars...)
	r := &agentProcess{cmd: cmd, stderr: &syncBuffer{}, ended: make(chan struct{}), token: agentToken}
	// Wait would close a pipe of exec before it is read to its end.
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
	require.NoError(t, err, "no line on standard output; standard error: %s", r.stderr)
	var ok bool
	r.url, ok = strings.CutPrefix(strings.TrimSuffix(line, "\n"), "listening on ")
	require.True(t, ok, line)
	return r
}

// stopAndReadStderr kills the agent and returns its standard error.
func (r *agentProcess) stopAndReadStderr() string {
	_ = r.cmd.Process.Kill()
	<-r.ended // all output has arrived
	return r.stderr.String()
}

// signal sends a signal to the agent.
func (r *agentProcess) signal(t testing.TB, s os.Signal) {
	t.Helper()
	require.NoError(t, r.cmd.Process.Signal(s))
}

// requireStderr waits until the agent's standard error contains text.
func (r *agentProcess) requireStderr(t testing.TB, text string) {
	t.Helper()
	requireEventually(t, "standard error contains "+text, func() bool { return strings.Contains(r.stderr.String(), text) })
}

// requireEventually polls ok until it returns true.
func requireEventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ticker, late := time.NewTicker(tick), time.After(testTimeout)
	defer ticker.Stop()
	for !ok() {
		select {
		case <-ticker.C:
		case <-late:
			require.Fail(t, "timeout: "+what)
		}
	}
}

// waitExit waits for the end of the agent and returns its exit status.
func (r *agentProcess) waitExit(t testing.TB) int {
	t.Helper()
	select {
	case <-r.ended:
		return r.cmd.ProcessState.ExitCode()
	case <-time.After(testTimeout):
		require.Fail(t, "the agent does not end", r.stderr.String())
		return 0
	}
}

// A reply is a response that was read.
type reply struct {
	status int
	header http.Header
	body   string
}

// request returns a request with the token and with headers, which are pairs of a name
// and a value. An empty value removes the header.
func (r *agentProcess) request(t testing.TB, method, target string, headers ...string) *http.Request {
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

// ask sends a request on a new connection.
func (r *agentProcess) ask(t testing.TB, method, target string, headers ...string) reply {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	return send(t, transport, r.request(t, method, target, headers...))
}

func send(t testing.TB, transport http.RoundTripper, request *http.Request) reply {
	t.Helper()
	got, err := try(transport, request)
	require.NoError(t, err)
	return got
}

func try(transport http.RoundTripper, request *http.Request) (reply, error) {
	response, err := transport.RoundTrip(request)
	if err != nil {
		return reply{}, err
	}
	body, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(body)}, errors.Join(err, response.Body.Close())
}

// start sends a request. Its reply arrives in the channel.
func (r *agentProcess) start(t testing.TB, target string) <-chan reply {
	t.Helper()
	request, result := r.request(t, http.MethodGet, target), make(chan reply, 1)
	go func() {
		got, err := try(&http.Transport{DisableKeepAlives: true}, request)
		assert.NoError(t, err)
		result <- got
	}()
	return result
}

// startStore starts a Secrets Manager, and returns the variables with its address and
// credentials.
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
