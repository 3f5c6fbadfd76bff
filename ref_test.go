package hush_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
)

const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db/prod-AbCdEf"

// texts maps references, in the form of String, to their Refs.
var texts = map[string]hush.Ref{
	"db/prod":                                {Name: "db/prod"},
	"db/prod#password":                       {Name: "db/prod", Field: "password"},
	"db?version=v1":                          {Name: "db", Version: "v1"},
	"db?stage=AWSPREVIOUS":                   {Name: "db", Stage: "AWSPREVIOUS"},
	"db?version=v1&stage=AWSCURRENT#a":       {Name: "db", Version: "v1", Stage: "AWSCURRENT", Field: "a"},
	"db#/hosts/0/a~1b~0":                     {Name: "db", Field: "/hosts/0/a~1b~0"},
	"db#a#b?c&d=e":                           {Name: "db", Field: "a#b?c&d=e"},
	"db#50%25":                               {Name: "db", Field: "50%"},
	"a%3Fb%23c%25d":                          {Name: "a?b#c%d"},
	"a+b c&d=e":                              {Name: "a+b c&d=e"},
	"rds!db-1":                               {Name: "rds!db-1"},
	"../x/./..//y":                           {Name: "../x/./..//y"},
	" é☃ ":                                   {Name: " é☃ "},
	"db?version=a%26b%23c%25d?e=f+g&stage=+": {Name: "db", Version: "a&b#c%d?e=f+g", Stage: "+"},
	arn:                                      {Name: arn},
	arn + "?stage=AWSPENDING#user":           {Name: arn, Stage: "AWSPENDING", Field: "user"},
	"arn:aws:secretsmanager":                 {Name: "arn:aws:secretsmanager"},
	"%252F":                                  {Name: "%2F"},
}

func TestRefString(t *testing.T) {
	for text, want := range texts {
		got, err := hush.ParseRef(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
		assert.Equal(t, text, want.String())
	}
}

func TestParseRefIsLiberal(t *testing.T) {
	for text, want := range map[string]string{
		"%64b%2Fprod":              "db/prod",
		"a%3fb":                    "a%3Fb",
		"db?stage=S&version=v":     "db?version=v&stage=S",
		"db?version=%61%26":        "db?version=a%26",
		"db#%2Fa%C3%A9":            "db#/aé",
		"db#%23":                   "db##",
		"db?version=v%3D1&stage=S": "db?version=v=1&stage=S",
	} {
		got, err := hush.ParseRef(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got.String(), text)
	}
}

func TestParseRefRefuses(t *testing.T) {
	long := strings.Repeat("n", 10<<10)
	for text, says := range map[string]string{
		"":                       "the name is empty",
		"#password":              "the name is empty",
		"?stage=S":               "the name is empty",
		"db#":                    "no field after #; write %23",
		"db?":                    "nothing after ?; write %3F",
		"db?#password":           "nothing after ?",
		"db?version":             "version is empty",
		"db?version=":            "version is empty",
		"db?stage=&version=v":    "stage is empty",
		"db?version=a&version=b": "version is given twice",
		"db?versionStage=S":      `unknown key "versionStage"; a reference takes version and stage`,
		"db?Version=v":           `unknown key "Version"`,
		"db?version=v&":          `unknown key ""`,
		"db?%76ersion=v":         `unknown key "%76ersion"`,
		"db?refreshNow=true":     `unknown key "refreshNow"`,
		"50%":                    "a % without two hex digits; write %25",
		"50%2":                   "a % without two hex digits",
		"%zz":                    "a % without two hex digits",
		"db#%":                   "a % without two hex digits",
		"db?version=%g0":         "a % without two hex digits",
		"a%00b":                  "the name contains a control character",
		"a\nb":                   "the name contains a control character",
		"db#%0A":                 "the field contains a control character",
		"db?version=%7f":         "the version contains a control character",
		"db?stage=%C2%85":        "the stage contains a control character",
		"%ff":                    "the name is not valid UTF-8",
		"db#%C3":                 "the field is not valid UTF-8",
		long:                     "the name has 10240 bytes and exceeds the limit of 2048",
		"db?stage=" + long:       "the stage has 10240 bytes",
		"db?" + long:             "(10240 bytes); a reference takes",
	} {
		ref, err := hush.ParseRef(text)
		require.Error(t, err, text)
		assert.Equal(t, hush.Ref{}, ref)
		assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(err), text)
		assert.ErrorIs(t, err, hush.ErrInvalidRef)
		assert.ErrorContains(t, err, says)
		assert.Less(t, len(err.Error()), 1024, "a long name is shortened")
		assert.NotRegexp(t, `[\x00-\x1f\x7f]`, err.Error(), "a name cannot forge a log line")
	}
}

func TestValidate(t *testing.T) {
	full := strings.Repeat("n", 2048)
	for _, ref := range []hush.Ref{
		{Name: full, Version: full, Stage: full, Field: full},
		{Name: "%"},
		{Name: " "},
		{Name: "\u202e"},
		{Name: "é"},
	} {
		assert.NoError(t, ref.Validate())
	}
	for _, ref := range []hush.Ref{
		{},
		hush.Ref{}.Fresh(),
		{Version: "v"},
		{Name: full + "n"},
		{Name: "a\x00"},
		{Name: "a\x1f"},
		{Name: "a\x7f"},
		{Name: "\u0080"},
		{Name: "\xff"},
		{Name: "a", Version: "\n"},
		{Name: "a", Stage: "\t"},
		{Name: "a", Field: "\r"},
		{Name: "a", Field: full + "n"},
	} {
		assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(ref.Validate()), "%s", ref)
	}
}

