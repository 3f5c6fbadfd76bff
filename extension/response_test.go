package extension_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/extension"
)

const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"

// get reads ref from a server whose only response is body.
func get(t *testing.T, body string, ref hush.Ref) (hush.Secret, error) {
	t.Helper()
	outside(t)
	t.Setenv("AWS_TOKEN", sessionToken)
	return open(t, extension.Options{Endpoint: serve(t, respondWith(200, body))}).Get(t.Context(), ref)
}

func TestRecordedResponses(t *testing.T) {
	for server, recorded := range map[string]string{
		"the extension": `{"ARN":"` + arn + `db-AbCdEf","CreatedDate":"2022-11-16T08:22:40.499Z","Name":"db",` +
			`"SecretBinary":null,"SecretString":"s3cret","VersionId":"v1","VersionStages":["AWSCURRENT"],"ResultMetadata":{}}`,
		"the agent": `{"ARN":"` + arn + `db-AbCdEf","Name":"db","VersionId":"v1","SecretString":"s3cret",` +
			`"VersionStages":["AWSCURRENT"],"CreatedDate":"1668586960.499"}`,
		"Secrets Manager": `{"ARN":"` + arn + `db-AbCdEf","CreatedDate":1.668586960499E9,"Name":"db",` +
			`"SecretString":"s3cret","VersionId":"v1","VersionStages":["AWSCURRENT"]}`,
	} {
		got, err := get(t, recorded, hush.Name("db"))
		require.NoError(t, err, server)
		want := hush.Secret{
			Value: hush.NewValue([]byte("s3cret")), Version: "v1", Stages: []string{"AWSCURRENT"},
			Created: time.Date(2022, 11, 16, 8, 22, 40, 499_000_000, time.UTC), Source: "extension",
		}
		assert.True(t, got.Equal(want), "%s: %+v", server, got)
	}
}

func TestValues(t *testing.T) {
	for members, want := range map[string]string{
		`"SecretString":""`:                                 "",
		`"SecretString":"","SecretBinary":null`:             "",
		`"SecretString":"\u00e9\u2028\ud83d\udd11\n\u0000"`: "é\u2028🔑\n\x00",
		`"SecretBinary":"AP8=","SecretString":null`:         "\x00\xff",
		`"SecretBinary":"AP8="`:                             "\x00\xff",
		`"SecretBinary":""`:                                 "",
		`"SecretString":"bad session token or header key"`:  "bad session token or header key",
		`"SecretString":"x","ARN":null,"VersionId":null,"VersionStages":null,"CreatedDate":null`: "x",
	} {
		got, err := get(t, body(members), hush.Name("db"))
		require.NoError(t, err, members)
		assert.Equal(t, want, got.Value.Reveal(), members)
	}
}

// TestLoneSurrogates sees them refused, because encoding/json would replace them.
func TestLoneSurrogates(t *testing.T) {
	for _, text := range []string{`\ud800`, `a\udfffb`, `\ufffd\ud800`, `\ud83d\ud83d\ude00`} {
		_, err := get(t, body(`"SecretString":"`+text+`"`), hush.Name("db"))
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err), text)
		assert.ErrorContains(t, err, "a lone surrogate", text)
	}
}

func TestDates(t *testing.T) {
	at := func(nanoseconds int64) time.Time { return time.Unix(1569534789, nanoseconds).UTC() }
	for date, want := range map[string]time.Time{
		`"2019-09-26T21:53:09.046Z"`:      at(46e6),
		`"2019-09-26T23:53:09.046+02:00"`: at(46e6),
		`"1569534789.046"`:                at(46e6),
		`"1569534789"`:                    at(0),
		`"1569534789.123456789"`:          at(123456789),
		`"1569534789.1234567891"`:         at(123456789),
		`1569534789.046`:                  at(46e6),
		`1.569534789046E9`:                at(46e6),
		`1.569534789046e+09`:              at(46e6),
		`0`:                               time.Unix(0, 0).UTC(),
		`null`:                            {},
		`"yesterday"`:                     {},
		`""`:                              {},
		`"1e999999999"`:                   {},
		`-1`:                              {},
		`-1e9`:                            {},
		`1e300`:                           {},
		`"253402300800"`:                  {},
		`"99999999999999999999"`:          {},
		`"1569534789.x"`:                  {},
		`"NaNe"`:                          {},
		`{"seconds":1}`:                   {},
		`"2019-99-26T21:53:09.046Z"`:      {},
	} {
		got, err := get(t, body(`"SecretString":"x"`, `"CreatedDate":`+date), hush.Name("db"))
		require.NoError(t, err, "an unreadable date must not lose the secret: %s", date)
		assert.True(t, want.Equal(got.Created), "%s is read as %s", date, got.Created)
	}
}

func TestMembersOfPackageAgent(t *testing.T) {
	got, err := get(t, body(`"SecretString":"x"`, `"Expires":"1569534789.046"`, `"Stale":true`, `"Fallback":true`), hush.Name("db"))
	require.NoError(t, err)
	assert.True(t, got.Expires.Equal(time.UnixMilli(1569534789046)))
	assert.True(t, got.Stale)
	assert.True(t, got.FromFallback)

	got, err = get(t, body(`"SecretString":"x"`, `"Expires":null`), hush.Name("db"))
	require.NoError(t, err)
	assert.True(t, got.Expires.IsZero())

	got, err = get(t, body(`"SecretString":"x"`, `"Expires":"soon"`), hush.Name("db"))
	require.NoError(t, err)
	assert.False(t, got.Expires.IsZero(), "an unreadable time means that the secret has expired")
	assert.False(t, got.Expires.After(time.Now()))
}

