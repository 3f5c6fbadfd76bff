package integration_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/direct/directtest"
	"github.com/hush-secrets/hush/internal/test/agentprotocol"
)

const tokenHeader = "X-Aws-Parameters-Secrets-Token: "

// An agentProcess is a running 'hush agent'. Its methods return arguments of curl.
type agentProcess struct {
	url   string
	token string
}

// get requests a secret with the token.
func (p agentProcess) get(query string, args ...string) []string {
	return append(append([]string{"-H", tokenHeader + p.token}, args...), p.url+"/secretsmanager/get"+query)
}

// path requests a path with the token.
func (p agentProcess) path(path string, args ...string) []string {
	return append(append([]string{"-H", tokenHeader + p.token, "--path-as-is"}, args...), p.url+path)
}

// noToken requests a path without the token.
func (p agentProcess) noToken(path string, args ...string) []string { return append(args, p.url+path) }

// An exchange is a request and the expected response.
type exchange struct {
	args   []string // of curl
	status int
	want   string // the complete body, or a part of a JSON body
}

func (e exchange) check(t *testing.T) {
	t.Helper()
	status, contentType, body := curl(t, e.args...)
	assert.Equal(t, e.status, status, "%q: %s", e.args, body)
	assert.Empty(t, contentType, "%q", e.args)
	if strings.HasPrefix(body, "{") {
		assert.True(t, json.Valid([]byte(body)), body)
		assert.Contains(t, body, e.want, "%q", e.args)
		return
	}
	assert.Equal(t, e.want, body, "%q", e.args)
}

// TestAgentRejectsInvalidRequests sends the requests of the protocol's table with curl.
func TestAgentRejectsInvalidRequests(t *testing.T) {
	store := startStore(t)
	p := startAgent(t, store)
	for _, test := range agentprotocol.Cases(p.token) {
		t.Run(test.Name, func(t *testing.T) {
			args := []string{"--path-as-is", "-X", test.Method}
			for name, value := range test.Headers {
				if value == "" {
					args = append(args, "-H", name+";")
				} else {
					args = append(args, "-H", name+": "+value)
				}
			}
			exchange{append(args, p.url+test.Target), test.Status, test.Body}.check(t)
		})
	}
	assert.Zero(t, store.Calls(directtest.Call{}), "no rejected request reaches the store")
}

func TestAgentReturnsSecrets(t *testing.T) {
	store := startStore(t)
	store.Put("a+b/c", []byte("hunter2\n"))
	store.Put("binary", []byte{0, 0xff, 1})
	store.Put("large", []byte(strings.Repeat("\x01", 60<<10)))
	old := store.Put("db", []byte("one"))
	store.Rotate("db", []byte("two"))()
	a := startAgent(t, store)
	for _, e := range []exchange{
		{a.get("", "-G", "--data-urlencode", "secretId=a+b/c"), 200, `"SecretString":"hunter2\n"`},
		{[]string{"-H", "X-Vault-Token: " + a.token, a.url + "/v1/a+b/c?refreshNow=true"}, 200, `"SecretString":"hunter2\n"`},
		{a.get("?secretId=db"), 200, `{"ARN":null,"Name":"db",`},
		{a.get("?secretId=none&secretId=db"), 200, `"SecretString":"two","VersionStages":["AWSCURRENT"],"CreatedDate":"`},
		{a.get("?secretId=db&versionId=" + old), 200, `"SecretString":"one"`},
		{a.get("?secretId=db&versionStage=AWSPREVIOUS"), 200, `"SecretString":"one"`},
		{a.get("?secretId=db&refreshNow=TRUE"), 200, `"SecretString":"two"`},
		{a.path("/v1/db?versionStage=AWSPREVIOUS"), 200, `"SecretString":"one"`},
		{a.path("/v1/" + store.ARN("db")), 200, `{"ARN":"` + store.ARN("db") + `","Name":null,`},
		{a.get("", "-G", "--data-urlencode", "secretId="+store.ARN("db")), 200, `"SecretString":"two"`},
		{a.get("?secretId=binary"), 200, `"SecretBinary":"AP8B"`},
		{a.get("?secretId=large"), 200, `"SecretString":"` + strings.Repeat(`\u0001`, 60<<10) + `"`},
	} {
		e.check(t)
	}
}

