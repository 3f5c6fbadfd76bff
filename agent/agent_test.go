package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
	"github.com/hush-secrets/hush/internal/test/agentprotocol"
	"github.com/hush-secrets/hush/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token  = "canary-token-a9e27"
	canary = "canary-5ec7e7"
)

// get sends a GET request and returns the response and its body. The request has the token
// unless headers, which are names and values, set another one.
func get(t *testing.T, h http.Handler, target string, headers ...string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	r.Header.Set(agentprotocol.TokenHeader, token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), w.Body.String()
}

// echo returns a secret whose value describes the Ref.
var echo = hush.ProviderFunc(func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
	_, fresh := ref.Freshness()
	text := "name=" + ref.Name + " version=" + ref.Version + " stage=" + ref.Stage
	if fresh {
		text += " fresh"
	}
	return hush.Secret{Value: hush.NewValue([]byte(text))}, nil
})

func TestHandlerRejectsRequests(t *testing.T) {
	for _, test := range agentprotocol.Cases(token) {
		t.Run(test.Name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), test.Method, test.Target, nil)
			for name, value := range test.Headers {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			agent.Handler(echo, token, nil).ServeHTTP(w, r)
			assert.Equal(t, test.Status, w.Code)
			assert.Equal(t, test.Body, w.Body.String())
			assert.Empty(t, w.Header().Values("Content-Type"))
		})
	}
}

func TestHandlerParsesRequests(t *testing.T) {
	for target, want := range map[string]string{
		"/secretsmanager/get?secretId=db":                                  "name=db version= stage=",
		"/secretsmanager/get?secretId=a%2Bb+c%2F%23%3Fstage%3DX%26":        "name=a+b c/#?stage=X& version= stage=",
		"/secretsmanager/get?secretId=x/../db&versionId=v1&versionStage=A": "name=x/../db version=v1 stage=A",
		"/secretsmanager/get?&&versionStage=A&secretId=db&secretId=db2&":   "name=db2 version= stage=A",
		"/secretsmanager/get?secretId=db&versionId=v1&versionId=v2":        "name=db version=v2 stage=",
		"/secretsmanager/get?secretId=db&refreshNow=TRUE":                  "name=db version= stage= fresh",
		"/secretsmanager/get?secretId=db&refreshNow=1":                     "name=db version= stage= fresh",
		"/secretsmanager/get?secretId=db&refreshNow=true&refreshNow=False": "name=db version= stage=",
		"/secretsmanager/get?secretId=db&refreshNow=0":                     "name=db version= stage=",
		"/secretsmanager/get?secretId=a;b":                                 "name=a;b version= stage=",
		"/secretsmanager/get?secretId=%25zz":                               "name=%zz version= stage=",
		"/v1/db/prod?versionId=v1&versionStage=A&refreshNow=true":          "name=db/prod version=v1 stage=A fresh",
		"/v1/a%2Fb+c%20d": "name=a%2Fb+c%20d version= stage=",
		"/v1/a%20b":       "name=a%20b version= stage=",
		"/v1/x/../db":     "name=x/../db version= stage=",
		"/v1//db/":        "name=/db/ version= stage=",
		`/v1/a"b`:         `name=a"b version= stage=`,
		"/v1/arn:aws:secretsmanager:eu-west-1:1:secret:db-AbCdEf":                  "name=arn:aws:secretsmanager:eu-west-1:1:secret:db-AbCdEf version= stage=",
		"http://127.0.0.1:2773/secretsmanager/get?secretId=db":                     "name=db version= stage=",
		"/secretsmanager/get?secretId=db&versionId=&versionStage=":                 "name=db version= stage=",
		"/secretsmanager/get?secretId=http%3A%2F%2Fx%2Fv1%2Fdb%3Fversion%3Dv1%23f": "name=http://x/v1/db?version=v1#f version= stage=",
	} {
		t.Run(target, func(t *testing.T) {
			response, body := get(t, agent.Handler(echo, token, nil), target)
			require.Equal(t, 200, response.StatusCode, "%s: %s", target, body)
			var reply struct{ SecretString string }
			require.NoError(t, json.Unmarshal([]byte(body), &reply))
			assert.Equal(t, want, reply.SecretString, target)
		})
	}
}

// TestEveryTokenMustMatch sends several tokens. AWS's agent also rejects a request if one of
// its tokens is wrong.
func TestEveryTokenMustMatch(t *testing.T) {
	const aws, vault = "X-Aws-Parameters-Secrets-Token", "X-Vault-Token"
	for _, c := range []struct {
		header http.Header
		want   int
	}{
		{http.Header{aws: {token}}, 200},
		{http.Header{vault: {token}}, 200},
		{http.Header{aws: {token}, vault: {token}}, 200},
		{http.Header{aws: {token, token}}, 200},
		{http.Header{aws: {token, "wrong"}}, 403},
		{http.Header{aws: {"wrong", token}}, 403},
		{http.Header{aws: {token}, vault: {"wrong"}}, 403},
		{http.Header{aws: {"wrong"}, vault: {token}}, 403},
		{http.Header{aws: {""}, vault: {token}}, 403},
		{http.Header{}, 403},
	} {
		t.Run(fmt.Sprint(c.header), func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/db", nil)
			r.Header = c.header
			w := httptest.NewRecorder()
			agent.Handler(echo, token, nil).ServeHTTP(w, r)
			assert.Equal(t, c.want, w.Code, c.header)
		})
	}
}