func TestRefKey(t *testing.T) {
	for in, want := range map[hush.Ref]hush.Ref{
		{Name: "db"}:             {Name: "db"},
		{Name: "db", Field: "f"}: {Name: "db"},
		{Name: "db", Stage: "AWSCURRENT", Field: "f"}:   {Name: "db"},
		{Name: "db", Stage: "awscurrent"}:               {Name: "db", Stage: "awscurrent"},
		{Name: "db", Stage: "AWSPREVIOUS", Field: "f"}:  {Name: "db", Stage: "AWSPREVIOUS"},
		{Name: "db", Version: "v", Stage: "AWSCURRENT"}: {Name: "db", Version: "v", Stage: "AWSCURRENT"},
		hush.Name("db").Fresh():                         {Name: "db"},
		hush.Name("db").NewerThan(hush.Secret{}):        {Name: "db"},
	} {
		assert.Equal(t, want, in.Key())
		assert.Equal(t, want, in.Key().Key(), "it is a key")
	}
}

func TestFreshness(t *testing.T) {
	secret := hush.Secret{Value: hush.NewValue([]byte("old")), Version: "v1"}
	plain := hush.Ref{Name: "db", Field: "f"}

	than, fresh := plain.Freshness()
	assert.False(t, fresh)
	assert.Nil(t, than)

	than, fresh = plain.Fresh().Freshness()
	assert.True(t, fresh)
	assert.Nil(t, than)

	newer := plain.NewerThan(secret)
	secret.Version = "changed by the caller"
	copied := newer
	copied.Field = "" // as a decorator does
	than, fresh = copied.Freshness()
	assert.True(t, fresh)
	require.NotNil(t, than)
	assert.Equal(t, "v1", than.Version, "it holds a copy")
	assert.Equal(t, "old", than.Value.Reveal())

	than, fresh = newer.Fresh().Freshness()
	assert.True(t, fresh)
	assert.Nil(t, than, "the last word counts")

	_, fresh = plain.Freshness()
	assert.False(t, fresh, "the Ref it was made from is left alone")
}

func TestWithField(t *testing.T) {
	const unchanged, fresh = "unchanged", "fresh"
	unversioned, versioned := hush.Secret{Value: hush.NewValue([]byte("x"))}, hush.Secret{Version: "v1"}
	db, user := hush.Name("db"), hush.Ref{Name: "db", Field: "user"}
	for name, c := range map[string]struct {
		ref   hush.Ref
		field string
		want  string
	}{
		"plain":                            {db, "user", unchanged},
		"fresh":                            {user.Fresh(), "", fresh},
		"newer than a version":             {user.NewerThan(versioned), "", unchanged},
		"newer than an unversioned secret": {user.NewerThan(unversioned), "", fresh},
		"newer than an unversioned secret, no field":  {db.NewerThan(unversioned), "user", fresh},
		"newer than an unversioned secret, same":      {user.NewerThan(unversioned), "user", unchanged},
		"newer than an unversioned secret, no change": {db.NewerThan(unversioned), "", unchanged},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.ref.WithField(c.field)
			want := c.ref
			if c.want == fresh {
				want = want.Fresh()
			}
			want.Field = c.field
			assert.Equal(t, want, got)
		})
	}
}

func TestFreshnessIsNotPrinted(t *testing.T) {
	plain := hush.Ref{Name: "db", Field: "f"}
	for _, ref := range []hush.Ref{plain.Fresh(), plain.NewerThan(hush.Secret{})} {
		assert.NotEqual(t, plain, ref)
		assert.Equal(t, plain.String(), ref.String())
		assert.Equal(t, plain.Key(), ref.Key())
		err := hush.NewError("p", ref, hush.ErrDenied, nil)
		assert.Equal(t, plain, err.Ref, "an error carries the Ref without it")
	}
	first, second := plain.Fresh(), plain.Fresh()
	assert.True(t, first == second, "Refs compare with ==")
}

func TestNameParsesNothing(t *testing.T) {
	assert.Equal(t, hush.Ref{Name: "a?version=b#c%2F"}, hush.Name("a?version=b#c%2F"))
}

func FuzzParseRef(f *testing.F) {
	for text := range texts {
		f.Add(text)
	}
	for _, text := range []string{"", "#", "?", "a%", "a?version=&", "a?stage=%26#%23"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ref, err := hush.ParseRef(text)
		if err != nil {
			assert.Equal(t, hush.ErrInvalidRef, hush.ClassOf(err))
			assert.Equal(t, hush.Ref{}, ref)
			return
		}
		require.NoError(t, ref.Validate())
		again, err := hush.ParseRef(ref.String())
		require.NoError(t, err)
		assert.Equal(t, ref, again)
		assert.Equal(t, ref.String(), again.String())
	})
}

func FuzzRefRoundTrip(f *testing.F) {
	for _, ref := range texts {
		f.Add(ref.Name, ref.Version, ref.Stage, ref.Field)
	}
	f.Fuzz(func(t *testing.T, name, version, stage, field string) {
		ref := hush.Ref{Name: name, Version: version, Stage: stage, Field: field}
		if ref.Validate() != nil {
			return
		}
		again, err := hush.ParseRef(ref.String())
		require.NoError(t, err, "%q", ref.String())
		assert.Equal(t, ref, again)
	})
}
