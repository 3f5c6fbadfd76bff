package integration_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/direct/directtest"
)

const tokenHeader = "X-Aws-Parameters-Secrets-Token: "

// A served is 'hush agent' before a store, and how curl asks it.
type served struct {
	url   string
	token string
}

// get returns what curl is told to ask for a secret with the token, args before it.
func (s served) get(query string, args ...string) []string {
	return append(append([]string{"-H", tokenHeader + s.token}, args...), s.url+"/secretsmanager/get"+query)
}

// at is get for another path.
func (s served) at(path string, args ...string) []string {
	return append(append([]string{"-H", tokenHeader + s.token, "--path-as-is"}, args...), s.url+path)
}

// without is at without the token.
func (s served) without(path string, args ...string) []string { return append(args, s.url+path) }

// A row is one of the protocol's: what is asked, and what comes back.
type row struct {
	args   []string
	status int
	want   string // the whole body; a part of it if it is JSON
}

func (r row) check(t *testing.T) {
	t.Helper()
	status, contentType, body := curl(t, r.args...)
	assert.Equal(t, r.status, status, "%q: %s", r.args, body)
	assert.Empty(t, contentType, "%q", r.args)
	if strings.HasPrefix(body, "{") {
		assert.True(t, json.Valid([]byte(body)), body)
		assert.Contains(t, body, r.want, "%q", r.args)
		return
	}
	assert.Equal(t, r.want, body, "%q", r.args)
}

// TestAgentAndCurl walks the protocol of AWS's agent with curl, as scripts do.
func TestAgentAndCurl(t *testing.T) {
	store := startStore(t)
	a := startAgent(t, store)
	forwarded := []string{"-H", "X-Forwarded-For: 10.0.0.1"}
	wrong := []string{"-H", tokenHeader + "wrong"}
	both := slices.Concat(wrong, forwarded)
	for _, r := range []row{
		{a.without("/ping"), 200, "healthy"},
		{a.without("/ping", both...), 200, "healthy"},
		{a.without("/ping", "-X", "POST"), 405, "Not allowed"},
		{a.without("/nowhere", append(both, "-X", "POST")...), 400, "Forwarded"},
		{a.get("?secretId=db", forwarded...), 400, "Forwarded"},
		{a.without("/nowhere", "-X", "POST"), 403, "Bad Token"},
		{a.without("/secretsmanager/get?secretId=db"), 403, "Bad Token"},
		{a.without("/secretsmanager/get?secretId=db", wrong...), 403, "Bad Token"},
		{a.at("/nowhere", "-X", "PUT"), 405, "Not allowed"},
		{a.get("", "-d", "secretId=db"), 405, "Not allowed"},
		{a.at("/"), 404, "Not found"},
		{a.at("/v1"), 404, "Not found"},
		{a.at("/secretsmanager/get/?secretId=db"), 404, "Not found"},
		{a.at("/systemsmanager/parameters/get?name=x"), 404, "Not found: Parameter Store is not served here, only /secretsmanager/get"},
		{a.get(""), 400, "missing parameter secretId"},
		{a.get("?secretId="), 400, "missing parameter secretId"},
		{a.at("/v1/"), 400, "missing secret ID"},
		{a.get("?secretid=db"), 400, "unknown parameter: secretid"},
		{a.get("?secretId=db&roleArn=x"), 400, "unknown parameter: roleArn"},
		{a.at("/v1/db?secretId=db"), 400, "unknown parameter: secretId"},
		{a.get("?secretId=db&refreshNow=yes"), 400, "invalid refreshNow value"},
		{a.get("?secretId=db&refreshNow="), 400, "invalid refreshNow value"},
	} {
		r.check(t)
	}
	assert.Zero(t, store.Calls(directtest.Call{}), "nobody who is turned away makes the agent ask")
}

