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

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/direct/directtest"
)

// TestAgentAndCurl reads from 'hush agent' with curl, as a script does.
func TestAgentAndCurl(t *testing.T) {
	store := startStore(t)
	store.Put("a+b/c", []byte("hunter2\n"))
	token := filepath.Join(t.TempDir(), "token")
	url := startAgent(t, store, token)
	secret := url + "/secretsmanager/get"
	header := "X-Aws-Parameters-Secrets-Token: "
	text, err := os.ReadFile(token)
	require.NoError(t, err)
	known := strings.TrimSpace(string(text))

	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{url + "/ping"}, 200, "healthy"},
		{[]string{"-X", "POST", url + "/ping"}, 405, "Not allowed"},
		{[]string{secret + "?secretId=a"}, 403, "Bad Token"},
		{[]string{"-H", header + "wrong", secret + "?secretId=a"}, 403, "Bad Token"},
		{[]string{"-H", header + known, "-H", "X-Forwarded-For: 1", secret + "?secretId=a"}, 400, "Forwarded"},
		{[]string{"-H", header + known, "-d", "x=1", secret}, 405, "Not allowed"},
		{[]string{"-H", header + known, secret}, 400, "missing parameter secretId"},
		{[]string{"-H", header + known, url + "/"}, 404, "Not found"},
		{[]string{"-H", header + known, "-G", "--data-urlencode", "secretId=a+b/c", secret}, 200, `"SecretString":"hunter2\n"`},
		{[]string{"-H", "X-Vault-Token: " + known, url + "/v1/a+b/c?refreshNow=true"}, 200, `"SecretString":"hunter2\n"`},
		{[]string{"-H", header + known, secret + "?secretId=none"}, 400, `"__type":"ResourceNotFoundException"`},
	} {
		status, body := curl(t, c.args...)
		assert.Equal(t, c.status, status, "%q", c.args)
		assert.Contains(t, body, c.want, "%q", c.args)
	}
}

// curl returns the status and the body of what it is told to ask for.
func curl(t *testing.T, args ...string) (status int, body string) {
	t.Helper()
	args = append([]string{"--disable", "--silent", "--show-error", "--noproxy", "*", "--max-time", "60", "--write-out", "\n%{http_code}"}, args...)
	out, err := exec.CommandContext(t.Context(), "curl", args...).Output()
	require.NoError(t, err, "%s", out)
	at := bytes.LastIndexByte(out, '\n')
	status, err = strconv.Atoi(string(out[at+1:]))
	require.NoError(t, err)
	if body = string(out[:at]); status == http.StatusOK && strings.HasPrefix(body, "{") {
		assert.True(t, json.Valid([]byte(body)), body)
	}
	return status, body
}

// startAgent builds and runs 'hush agent' before store, with a token that it makes,
// and returns where.
func startAgent(t *testing.T, store *directtest.Server, token string) (url string) {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "hush")
	// In the module of its own, which is the one that knows what it links.
	out, err := exec.CommandContext(t.Context(), "go", "-C", "..", "build", "-o", program, "./cmd/hush").CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.CommandContext(t.Context(), program, "agent", "--addr", "127.0.0.1:0", "--token-file", token)
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
	return strings.TrimPrefix(strings.TrimSpace(line), "listening on ")
}
