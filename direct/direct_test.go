package direct_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/direct/directtest"
)

func TestSecret(t *testing.T) {
	server := start(t)
	provider := direct.New(server.Client(once), nil)
	version := server.Put("db/prod", []byte("hunter2"))
	for _, name := range []string{"db/prod", server.ARN("db/prod"), partial(server.ARN("db/prod"))} {
		secret, err := provider.Get(t.Context(), hush.Name(name))
		require.NoError(t, err, name)
		assert.Equal(t, "hunter2", secret.Value.Reveal())
		assert.Equal(t, version, secret.Version)
		assert.Equal(t, []string{hush.CurrentStage}, secret.Stages)
		assert.WithinDuration(t, time.Now(), secret.Created, time.Minute)
		assert.Equal(t, "direct", secret.Source)
	}
}

func partial(arn string) string { return arn[:len(arn)-len("-aBcDeF")] }

func TestStagesAndVersions(t *testing.T) {
	server := start(t)
	provider := direct.New(server.Client(once), nil)
	old := server.Put("db/prod", []byte("old"))
	finish := server.Rotate("db/prod", []byte("new"))
	read := func(ref hush.Ref) string {
		secret, err := provider.Get(t.Context(), ref)
		require.NoError(t, err, "%s", ref)
		return secret.Value.Reveal()
	}
	assert.Equal(t, "old", read(hush.Name("db/prod")))
	assert.Equal(t, "new", read(hush.Ref{Name: "db/prod", Stage: "AWSPENDING"}))
	finish()
	assert.Equal(t, "new", read(hush.Name("db/prod").Fresh()))
	assert.Equal(t, "new", read(hush.Ref{Name: "db/prod", Stage: hush.CurrentStage}))
	assert.Equal(t, "old", read(hush.Ref{Name: "db/prod", Stage: "AWSPREVIOUS"}))
	assert.Equal(t, "old", read(hush.Ref{Name: "db/prod", Version: old}))
	assert.Equal(t, "old", read(hush.Ref{Name: "db/prod", Version: old, Stage: "AWSPREVIOUS"}))
	for _, ref := range []hush.Ref{
		{Name: "db/prod", Version: old, Stage: hush.CurrentStage},
		{Name: "db/prod", Stage: "AWSPENDING"},
		{Name: "db/prod", Version: strings.Repeat("0", 32)},
	} {
		_, err := provider.Get(t.Context(), ref)
		requireClass(t, hush.ErrNotFound, err)
	}
}

// TestRegionOfAnARN sees the region of an ARN replace the client's. The endpoint stays.
func TestRegionOfAnARN(t *testing.T) {
	server := start(t)
	there := "arn:aws:secretsmanager:us-east-2:" + directtest.Account + ":secret:db/prod"
	server.Put(there, []byte("there"))
	server.Put("db/prod", []byte("here"))
	provider := direct.New(server.Client(once), nil)
	for _, name := range []string{there, server.ARN(there)} {
		secret, err := provider.Get(t.Context(), hush.Name(name))
		require.NoError(t, err)
		assert.Equal(t, "there", secret.Value.Reveal())
		assert.Equal(t, 1, server.Calls(directtest.Call{Name: name, Region: "us-east-2"}))
	}
	stateless := server.Client(once, func(o *secretsmanager.Options) { o.Region = "" })
	secret, err := direct.New(stateless, nil).Get(t.Context(), hush.Name(there))
	require.NoError(t, err)
	assert.Equal(t, "there", secret.Value.Reveal())
}

// TestInvalidNames sees them requireClass with a reason and without a request.
func TestInvalidNames(t *testing.T) {
	server := start(t)
	provider := direct.New(server.Client(once), nil)
	const prefix = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"
	for name, why := range map[string]string{
		"db prod":                     "letters, digits",
		"db%2Fprod":                   "letters, digits",
		"db/prod?x":                   "letters, digits",
		"db/prod&secretId=x":          "letters, digits",
		"db\\prod":                    "letters, digits",
		"dé":                          "letters, digits",
		"a:b":                         "letters, digits",
		strings.Repeat("n", 513):      "512",
		"arn:":                        "too few parts",
		"arn:aws:secretsmanager":      "too few parts",
		prefix:                        "has no name",
		prefix + "db prod":            "letters, digits",
		prefix + "db:prod":            "letters, digits",
		"arn:aws:s3:::bucket/key":     "the ARN of a secret",
		"arn:aws:ssm:a:b:parameter/x": "the ARN of a secret",
		"arn:other:secretsmanager:eu-west-1:123456789012:secret:x":        "partition",
		"arn:aws:secretsmanager::123456789012:secret:x":                   "region",
		"arn:aws:secretsmanager:evil.example/:123456789012:secret:x":      "region",
		"arn:aws:secretsmanager:-:123456789012:secret:x":                  "region",
		"arn:aws:secretsmanager:EU:123456789012:secret:x":                 "region",
		"arn:aws:secretsmanager:eu-west-1:1:secret:x":                     "account",
		"arn:aws:secretsmanager:eu-west-1:12345678901x:secret:x":          "account",
		"arn:aws:secretsmanager:eu-west-1:123456789012:password:hunter22": "the ARN of a secret",
	} {
		_, err := provider.Get(t.Context(), hush.Name(name))
		requireClass(t, hush.ErrNotFound, err)
		assert.Contains(t, err.Error(), why, name)
	}
	assert.Zero(t, server.Calls(directtest.Call{}))
}

