package providertest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
)

func rotates(h Harness) bool { return h.Rotate != nil }
func denies(h Harness) bool  { return h.Deny != nil }
func breaks(h Harness) bool  { return h.Break != nil }
func hangs(h Harness) bool   { return h.Hang != nil }

func distinguishes(h Harness) bool { return !h.FoldsNames }

// rules are in the order in which a new Provider should be made to pass them:
// failures first.
var rules = []rule{
	{"missing", "a name that the store does not have is ErrNotFound, and no Secret comes with an error", nil, missing},
	{"denied", "what the store denies is ErrDenied, and comes back as no value", denies, denied},
	{"broken", "a store that cannot be asked is ErrUnavailable, and is asked again once it is back", breaks, broken},
	{"canceled", "a context that is done is ErrCanceled wrapping its error, also for a secret that is there", nil, canceled},
	{"hanging", "a call ends when its context does, whatever the store does", hangs, hanging},
	{"invalid names", "what Ref.Validate refuses is ErrInvalidRef", nil, invalidNames},
	{"hostile names", "a name means that secret and no other: no escape, query, path or case of it reaches another", nil, hostileNames},
	{"odd names", "every character that AWS allows in a name arrives as it is, or the name is ErrNotFound if this store cannot have it", nil, oddNames},
	{"case", "a name in another case is another secret", distinguishes, otherCase},
	{"unknown version", "a version or stage that is not there is ErrNotFound or ErrUnsupported, never another version", nil, unknownVersion},
	{"bytes", "the value arrives byte for byte: binary, empty, with newlines, 64 KiB", nil, unchangedBytes},
	{"field", "Field picks from the JSON; a missing one is ErrNotFound", nil, field},
	{"independence", "bytes that a caller got and changed change nothing for others", nil, independence},
	{"source", "a Secret says who answered, and is neither Stale nor a Fallback when all is well", nil, source},
	{"fresh", "a fresh read sees a rotation at once, or is ErrUnsupported", rotates, fresh},
	{"newer than", "NewerThan is never answered with an older state than the store's, or is ErrUnsupported", rotates, newerThan},
	{"old version", "an old version is found by its id and by its stage, or that is ErrUnsupported; the two must agree", rotates, oldVersion},
	{"new version", "another version has another id, and was not made before the one before it", rotates, newVersion},
	{"concurrent use", "many goroutines may call Get at once", nil, concurrentUse},
}

func missing(s *suite) {
	_, err := s.get(hush.Name("no/such-secret"))
	s.fails(err, s.vaguely(hush.ErrNotFound))
}

func denied(s *suite) {
	s.Put("db/denied", s.canary("denied"))
	s.Deny("db/denied")
	_, err := s.get(hush.Name("db/denied"))
	s.fails(err, s.vaguely(hush.ErrDenied))
}

func broken(s *suite) {
	s.Put("db/prod", s.canary("here"))
	restore := s.Break()
	_, err := s.get(hush.Name("db/prod"))
	s.failsAs(err, hush.ErrUnavailable)
	restore()
	s.reads(hush.Name("db/prod"), s.canary("here"))
}