func TestAgentsSecretsByCurl(t *testing.T) {
	store := startStore(t)
	store.Put("a+b/c", []byte("hunter2\n"))
	store.Put("binary", []byte{0, 0xff, 1})
	store.Put("large", []byte(strings.Repeat("\x01", 60<<10)))
	old := store.Put("db", []byte("one"))
	store.Rotate("db", []byte("two"))()
	a := startAgent(t, store)
	for _, r := range []row{
		{a.get("", "-G", "--data-urlencode", "secretId=a+b/c"), 200, `"SecretString":"hunter2\n"`},
		{[]string{"-H", "X-Vault-Token: " + a.token, a.url + "/v1/a+b/c?refreshNow=true"}, 200, `"SecretString":"hunter2\n"`},
		{a.get("?secretId=db"), 200, `{"ARN":null,"Name":"db",`},
		{a.get("?secretId=none&secretId=db"), 200, `"SecretString":"two","VersionStages":["AWSCURRENT"],"CreatedDate":"`},
		{a.get("?secretId=db&versionId=" + old), 200, `"SecretString":"one"`},
		{a.get("?secretId=db&versionStage=AWSPREVIOUS"), 200, `"SecretString":"one"`},
		{a.get("?secretId=db&refreshNow=TRUE"), 200, `"SecretString":"two"`},
		{a.at("/v1/db?versionStage=AWSPREVIOUS"), 200, `"SecretString":"one"`},
		{a.at("/v1/" + store.ARN("db")), 200, `{"ARN":"` + store.ARN("db") + `","Name":null,`},
		{a.get("", "-G", "--data-urlencode", "secretId="+store.ARN("db")), 200, `"SecretString":"two"`},
		{a.get("?secretId=binary"), 200, `"SecretBinary":"AP8B"`},
		{a.get("?secretId=large"), 200, `"SecretString":"` + strings.Repeat(`\u0001`, 60<<10) + `"`},
	} {
		r.check(t)
	}
}

func TestAgentsErrorsByCurl(t *testing.T) {
	store := startStore(t)
	store.Put("db", []byte("x"))
	store.Deny("denied")
	a := startAgent(t, store, "--allow", "d*", "--allow", "none")
	for _, r := range []row{
		{a.get("?secretId=none"), 400, `"__type":"ResourceNotFoundException"`},
		{a.at("/v1/d%62"), 400, `"__type":"ResourceNotFoundException"`},
		{a.at("/v1/x/../db"), 400, `"__type":"AccessDeniedException"`},
		{a.get("?secretId=db&versionStage=NONE"), 400, `"__type":"ResourceNotFoundException"`},
		{a.get("?secretId=d%0A"), 400, `"__type":"InvalidParameterException"`},
		{a.get("?secretId=denied"), 400, `"__type":"AccessDeniedException"`},
		{a.get("?secretId=other"), 400, `"__type":"AccessDeniedException"`},
	} {
		r.check(t)
	}
	for code, kind := range map[string]string{"ThrottlingException": "ThrottlingException", "UnrecognizedClientException": "ExpiredTokenException"} {
		restore := store.Fail(directtest.Failure{Code: code})
		row{a.get("?secretId=db"), 400, `"__type":"` + kind + `"`}.check(t)
		restore()
	}
	defer store.Break()()
	row{a.get("?secretId=db"), 503, `"__type":"InternalFailure"`}.check(t)
}

// TestAgentsLimitByCurl is the first check of all.
func TestAgentsLimitByCurl(t *testing.T) {
	store := startStore(t)
	store.Put("db", []byte("x"))
	release := store.Hang()
	defer release()
	a := startAgent(t, store, "--max-conn", "1")
	held := make(chan int, 1)
	go func() {
		status, _, _ := curl(t, a.get("?secretId=db")...)
		held <- status
	}()
	require.Eventually(t, func() bool { return store.Calls(directtest.Call{}) > 0 }, time.Minute, 5*time.Millisecond)
	row{a.without("/nowhere", "-X", "POST", "-H", "X-Forwarded-For: 1"), 429, "Connection limit exceeded"}.check(t)
	row{a.without("/ping"), 200, "healthy"}.check(t)
	release()
	assert.Equal(t, http.StatusOK, <-held)
}

// curl returns the status, the content type and the body of what it is told to ask
// for.
func curl(t *testing.T, args ...string) (status int, contentType, body string) {
	t.Helper()
	args = append([]string{
		"--disable", "--silent", "--show-error", "--noproxy", "*", "--max-time", "60", "--write-out", "\n%{http_code} %{content_type}",
	}, args...)
	out, err := exec.CommandContext(t.Context(), "curl", args...).Output()
	assert.NoError(t, err, "%s", out)
	at := bytes.LastIndexByte(out, '\n')
	code, contentType, _ := strings.Cut(string(out[at+1:]), " ")
	status, err = strconv.Atoi(code)
	assert.NoError(t, err)
	return status, contentType, string(out[:max(at, 0)])
}

// startAgent builds and runs 'hush agent' before store, with a token that it makes.
func startAgent(t *testing.T, store *directtest.Server, args ...string) served {
	t.Helper()
	dir := t.TempDir()
	program, token := filepath.Join(dir, "hush"), filepath.Join(dir, "token")
	// In the module of its own, which is the one that knows what it links. Of that 'go
	// test' knows nothing here: -count=1 keeps it from taking an old pass for a new one.
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
	return served{strings.TrimPrefix(strings.TrimSpace(line), "listening on "), strings.TrimSpace(string(text))}
}
