package main_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// goNames matches names that only Go programs can use.
var goNames = regexp.MustCompile(`Options\b|\b(config|hush|vault|chain|direct|env)\.[A-Z]|\bSet[A-Z]|\b(New|Call)[A-Z]|MaxFetches|FetchTimeout`)

// The command's errors name flags, variables and parameters of URLs.
func TestErrorsAdviseAboutTheCommand(t *testing.T) {
	for _, args := range []string{
		"get --provider vault db", "get --provider vault://127.0.0.1:1/kv db", "get --provider vault://127.0.0.1:1/kv?auth=approle db",
		"get --provider vault://127.0.0.1:1/kv?auth=approle&role_id=r db", "get --provider vault://127.0.0.1:1/kv?auth=jwt&role=r db",
		"get --provider vault://127.0.0.1:1/kv?auth=kubernetes&role=r db", "get --provider vault://127.0.0.1:1/kv?client_cert_file=f db",
		"get --provider vault://127.0.0.1:1/kv?auth=token&token_env=NONE db", "get --provider vault://127.0.0.1:1/kv?token_file=none db",
		"get --provider vault://127.0.0.1:1?mounts=database database/creds/x",
		"get --provider extension db", "get --provider extension:?endpoint=http://127.0.0.1:1 db", "get --provider extension:?endpoint=x db",
		"get --provider direct db", "get --provider direct:?profile=none db", "get --provider direct:?endpoint=http://example.com db",
		"get --provider direct:?instance_metadata=x db", "get --provider env db", "get --provider env --stage X db",
		"get --provider ssm db", "get --provider env --provider env db", "get --provider env --config none db",
		"get --provider env --format env A=b", "get --provider env db#", "get --provider env hush://a://b",
		"exec --provider env --env A=b true", "exec --provider env --env PATH=b true", "exec --env-file none true",
		"agent --provider env", "agent --provider direct", "agent --provider direct --addr 0.0.0.0:1", "agent --provider direct --max-conn -1",
		"doctor --provider vault --provider extension --provider direct --provider env db", "doctor --provider vault://127.0.0.1:1/kv",
	} {
		got := hush(t, nil, strings.Fields(args)...)
		assert.NotZero(t, got.code, args)
		assert.NotEmpty(t, got.stderr, args)
		for line := range strings.Lines(got.stdout + got.stderr) {
			assert.NotRegexp(t, goNames, line, args)
		}
	}
}