func TestResponseForAnotherSecret(t *testing.T) {
	ref := hush.Name
	for _, c := range []struct {
		ref     hush.Ref
		members string
		ok      bool
	}{
		{ref("db"), `"Name":"db"`, true},
		{ref("db"), `"Name":"DB"`, false},
		{ref("db"), `"Name":"db2"`, false},
		{ref("db"), `"Name":"db","ARN":"` + arn + `db-AbCdEf"`, true},
		{ref("db"), `"ARN":"` + arn + `db-AbCdEf"`, true},
		{ref("db"), `"ARN":"` + arn + `db-prod-AbCdEf"`, false},
		{ref("db"), `"ARN":"` + arn + `other-AbCdEf"`, false},
		{ref("db"), `"ARN":"no arn"`, true},
		{ref("db"), `"Name":null`, true},
		{ref(arn + "db-AbCdEf"), `"ARN":"` + arn + `db-AbCdEf"`, true},
		{ref(arn + "db"), `"ARN":"` + arn + `db-AbCdEf"`, true},
		{ref(arn + "d"), `"ARN":"` + arn + `db-AbCdEf"`, false},
		{ref(arn + "db"), `"ARN":"` + arn + `db-prod-AbCdEf"`, false},
		{ref(arn + "db-AbCdEf"), `"ARN":"` + arn + `db-FeDcBa"`, false},
		{ref(arn + "db-AbCdEf"), `"Name":"db"`, true},
		{ref(arn + "db"), `"Name":"db"`, true},
		{ref(arn + "db"), `"Name":"other"`, false},
		{ref(arn + "db"), `"Name":"x","ARN":"` + arn + `db-AbCdEf"`, true},
		{hush.Ref{Name: "db", Version: "v1"}, `"VersionId":"v1"`, true},
		{hush.Ref{Name: "db", Version: "v1"}, `"VersionId":"v2"`, false},
		{hush.Ref{Name: "db", Version: "v1"}, `"VersionId":null`, true},
		{ref("db"), `"VersionId":"v2"`, true},
		{hush.Ref{Name: "db", Stage: "AWSPREVIOUS"}, `"VersionStages":["AWSPREVIOUS"]`, true},
		{hush.Ref{Name: "db", Stage: "AWSPREVIOUS"}, `"VersionStages":["AWSCURRENT"]`, false},
		{hush.Ref{Name: "db", Stage: "AWSPREVIOUS"}, `"VersionStages":[]`, true},
		{hush.Ref{Name: "db", Stage: "AWSCURRENT"}, `"VersionStages":["other","AWSCURRENT"]`, true},
	} {
		t.Run(c.ref.String()+" "+c.members, func(t *testing.T) {
			_, err := get(t, `{"SecretString":"x",`+c.members+`}`, c.ref)
			if c.ok {
				assert.NoError(t, err)
				return
			}
			assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
			assert.ErrorContains(t, err, "the response is for another ")
		})
	}
}

// TestVersionOrStageThatIsTooLong limits the memory of a cache entry.
func TestVersionOrStageThatIsTooLong(t *testing.T) {
	for members, want := range map[string]string{
		`"VersionId":"` + strings.Repeat("v", 100_000) + `"`:                 "the version in the response has 100000 bytes and exceeds the limit of 2048",
		`"VersionStages":["AWSCURRENT","` + strings.Repeat("v", 2049) + `"]`: "the stage in the response has 2049 bytes and exceeds the limit of 2048",
	} {
		secret, err := get(t, `{"SecretString":"x",`+members+`}`, hush.Name("db"))
		assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
		assert.ErrorContains(t, err, want)
		assert.True(t, secret.Equal(hush.Secret{}))
	}
}

// TestResponseOfAnotherStage reads from a server that returns the newest version if a
// request names no stage. The response to a request that names the stage counts.
func TestResponseOfAnotherStage(t *testing.T) {
	inLambda(t)
	const pending, current = `"SecretString":"new","VersionStages":["AWSPENDING"]`, `"SecretString":"old","VersionStages":["AWSCURRENT"]`
	for _, ref := range []hush.Ref{hush.Name("db"), {Name: "db", Stage: hush.CurrentStage}} {
		for second, want := range map[string]string{body(current): "old", body(`"SecretString":"old"`): "old", body(pending): ""} {
			var stages []string
			endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
				stages = append(stages, r.URL.Query().Get("versionStage"))
				respondWith(200, map[bool]string{true: second, false: body(pending)}[len(stages) == 2])(w, r)
			})
			got, err := open(t, extension.Options{Endpoint: endpoint}).Get(t.Context(), ref)
			assert.Equal(t, []string{"", hush.CurrentStage}, stages)
			assert.Equal(t, want, got.Value.Reveal())
			if want == "" {
				assert.Equal(t, hush.ErrUnavailable, hush.ClassOf(err))
				assert.ErrorContains(t, err, "is not the current version")
			}
		}
	}
}

func TestLargestSecret(t *testing.T) {
	// JSON escapes each byte with six bytes.
	value := make([]byte, 64<<10)
	encoded, err := json.Marshal(string(value))
	require.NoError(t, err)
	got, err := get(t, body(`"SecretString":`+string(encoded)), hush.Name("db"))
	require.NoError(t, err)
	assert.Equal(t, 64<<10, got.Value.Len())
}