func TestInvalidResponses(t *testing.T) {
	const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db/prod"
	text := aws.String(canary)
	for name, c := range map[string]struct {
		ref  hush.Ref
		out  *secretsmanager.GetSecretValueOutput
		want string // part of the error; empty means a valid response
	}{
		"nothing":           {hush.Name("db/prod"), nil, "neither"},
		"no value":          {hush.Name("db/prod"), &secretsmanager.GetSecretValueOutput{}, "has neither"},
		"two values":        {hush.Name("db/prod"), &secretsmanager.GetSecretValueOutput{SecretString: text, SecretBinary: []byte(canary)}, "has both"},
		"value alone":       {hush.Name("db/prod"), &secretsmanager.GetSecretValueOutput{SecretString: text}, ""},
		"empty string":      {hush.Name("db/prod"), &secretsmanager.GetSecretValueOutput{SecretString: aws.String("")}, ""},
		"same name":         {hush.Name("db/prod"), &secretsmanager.GetSecretValueOutput{SecretString: text, Name: aws.String("db/prod")}, ""},
		"other name":        {hush.Name("db/prod"), &secretsmanager.GetSecretValueOutput{SecretString: text, Name: aws.String(canary)}, "another secret"},
		"name in ARN":       {hush.Name("db/prod"), &secretsmanager.GetSecretValueOutput{SecretString: text, ARN: aws.String(arn + "-aBcDeF")}, ""},
		"other name in ARN": {hush.Name("db/prod"), &secretsmanager.GetSecretValueOutput{SecretString: text, ARN: aws.String(arn + "2-aBcDeF")}, "another secret"},
		"same ARN":          {hush.Name(arn + "-aBcDeF"), &secretsmanager.GetSecretValueOutput{SecretString: text, ARN: aws.String(arn + "-aBcDeF")}, ""},
		"partial ARN":       {hush.Name(arn), &secretsmanager.GetSecretValueOutput{SecretString: text, ARN: aws.String(arn + "-aBcDeF")}, ""},
		"other ARN":         {hush.Name(arn), &secretsmanager.GetSecretValueOutput{SecretString: text, ARN: aws.String(arn + "-two-aBcDeF")}, "another secret"},
		"other suffix":      {hush.Name(arn + "-aBcDeF"), &secretsmanager.GetSecretValueOutput{SecretString: text, ARN: aws.String(arn + "-aBcDeG")}, "another secret"},
		"other version":     {hush.Ref{Name: "db/prod", Version: "1"}, &secretsmanager.GetSecretValueOutput{SecretString: text, VersionId: aws.String("2")}, "another version"},
		"other stage":       {hush.Ref{Name: "db/prod", Stage: "AWSPREVIOUS"}, &secretsmanager.GetSecretValueOutput{SecretString: text, VersionStages: []string{"AWSCURRENT"}}, "another stage"},
		"long version":      {hush.Name("db/prod"), &secretsmanager.GetSecretValueOutput{SecretString: text, VersionId: aws.String(strings.Repeat("v", 1<<20))}, "the version in the response has 1048576 bytes"},
		"unprintable stage": {hush.Name("db/prod"), &secretsmanager.GetSecretValueOutput{SecretString: text, VersionStages: []string{"AWSCURRENT", "a\nb"}}, "the stage in the response contains a control character"},
		"no stages":         {hush.Ref{Name: "db/prod", Stage: "AWSPREVIOUS"}, &secretsmanager.GetSecretValueOutput{SecretString: text}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			client := apiFunc(func(context.Context, *secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error) {
				return c.out, nil
			})
			secret, err := direct.New(client, nil).Get(t.Context(), c.ref)
			if c.want == "" {
				require.NoError(t, err)
				assert.Equal(t, *c.out.SecretString, secret.Value.Reveal())
				return
			}
			requireClass(t, hush.ErrUnavailable, err)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

// TestRequest sees no stage in a request for the current version.
func TestRequest(t *testing.T) {
	var got *secretsmanager.GetSecretValueInput
	client := apiFunc(func(_ context.Context, in *secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error) {
		got = in
		return nil, &directAPIError{code: "ResourceNotFoundException"}
	})
	for _, c := range []struct {
		ref            hush.Ref
		version, stage *string
	}{
		{hush.Name("n"), nil, nil},
		{hush.Ref{Name: "n", Stage: hush.CurrentStage, Field: "f"}, nil, nil},
		{hush.Ref{Name: "n", Stage: "AWSPENDING"}, nil, aws.String("AWSPENDING")},
		{hush.Ref{Name: "n", Version: "v", Stage: hush.CurrentStage}, aws.String("v"), aws.String(hush.CurrentStage)},
	} {
		_, err := direct.New(client, nil).Get(t.Context(), c.ref)
		requireClass(t, hush.ErrNotFound, err)
		assert.Equal(t, &secretsmanager.GetSecretValueInput{SecretId: aws.String("n"), VersionId: c.version, VersionStage: c.stage}, got)
	}
}

func TestGetMakesOneCall(t *testing.T) {
	server := start(t)
	server.Put("db/prod", []byte("hunter2"))
	_, err := direct.New(server.Client(), nil).Get(t.Context(), hush.Name("db/prod"))
	require.NoError(t, err)
	assert.Equal(t, 1, server.Calls(directtest.Call{}))
	assert.Zero(t, server.Calls(directtest.Call{Operation: "DescribeSecret"}), "it would require another permission")
}