func TestAgentReturnsErrorsOfTheStore(t *testing.T) {
	store := startStore(t)
	store.Put("db", []byte("x"))
	store.Deny("denied")
	a := startAgent(t, store, "--allow", "d*", "--allow", "none")
	for _, e := range []exchange{
		{a.get("?secretId=none"), 400, `"__type":"ResourceNotFoundException"`},
		{a.path("/v1/d%62"), 400, `"__type":"ResourceNotFoundException"`},
		{a.path("/v1/x/../db"), 400, `"__type":"AccessDeniedException"`},
		{a.get("?secretId=db&versionStage=NONE"), 400, `"__type":"ResourceNotFoundException"`},
		{a.get("?secretId=d%0A"), 400, `"__type":"InvalidParameterException"`},
		{a.get("?secretId=denied"), 400, `"__type":"AccessDeniedException"`},
		{a.get("?secretId=other"), 400, `"__type":"AccessDeniedException"`},
	} {
		e.check(t)
	}
	for code, kind := range map[string]string{"ThrottlingException": "ThrottlingException", "UnrecognizedClientException": "ExpiredTokenException"} {
		restore := store.Fail(directtest.Failure{Code: code})
		exchange{a.get("?secretId=db"), 400, `"__type":"` + kind + `"`}.check(t)
		restore()
	}
	defer store.Break()()
	exchange{a.get("?secretId=db"), 503, `"__type":"InternalFailure"`}.check(t)
}

// TestAgentChecksConnectionLimitFirst checks the limit before the method and the token.
func TestAgentChecksConnectionLimitFirst(t *testing.T) {
	store := startStore(t)
	store.Put("db", []byte("x"))
	restore := store.Hang()
	defer restore()
	a := startAgent(t, store, "--max-conn", "1")
	firstStatus := make(chan int, 1)
	go func() {
		status, _, _ := curl(t, a.get("?secretId=db")...)
		firstStatus <- status
	}()
	require.Eventually(t, func() bool { return store.Calls(directtest.Call{}) > 0 }, time.Minute, 5*time.Millisecond)
	exchange{a.noToken("/nowhere", "-X", "POST", "-H", "X-Forwarded-For: 1"), 429, "Connection limit exceeded"}.check(t)
	exchange{a.noToken("/ping"), 200, "healthy"}.check(t)
	restore()
	assert.Equal(t, http.StatusOK, <-firstStatus)
}

// curl runs curl with args, and returns the status, the content type and the body.
func curl(t *testing.T, args ...string) (status int, contentType, body string) {
	t.Helper()
	args = append([]string{
		"--disable", "--silent", "--show-error", "--noproxy", "*", "--max-time", "60", "--write-out", "\n%{http_code} %{content_type}",
	}, args...)
	out, err := exec.CommandContext(t.Context(), "curl", args...).Output()
	assert.NoError(t, err, "%s", out)
	lastLine := bytes.LastIndexByte(out, '\n')
	code, contentType, _ := strings.Cut(string(out[lastLine+1:]), " ")
	status, err = strconv.Atoi(code)
	assert.NoError(t, err)
	return status, contentType, string(out[:max(lastLine, 0)])
}

// startAgent builds 'hush agent' and runs it with store. The agent creates a token.
func startAgent(t *testing.T, store *directtest.Server, args ...string) agentProcess {
	t.Helper()
	dir := t.TempDir()
	program, token := filepath.Join(dir, "hush"), filepath.Join(dir, "token")
	// The root module defines the dependencies of hush. 'go test' does not see that this test
	// depends on hush, so use -count=1 to run it again after a change.
	out, err := exec.CommandContext(t.Context(), "go", "-C", "..", "build", "-o", program, "./cmd/hush").CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.CommandContext(t.Context(), program, append([]string{"agent", "--addr", "127.0.0.1:0", "--token-file", token}, args...)...)
	cmd.Dir = dir
	cmd.Env = []string{
		"HOME=" + dir, "AWS_REGION=" + store.Region(), "AWS_ENDPOINT_URL_SECRETS_MANAGER=" + store.URL(),
		"AWS_ACCESS_KEY_ID=" + directtest.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + directtest.SecretAccessKey,
	}
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	text, err := os.ReadFile(token)
	require.NoError(t, err)
	return agentProcess{strings.TrimPrefix(strings.TrimSpace(line), "listening on "), strings.TrimSpace(string(text))}
}