func TestEmptyTokenRejectsEveryRequest(t *testing.T) {
	h := agent.Handler(echo, "", nil)
	for _, target := range []string{"/v1/db", "/secretsmanager/get?secretId=db", "/ping", "/"} {
		for _, header := range []string{"X-Aws-Parameters-Secrets-Token", "X-Vault-Token", "X-None"} {
			response, body := get(t, h, target, "X-Aws-Parameters-Secrets-Token", "", header, "")
			assert.Equal(t, 403, response.StatusCode, target)
			assert.Equal(t, "Bad Token", body)
		}
	}
}

func TestBodies(t *testing.T) {
	for _, c := range []struct {
		id     string
		secret hush.Secret
		want   string
	}{
		{
			"db/prod",
			hush.Secret{
				Value: hush.NewValue([]byte(`{"a":"<&>"}`)), Version: "v1", Stages: []string{"AWSCURRENT", "X"},
				Created: time.Unix(1569534789, 46e6), Source: "vault",
			},
			`{"ARN":null,"Name":"db/prod","VersionId":"v1","SecretString":"{\"a\":\"<&>\"}","VersionStages":["AWSCURRENT","X"],"CreatedDate":"1569534789.046"}`,
		},
		{
			"arn:aws:secretsmanager:eu-west-1:1:secret:db",
			hush.Secret{Value: hush.NewValue([]byte{0, 0xff})},
			`{"ARN":"arn:aws:secretsmanager:eu-west-1:1:secret:db","Name":null,"VersionId":null,"SecretBinary":"AP8=","CreatedDate":null}`,
		},
		{
			"db",
			hush.Secret{
				Created: time.Unix(1569534789, 0), Expires: time.Unix(1569534790, 123456789), Stale: true, FromFallback: true,
			},
			`{"ARN":null,"Name":"db","VersionId":null,"SecretString":"","CreatedDate":"1569534789","Expires":"1569534790.123456789","Stale":true,"Fallback":true}`,
		},
		{
			"db",
			hush.Secret{Created: time.Unix(-1, 5), Expires: time.Unix(-1, 5)},
			`{"ARN":null,"Name":"db","VersionId":null,"SecretString":"","CreatedDate":"0","Expires":"0"}`,
		},
	} {
		t.Run(c.want, func(t *testing.T) {
			var m providertest.Map
			m.Always(providertest.Step{Secret: &c.secret})
			response, body := get(t, agent.Handler(&m, token, nil), "/secretsmanager/get?secretId="+c.id)
			assert.Equal(t, 200, response.StatusCode)
			assert.Equal(t, c.want, body)
		})
	}
}

func TestErrorBodies(t *testing.T) {
	for class, want := range agentprotocol.Errors {
		t.Run(class.Error(), func(t *testing.T) {
			var m providertest.Map
			m.Always(providertest.Step{Err: hush.NewError("vault", hush.Name(canary), class, errors.New(canary))})
			response, body := get(t, agent.Handler(&m, token, nil), "/v1/db")
			var got struct {
				Type    string `json:"__type"`
				Message string `json:"message"`
			}
			require.NoError(t, json.Unmarshal([]byte(body), &got))
			assert.Equal(t, want, agentprotocol.Error{Status: response.StatusCode, Type: got.Type})
			assert.NotEmpty(t, got.Message)
			assert.NotContains(t, body, canary)
		})
	}
}

func TestPanicOfProviderIsNotLeaked(t *testing.T) {
	var logged bytes.Buffer
	server := httptest.NewUnstartedServer(agent.Handler(hush.ProviderFunc(func(context.Context, hush.Ref) (hush.Secret, error) {
		panic(canary)
	}), token, nil))
	server.Config.ErrorLog = log.New(&logged, "", 0)
	server.Start()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v1/db", nil)
	require.NoError(t, err)
	request.Header.Set("X-Vault-Token", token)
	response, err := server.Client().Do(request)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	server.Close()
	assert.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	assert.Contains(t, string(body), "InternalFailure")
	assert.NotContains(t, string(body), canary)
	assert.Empty(t, logged.String())
}

func TestAllowList(t *testing.T) {
	for _, c := range []struct {
		allow []string
		id    string
		want  string
	}{
		{nil, "db/prod", "SecretString"},
		{[]string{}, "db/prod", "AccessDeniedException"},
		{[]string{"db/prod"}, "db/prod", "SecretString"},
		{[]string{"x", "db/*"}, "db/prod", "SecretString"},
		{[]string{"db/*"}, "db/prod/main", "AccessDeniedException"},
		{[]string{"db/*"}, "db", "AccessDeniedException"},
		{[]string{"db/*"}, "x/../db/prod", "AccessDeniedException"},
		{[]string{"db/*"}, "DB/prod", "AccessDeniedException"},
		{[]string{"db"}, "arn:aws:secretsmanager:eu-west-1:1:secret:db-AbCdEf", "AccessDeniedException"},
		{[]string{"arn:aws:secretsmanager:*:*:secret:db-??????"}, "arn:aws:secretsmanager:eu-west-1:1:secret:db-AbCdEf", "SecretString"},
		{[]string{"db[^x]prod"}, "db/prod", "AccessDeniedException"},
		{[]string{"db[!-~]prod"}, "db/prod", "AccessDeniedException"},
		{[]string{"db[!-~]prod"}, "db-prod", "SecretString"},
		{[]string{"db/*", "["}, "db/prod", "InternalFailure"},
		{[]string{"[", "db/*"}, "db/prod", "InternalFailure"},
	} {
		t.Run(fmt.Sprintf("%q %s", c.allow, c.id), func(t *testing.T) {
			h := agent.Handler(echo, token, &agent.Options{Allow: c.allow})
			for _, target := range []string{"/secretsmanager/get?secretId=", "/v1/"} {
				_, body := get(t, h, target+strings.ReplaceAll(c.id, "?", "%3F"))
				assert.Contains(t, body, c.want, "%q %s", c.allow, target+c.id)
			}
		})
	}
}
