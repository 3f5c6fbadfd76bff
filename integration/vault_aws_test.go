package integration_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/integration/internal/vaultserver"
	"github.com/hush-secrets/hush/vault"
	"github.com/hush-secrets/hush/vault/awsauth"
)

const (
	serverID     = "vault.example.com"
	accessKey    = "AKIDEXAMPLE"
	secretKey    = "canary-2b7e-secret-access-key"
	sessionToken = "canary-2b7e-session-token"
	account      = "123456789012"
)

// A tokenService is GetCallerIdentity of STS. It verifies a signature by signing the request
// again with the known key.
type tokenService struct{ t *testing.T }

func (s tokenService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	assert.NoError(s.t, err)
	w.Header().Set("Content-Type", "text/xml")
	if r.FormValue("Action") == "" && !strings.Contains(string(body), "Action=GetCallerIdentity") || !s.signed(r, body) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code></Error></ErrorResponse>`)
		return
	}
	assert.NoError(s.t, xml.NewEncoder(w).Encode(callerIdentity{
		Arn: "arn:aws:sts::" + account + ":assumed-role/app/session", UserID: "AROAEXAMPLE:session", Account: account,
	}))
}

type callerIdentity struct {
	XMLName xml.Name `xml:"GetCallerIdentityResponse"`
	Arn     string   `xml:"GetCallerIdentityResult>Arn"`
	UserID  string   `xml:"GetCallerIdentityResult>UserId"`
	Account string   `xml:"GetCallerIdentityResult>Account"`
}

// signed reports whether r has a current signature of the known key for this host.
func (s tokenService) signed(r *http.Request, body []byte) bool {
	authorization := r.Header.Get("Authorization")
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	_, list, ok := strings.Cut(authorization, "SignedHeaders=")
	if err != nil || !ok || time.Since(at).Abs() > 15*time.Minute {
		return false
	}
	list, _, _ = strings.Cut(list, ",")
	signedAgain, err := http.NewRequestWithContext(r.Context(), r.Method, "https://"+r.Host+"/", strings.NewReader(string(body)))
	assert.NoError(s.t, err)
	for name := range strings.SplitSeq(list, ";") {
		switch name {
		case "host", "content-length", "x-amz-date", "x-amz-security-token": // set by the signer
		default:
			signedAgain.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	digest := sha256.Sum256(body)
	keys := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey, SessionToken: r.Header.Get("X-Amz-Security-Token")}
	_, scope, _ := strings.Cut(authorization, "Credential="+accessKey+"/")
	parts := strings.Split(scope, "/")
	if len(parts) < 3 || keys.SessionToken != sessionToken {
		return false
	}
	assert.NoError(s.t, v4.NewSigner().SignHTTP(r.Context(), keys, signedAgain, hex.EncodeToString(digest[:]), parts[2], parts[1], at))
	return signedAgain.Header.Get("Authorization") == authorization
}

func TestVaultAWSLogin(t *testing.T) {
	t.Parallel()
	s := startVault(t, vaultserver.Login{})
	sts := httptest.NewServer(tokenService{t})
	t.Cleanup(sts.Close)
	s.Enable("aws")
	s.Write("auth/aws/config/client", map[string]any{"sts_endpoint": sts.URL, "sts_region": "us-east-1", "iam_server_id_header_value": serverID})
	role := vaultserver.Login{Policies: []string{"reader"}}.Role()
	maps.Copy(role, map[string]any{
		"auth_type": "iam", "bound_iam_principal_arn": "arn:aws:iam::" + account + ":role/app", "resolve_aws_unique_ids": false,
	})
	s.Write("auth/aws/role/app", role)
	provider := func(key string, opts awsauth.Options) hush.Provider {
		opts.Credentials = credentials.NewStaticCredentialsProvider(accessKey, key, sessionToken)
		return s.watched(t, vault.New(s.newClient(t), &vault.Options{Mount: "kv", Auth: awsauth.New(&opts)}), secretKey, sessionToken)
	}

	for _, opts := range []awsauth.Options{{ServerID: serverID}, {ServerID: serverID, Role: "app"}, {ServerID: serverID, Region: "eu-west-1"}} {
		p := provider(secretKey, opts)
		require.NoError(t, readDB(t.Context(), p))
		before := s.Logins()
		s.RevokeLogins("aws")
		require.NoError(t, readDB(t.Context(), p))
		assert.Equal(t, before+1, s.Logins())
	}
	assertFails(t, provider(secretKey, awsauth.Options{}), hush.Name("db"), hush.ErrUnauthenticated)
	assertFails(t, provider(secretKey, awsauth.Options{ServerID: "another"}), hush.Name("db"), hush.ErrUnauthenticated)
	assertFails(t, provider(secretKey, awsauth.Options{ServerID: serverID, Role: "other"}), hush.Name("db"), hush.ErrUnauthenticated)
	assertFails(t, provider("wrong key", awsauth.Options{ServerID: serverID}), hush.Name("db"), hush.ErrUnauthenticated)
}
