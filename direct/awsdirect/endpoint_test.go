package awsdirect_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
)

func TestInvalidEndpointInTheEnvironment(t *testing.T) {
	for endpoint, want := range map[string]string{
		"ftp://127.0.0.1":                    "invalid endpoint: must be an http or https URL",
		"127.0.0.1:4566":                     "invalid endpoint: must be an http or https URL",
		"http://":                            "invalid endpoint: must be an http or https URL",
		"https://user:" + canary + "@host":   "invalid endpoint: must have only a scheme, a host and a path",
		"http://127.0.0.1:4566/?a=" + canary: "invalid endpoint: must have only a scheme, a host and a path",
	} {
		laptop(t)
		credentials(t)
		t.Setenv("AWS_REGION", "eu-west-1")
		t.Setenv("AWS_ENDPOINT_URL", endpoint)
		_, err := get(t, nil, "db/prod")
		requireClass(t, hush.ErrUnavailable, err)
		assert.ErrorContains(t, err, "AWS_ENDPOINT_URL or the endpoint_url of a profile: "+want)
	}
}