func canceled(s *suite) {
	s.Put("db/prod", s.canary("here"))
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	_, err := s.Provider.Get(ctx, hush.Name(s.named("db/prod")))
	s.fails(err, hush.ErrCanceled)
	assert.ErrorIs(s, err, context.Canceled)

	ctx, cancel = context.WithDeadline(s.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, err = s.Provider.Get(ctx, hush.Name(s.named("db/prod")))
	s.fails(err, hush.ErrCanceled)
	assert.ErrorIs(s, err, context.DeadlineExceeded)
}

func hanging(s *suite) {
	s.Put("db/prod", s.canary("here"))
	restore := s.Hang()
	ctx, cancel := context.WithTimeout(s.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := s.Provider.Get(ctx, hush.Name(s.named("db/prod")))
	s.fails(err, hush.ErrCanceled)
	assert.ErrorIs(s, err, context.DeadlineExceeded)

	ctx, cancel = context.WithCancel(s.Context())
	timer := time.AfterFunc(20*time.Millisecond, cancel)
	defer timer.Stop()
	_, err = s.Provider.Get(ctx, hush.Name(s.named("db/prod")))
	s.fails(err, hush.ErrCanceled)
	assert.ErrorIs(s, err, context.Canceled)
	restore()
	s.reads(hush.Name("db/prod"), s.canary("here"))
}

func invalidNames(s *suite) {
	for _, name := range []string{"", "\x00", "a\nb", "a\rb", "a\tb", "\x7f", "\u0085", "a\xffb", strings.Repeat("n", 10<<10)} {
		_, err := s.getExact(hush.Name(name))
		s.fails(err, hush.ErrInvalidRef)
	}
	_, err := s.get(hush.Ref{Name: "db/prod", Version: "a\nb"})
	s.fails(err, hush.ErrInvalidRef)
}

func hostileNames(s *suite) {
	s.Put("db/prod", s.canary("victim"))
	s.Put("other", s.canary("other"))
	for _, name := range []string{
		"x/../db/prod", "./db/prod", "/db/prod", "db//prod", "../db/prod", "db/prod/..", "db/prod/", "db/prod/.",
		"db%2Fprod", "%64b/prod", "db/prod%00", "db/prod#x", "db/prod?", "db/prod?versionStage=AWSCURRENT",
		"db/prod&secretId=other", "other&secretId=db/prod", "db/prod ", " db/prod", "db+prod?", "é/" + "db/prod", "db/prod\u202e",
		"arn:aws:secretsmanager", "arn:aws:secretsmanager:::secret:", "arn:aws:secretsmanager:eu-west-1:1:secret:db/prod",
		"sys/../db/prod", "..", ".", "/", "%", "%zz",
	} {
		name = strings.ReplaceAll(name, "db/prod", s.named("db/prod"))
		secret, err := s.getExact(hush.Name(name))
		if err == nil {
			s.Errorf("%q was answered with the secret of another name, %d bytes", name, secret.Value.Len())
			continue
		}
		s.clean(err)
		assert.NotErrorIs(s, err, hush.ErrCanceled, "name %q", name)
	}
}

func oddNames(s *suite) {
	names := []string{"plus+and@at=eq.dot-dash_under", "rds!db-1", "a/very/deep/name", strings.Repeat("long", 100)}
	for _, name := range append(names, s.OddNames...) {
		if !s.valid(name) {
			s.putLookalikes(name)
			_, err := s.getExact(hush.Name(name))
			s.fails(err, s.vaguely(hush.ErrNotFound))
			continue
		}
		s.Put(name, s.canary(name))
		s.reads(hush.Name(name), s.canary(name))
	}
}

func otherCase(s *suite) {
	s.Put("db/prod", s.canary("lower"))
	for _, name := range []string{"DB/PROD", "Db/Prod"} {
		_, err := s.get(hush.Name(name))
		s.fails(err, s.vaguely(hush.ErrNotFound))
	}
}

func unknownVersion(s *suite) {
	s.Put("db/prod", s.canary("here"))
	for _, ref := range []hush.Ref{
		{Name: "db/prod", Version: "00000000-0000-4000-8000-000000000000"},
		{Name: "db/prod", Stage: "NOSUCHSTAGE"},
	} {
		_, err := s.get(ref)
		s.clean(err)
		if c := hush.ClassOf(err); c != hush.ErrUnsupported {
			assert.Equal(s, s.vaguely(hush.ErrNotFound), c, "%s: %v", ref, err)
		}
	}
	s.reads(hush.Ref{Name: "db/prod", Stage: hush.CurrentStage}, s.canary("here"))
}

func unchangedBytes(s *suite) {
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	for name, value := range map[string][]byte{
		"bytes/binary": binary, "bytes/empty": {}, "bytes/newline": []byte("two\nlines\n"),
		"bytes/spaces": []byte("  spaces and \t tabs "), "bytes/unicode": []byte("Pässwörd ☃ 🔑"),
		"bytes/html": []byte(`<a href="x">&amp;\u003c</a>`), "bytes/invalid": {'a', 0xff, 'b'},
		"bytes/large": bytes.Repeat([]byte("0123456789abcdef"), 4<<10),
	} {
		s.Put(name, value)
		s.reads(hush.Name(name), value)
	}
}

func field(s *suite) {
	secret := string(s.canary("password"))
	s.Put("db/json", []byte(`{"user":"app","password":"`+secret+`","port":5432,"hosts":["a","b"],"none":null}`))
	for name, want := range map[string]string{
		"password": secret, "port": "5432", "/hosts/1": "b", "none": "null", "hosts": `["a","b"]`,
	} {
		s.reads(hush.Ref{Name: "db/json", Field: name}, []byte(want))
	}
	for _, name := range []string{"Password", "nope", "/hosts/2", "/hosts/-", "/port/x"} {
		_, err := s.get(hush.Ref{Name: "db/json", Field: name})
		s.fails(err, hush.ErrNotFound)
	}
	s.Put("db/plain", s.canary("plain"))
	_, err := s.get(hush.Ref{Name: "db/plain", Field: "password"})
	s.fails(err, hush.ErrNotFound)
}

func independence(s *suite) {
	value := s.canary("mine")
	s.Put("db/prod", value)
	want := string(s.stored(value))
	value[0] = 'X'
	got, err := s.get(hush.Name("db/prod"))
	require.NoError(s, err)
	b := got.Value.RevealBytes()
	b[0] = 'Y'
	assert.Equal(s, want, got.Value.Reveal())
	s.reads(hush.Name("db/prod"), s.canary("mine"))
}

func source(s *suite) {
	s.Put("db/prod", s.canary("here"))
	got, err := s.get(hush.Name("db/prod"))
	require.NoError(s, err)
	assert.NotEmpty(s, got.Source)
	assert.False(s, got.Stale, "Stale")
	assert.False(s, got.FromFallback, "Fallback")
}

func fresh(s *suite) {
	s.Put("db/prod", s.canary("old"))
	s.reads(hush.Name("db/prod"), s.canary("old"))
	s.Rotate("db/prod", s.canary("new"))
	got, err := s.get(hush.Name("db/prod").Fresh())
	if errors.Is(err, hush.ErrUnsupported) {
		s.clean(err)
		return
	}
	require.NoError(s, err)
	s.same(got, s.canary("new"))
}

func newerThan(s *suite) {
	s.Put("db/prod", s.canary("old"))
	old, err := s.get(hush.Name("db/prod"))
	require.NoError(s, err)
	s.Rotate("db/prod", s.canary("new"))
	got, err := s.get(hush.Name("db/prod").NewerThan(old))
	if errors.Is(err, hush.ErrUnsupported) {
		s.clean(err)
		return
	}
	require.NoError(s, err)
	s.same(got, s.canary("new"))
}

func oldVersion(s *suite) {
	s.Put("db/prod", s.canary("old"))
	old, err := s.get(hush.Name("db/prod"))
	require.NoError(s, err)
	s.Rotate("db/prod", s.canary("new"))
	for _, ref := range []hush.Ref{{Name: "db/prod", Version: old.Version}, {Name: "db/prod", Stage: "AWSPREVIOUS"}} {
		if ref.Key() == hush.Name("db/prod") {
			continue // this store names no versions
		}
		got, err := s.get(ref)
		if errors.Is(err, hush.ErrUnsupported) {
			s.clean(err)
			continue
		}
		require.NoError(s, err, "%s", ref)
		s.same(got, s.canary("old"))
		assert.Equal(s, old.Version, got.Version)
	}
	if old.Version == "" {
		return
	}
	_, err = s.get(hush.Ref{Name: "db/prod", Version: old.Version, Stage: "NOSUCHSTAGE"})
	s.clean(err)
	assert.Error(s, err, "a version that does not have the stage")
}

func newVersion(s *suite) {
	s.Put("db/prod", s.canary("old"))
	old, err := s.get(hush.Name("db/prod").Fresh())
	if errors.Is(err, hush.ErrUnsupported) {
		return
	}
	require.NoError(s, err)
	s.Rotate("db/prod", s.canary("new"))
	current, err := s.get(hush.Name("db/prod").Fresh())
	require.NoError(s, err)
	if old.Version != "" || current.Version != "" {
		assert.NotEqual(s, old.Version, current.Version, "two values with one version")
	}
	if !old.Created.IsZero() && !current.Created.IsZero() {
		assert.False(s, current.Created.Before(old.Created), "Created went backwards")
	}
}

func concurrentUse(s *suite) {
	names := []string{"many/a", "many/b", "many/c"}
	for _, name := range names {
		s.Put(name, s.canary(name))
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 16 {
				name := names[(i+j)%len(names)]
				s.reads(hush.Name(name), s.canary(name))
			}
		})
	}
	wg.Wait()
}
