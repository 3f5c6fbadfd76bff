package awsauth_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/vault/awsauth"
)

// openKeys has its keys in an exported field, as the SDK's static provider does.
type openKeys struct{ Value aws.Credentials }

func (k openKeys) Retrieve(context.Context) (aws.Credentials, error) { return k.Value, nil }

func TestOptionsDoNotPrintKeys(t *testing.T) {
	o := awsauth.Options{Role: "app", Credentials: openKeys{aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		for _, v := range []any{o, &o, []awsauth.Options{o}} {
			text := fmt.Sprintf(verb, v)
			assert.NotContains(t, text, secretKey, verb)
			assert.NotContains(t, text, hex.EncodeToString([]byte(secretKey)), verb)
		}
	}
	assert.Contains(t, o.String(), "Role:app")
	assert.Contains(t, o.String(), "Credentials:[redacted]")
	assert.Contains(t, awsauth.Options{}.String(), "Credentials:<nil>")
	text, err := json.Marshal(o)
	require.NoError(t, err)
	assert.NotContains(t, string(text), secretKey)
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("m", slog.Any("options", o))
	slog.New(slog.NewTextHandler(&logged, nil)).Info("m", slog.Any("options", o))
	assert.NotContains(t, logged.String(), secretKey)
}
