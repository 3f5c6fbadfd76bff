package awsauth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	accessKey = "AKIDEXAMPLE"
	secretKey = "canary-secret-9c41-e0"
)

// A server is a Vault with an AWS auth method. It accepts the logins that Vault accepts,
// and checks the signed request as STS does.
type server struct {
	*httptest.Server

	// The configuration of Vault.
	mount    string
	endpoint string // sts_endpoint
	serverID string // iam_server_id_header_value

	mu     sync.Mutex
	logins []login
	before func() // at the beginning of each login
}

// A login is a login request that the server received.
type login struct {
	role    string
	headers map[string][]string // signed and sent
	region  string              // of the signature
	token   string              // X-Vault-Token
	wrap    string              // X-Vault-Wrap-TTL
	err     error
}

func startVault(t *testing.T) *server {
	t.Helper()
	s := &server{mount: "aws", endpoint: "https://sts.amazonaws.com"}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *server) client(t *testing.T) *api.Client {
	t.Helper()
	cfg := api.DefaultConfig()
	require.NoError(t, cfg.Error)
	cfg.Address, cfg.MaxRetries = s.URL, 0
	client, err := api.NewClient(cfg)
	require.NoError(t, err)
	return client
}

func (s *server) last(t *testing.T) login {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NotEmpty(t, s.logins)
	return s.logins[len(s.logins)-1]
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before != nil {
		s.before()
	}
	if r.Method != http.MethodPut || r.URL.Path != "/v1/auth/"+s.mount+"/login" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	l := login{token: r.Header.Get("X-Vault-Token"), wrap: r.Header.Get("X-Vault-Wrap-TTL")}
	l.err = s.accept(r, &l)
	s.logins = append(s.logins, l)
	if l.err != nil {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"errors":["error making upstream request"]}`)
		return
	}
	fmt.Fprint(w, `{"auth":{"client_token":"hvs.aws","lease_duration":3600,"renewable":true}}`)
}

// accept returns the reason why Vault would refuse a login, or STS its request.
func (s *server) accept(r *http.Request, l *login) error {
	var fields map[string]string
	if err := json.NewDecoder(r.Body).Decode(&fields); err != nil {
		return err
	}
	l.role = fields["role"]
	decoded := map[string]string{}
	for _, name := range []string{"url", "body", "headers"} {
		text, err := base64.StdEncoding.DecodeString(fields["iam_request_"+name])
		if err != nil || len(text) == 0 {
			return fmt.Errorf("no base64 in iam_request_%s", name)
		}
		decoded[name] = string(text)
	}
	if err := json.Unmarshal([]byte(decoded["headers"]), &l.headers); err != nil {
		return err
	}
	signature, err := parseSignature(l.headers["Authorization"])
	if err != nil {
		return err
	}
	l.region = signature.region
	return errors.Join(
		checkForm(fields["iam_http_request_method"], decoded["url"], decoded["body"]),
		s.checkHeaders(l.headers, signature.headers),
		s.checkHost(decoded["url"]),
		signature.check(decoded["url"], decoded["body"], l.headers),
	)
}

// checkForm rejects a request that Vault would not send.
func checkForm(method, address, body string) error {
	u, err := url.Parse(address)
	if err != nil || method != http.MethodPost || u.RawQuery != "" {
		return fmt.Errorf("%s %q", method, address)
	}
	form, err := url.ParseQuery(body)
	if err != nil {
		return err
	}
	want := url.Values{"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}}
	if !assert.ObjectsAreEqual(want, form) {
		return fmt.Errorf("the body %q", body)
	}
	return nil
}

// checkHeaders requires a signed server ID, and rejects AWS headers that could change
// the request.
func (s *server) checkHeaders(headers map[string][]string, signed []string) error {
	allowed := []string{"X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256", "X-Amz-User-Agent"}
	var id []string
	for name, values := range headers {
		if strings.HasPrefix(http.CanonicalHeaderKey(name), "X-Amz-") && !slices.Contains(allowed, name) {
			return fmt.Errorf("the header %q", name)
		}
		if strings.EqualFold(name, "X-Vault-AWS-IAM-Server-ID") {
			id = values
		}
	}
	if s.serverID == "" {
		return nil
	}
	if strings.Join(id, ",") != s.serverID || !slices.Contains(signed, "x-vault-aws-iam-server-id") {
		return fmt.Errorf("the server id %q, of the signed %q", id, signed)
	}
	return nil
}

// checkHost requires the host of sts_endpoint, to which Vault sends the request.
func (s *server) checkHost(address string) error {
	if strings.TrimSuffix(address, "/") != s.endpoint {
		return fmt.Errorf("a request for %s, and Vault asks %s", address, s.endpoint)
	}
	return nil
}

// A signature has the parts of an Authorization header of Signature Version 4.
type signature struct {
	key, date, region string
	headers           []string
	text              string
}

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/sts/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$`)

func parseSignature(header []string) (*signature, error) {
	parts := authorization.FindStringSubmatch(strings.Join(header, ","))
	if parts == nil {
		return nil, fmt.Errorf("%d headers Authorization, or not of the right form", len(header))
	}
	return &signature{parts[1], parts[2], parts[3], strings.Split(parts[4], ";"), parts[5]}, nil
}

// check computes the signature again, as AWS documents it.
func (s *signature) check(address, body string, headers map[string][]string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	sent := map[string]string{"host": u.Host, "content-length": fmt.Sprint(len(body))} // by net/http
	for name, values := range headers {
		sent[strings.ToLower(name)] = strings.Join(strings.Fields(strings.Join(values, ",")), " ")
	}
	if _, err := time.Parse("20060102T150405Z", sent["x-amz-date"]); err != nil || sent["x-amz-date"][:8] != s.date {
		return errors.New("the date of the scope is another")
	}
	var canonical strings.Builder
	for _, name := range s.headers {
		fmt.Fprintf(&canonical, "%s:%s\n", name, sent[name])
		delete(sent, name)
	}
	if delete(sent, "authorization"); len(sent) > 0 || !slices.IsSorted(s.headers) {
		return fmt.Errorf("not signed: %v", sent)
	}
	request := strings.Join([]string{http.MethodPost, u.EscapedPath(), "", canonical.String(), strings.Join(s.headers, ";"), digest(body)}, "\n")
	scope := strings.Join([]string{s.date, s.region, "sts", "aws4_request"}, "/")
	toSign := strings.Join([]string{"AWS4-HMAC-SHA256", headers["X-Amz-Date"][0], scope, digest(request)}, "\n")
	key := []byte("AWS4" + secretKey)
	for _, part := range append(strings.Split(scope, "/"), toSign) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	if hex.EncodeToString(key) != s.text {
		return errors.New("the signature is another")
	}
	return nil
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
