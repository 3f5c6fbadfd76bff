package agent_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
)

var statuses = []int{200, 400, 403, 404, 405, 503}

func FuzzHandler(f *testing.F) {
	for _, head := range []string{
		"GET /secretsmanager/get?secretId=db HTTP/1.1\r\nX-Vault-Token: " + token,
		"GET /secretsmanager/get?secretId=a%2Bb&versionId=v&versionStage=s&refreshNow=1 HTTP/1.1\r\nX-Aws-Parameters-Secrets-Token: " + token,
		"GET /v1/x/../%64b?refreshNow=true HTTP/1.1\r\nX-Vault-Token: " + token,
		"GET http://a@b/v1/db HTTP/1.0\r\nX-Vault-Token: " + token + "\r\nX-Forwarded-For: 1",
		"GET /v1/db HTTP/1.1\r\nVia: x\r\nX-Vault-Token: " + token, "GET /v1/db HTTP/1.1\r\nX-Vault-Token: x\r\nX-Vault-Token: " + token,
		"POST /ping HTTP/1.1", "OPTIONS * HTTP/1.1", "CONNECT a:1 HTTP/1.1", "GET /ping HTTP/1.1",
	} {
		f.Add([]byte(head))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(append(head, "\r\nHost: x\r\n\r\n"...))))
		if err != nil {
			return
		}
		var asked []string
		h := agent.Handler(hush.ProviderFunc(func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
			asked = append(asked, ref.Name)
			return hush.Secret{Value: hush.NewValue([]byte(canary))}, ref.Validate()
		}), token, &agent.Options{Allow: []string{"*", "*/*", "x/../%64b"}})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		assertSafe(t, r, w, asked)
	})
}

func assertSafe(t *testing.T, r *http.Request, w *httptest.ResponseRecorder, asked []string) {
	t.Helper()
	body := w.Body.String()
	tokens := slices.Concat(r.Header["X-Vault-Token"], r.Header["X-Aws-Parameters-Secrets-Token"])
	wrong := slices.ContainsFunc(tokens, func(text string) bool { return text != token })
	forwarded := slices.Concat(r.Header["X-Forwarded-For"], r.Header["Forwarded"], r.Header["Via"])
	if len(asked) > 0 && (len(tokens) == 0 || wrong || r.Method != http.MethodGet || forwarded != nil) {
		t.Errorf("a secret was requested with the tokens %q, forwarded by %q", tokens, forwarded)
	}
	if closes := w.Header().Get("Connection") == "close"; closes != (len(tokens) == 0 || wrong || forwarded != nil) {
		t.Errorf("with the tokens %q the connection is closed: %t", tokens, closes)
	}
	if !slices.Contains(statuses, w.Code) {
		t.Errorf("status %d", w.Code)
	}
	// A response can only repeat the name of an unknown parameter, as plain text.
	if strings.Contains(body, canary) && w.Code != 200 && !strings.HasPrefix(body, "unknown parameter") {
		t.Errorf("status %d with a secret", w.Code)
	}
	if len(asked) > 1 || (len(asked) == 1) != strings.HasPrefix(body, "{") && w.Code == 200 {
		t.Errorf("requested %q, status %d", asked, w.Code)
	}
	if strings.HasPrefix(body, `{"`) && !json.Valid([]byte(body)) {
		t.Error("the body is not JSON")
	}
}
