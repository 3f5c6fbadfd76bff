package awsdirect_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/direct/awsdirect"
	"github.com/hush-secrets/hush/direct/directtest"
)

func TestOutageOfTheSourceOfCredentials(t *testing.T) {
	role := &awsdirect.Options{RoleARN: "arn:aws:iam::123456789012:role/app"}
	for name, set := range map[string]func(t *testing.T) *awsdirect.Options{
		"broken token service": func(t *testing.T) *awsdirect.Options {
			credentials(t)
			tokenService(t, http.StatusServiceUnavailable)
			return role
		},
		"dead container endpoint": func(t *testing.T) *awsdirect.Options {
			t.Setenv("AWS_REGION", "eu-west-1")
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://"+closedPort+"/")
			return nil
		},
		"a region that is none": func(t *testing.T) *awsdirect.Options {
			credentials(t)
			t.Setenv("AWS_REGION", "eu west 1")
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			laptop(t)
			opts := set(t)
			server := start(t)
			t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", server.URL())
			_, err := get(t, opts, "db/prod")
			requireClass(t, hush.ErrUnavailable, err)
			assert.Zero(t, server.Calls(directtest.Call{}))
		})
	}
}

func TestConfiguredButFailing(t *testing.T) {
	for name, set := range map[string]func(t *testing.T) *awsdirect.Options{
		"missing profile": func(*testing.T) *awsdirect.Options { return &awsdirect.Options{Profile: "nobody"} },
		"broken file": func(t *testing.T) *awsdirect.Options {
			write(t, "config", "[default]\nregion = eu-west-1\nrole_arn = "+canary+"\ncredential_source = "+canary+"\n")
			return nil
		},
		"environment": func(t *testing.T) *awsdirect.Options {
			t.Setenv("AWS_MAX_ATTEMPTS", canary)
			return nil
		},
		"refusing role": func(t *testing.T) *awsdirect.Options {
			credentials(t)
			tokenService(t, http.StatusForbidden)
			return &awsdirect.Options{RoleARN: "arn:aws:iam::123456789012:role/app"}
		},
		"missing web identity token": func(t *testing.T) *awsdirect.Options {
			t.Setenv("AWS_REGION", "eu-west-1")
			t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app")
			t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token")
			return nil
		},
		"failing program": func(t *testing.T) *awsdirect.Options {
			write(t, "config", "[default]\nregion = eu-west-1\ncredential_process = echo "+canary+"\n")
			return nil
		},
		"half a key": func(t *testing.T) *awsdirect.Options {
			t.Setenv("AWS_REGION", "eu-west-1")
			t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
			return nil
		},
		"the other half": func(t *testing.T) *awsdirect.Options {
			t.Setenv("AWS_REGION", "eu-west-1")
			t.Setenv("AWS_SECRET_ACCESS_KEY", canary)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			laptop(t)
			opts := set(t)
			server := start(t)
			t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", server.URL())
			_, err := get(t, opts, "db/prod")
			requireClass(t, hush.ErrUnauthenticated, err)
			t.Log(err)
			assert.Zero(t, server.Calls(directtest.Call{}))
		})
	}
}

// TestFailureIsRemembered sees one load for ten callers.
func TestFailureIsRemembered(t *testing.T) {
	laptop(t)
	credentials(t)
	calls := tokenService(t, http.StatusForbidden)
	p := awsdirect.New(&awsdirect.Options{RoleARN: "arn:aws:iam::123456789012:role/app"})
	for range 10 {
		_, err := p.Get(t.Context(), hush.Name("db/prod"))
		requireClass(t, hush.ErrUnauthenticated, err)
	}
	assert.Equal(t, int64(1), calls())
}
