package providertest

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
)

func canRotate(h Harness) bool { return h.Rotate != nil }
func canDeny(h Harness) bool   { return h.Deny != nil }
func canBreak(h Harness) bool  { return h.Break != nil }
func canHang(h Harness) bool   { return h.Hang != nil }
func keepsCase(h Harness) bool { return !h.FoldsNames }

// rules are in the order in which the author of a Provider should make them pass:
// failures first.
var rules = []rule{
	{"missing", "a name that the store does not have is ErrNotFound; no error comes with a Secret", nil, missing},
	{"denied", "a secret that the store denies is ErrDenied, without a value", canDeny, denied},
	{"broken", "a store that is down is ErrUnavailable; the next Get after its return succeeds", canBreak, broken},
	{"canceled", "a context that has ended is ErrCanceled and wraps the error of the context", nil, canceled},
	{"hanging", "Get ends with its context although the store does not respond", canHang, hanging},
	{"invalid names", "a Ref that Ref.Validate refuses is ErrInvalidRef", nil, invalidNames},
	{"hostile names", "no escape, query, path or case in a name reaches a secret of another name", nil, hostileNames},
	{"odd names", "the store receives every character that AWS allows in a name; a name that is not valid in the store is ErrNotFound", nil, oddNames},
	{"case", "names that differ in case are different secrets", keepsCase, otherCase},
	{"unknown version", "an unknown version or stage is ErrNotFound or ErrUnsupported, never another version", nil, unknownVersion},
	{"bytes", "a Value has the bytes that were stored: binary, empty, with newlines, 64 KiB", nil, unchangedBytes},
	{"field", "Field selects a part of the JSON; a missing part is ErrNotFound", nil, field},
	{"independence", "a caller that changes revealed bytes does not change the secret of other callers", nil, independence},
	{"source", "a Secret has a Source, and is neither Stale nor FromFallback while the store is up", nil, source},
	{"fresh", "a Fresh read returns a rotated secret at once, or is ErrUnsupported", canRotate, fresh},
	{"newer than", "a NewerThan read does not return an older version than the current one, or is ErrUnsupported", canRotate, newerThan},
	{"old version", "a Version and a Stage select an old version, or are ErrUnsupported; a version without the stage is an error", canRotate, oldVersion},
	{"new version", "a new version has a new ID, and is not created before the previous one", canRotate, newVersion},
	{"concurrent use", "Get is safe for concurrent use", nil, concurrentUse},
}

func missing(s *suite) {
	_, err := s.get(hush.Name("no/such-secret"))
	s.assertFails(err, s.orRefused(hush.ErrNotFound))
}

func denied(s *suite) {
	s.Put("db/denied", s.canary("denied"))
	s.Deny("db/denied")
	_, err := s.get(hush.Name("db/denied"))
	s.assertFails(err, s.orRefused(hush.ErrDenied))
}

func broken(s *suite) {
	s.Put("db/prod", s.canary("here"))
	restore := s.Break()
	_, err := s.get(hush.Name("db/prod"))
	s.assertFailsAs(err, hush.ErrUnavailable)
	restore()
	s.assertReads(hush.Name("db/prod"), s.canary("here"))
}

func canceled(s *suite) {
	s.Put("db/prod", s.canary("here"))
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	_, err := s.Provider.Get(ctx, hush.Name(s.validName("db/prod")))
	s.assertFails(err, hush.ErrCanceled)
	assert.ErrorIs(s, err, context.Canceled)

	ctx, cancel = context.WithDeadline(s.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, err = s.Provider.Get(ctx, hush.Name(s.validName("db/prod")))
	s.assertFails(err, hush.ErrCanceled)
	assert.ErrorIs(s, err, context.DeadlineExceeded)
}

func hanging(s *suite) {
	s.Put("db/prod", s.canary("here"))
	restore := s.Hang()
	ctx, cancel := context.WithTimeout(s.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := s.Provider.Get(ctx, hush.Name(s.validName("db/prod")))
	s.assertFails(err, hush.ErrCanceled)
	assert.ErrorIs(s, err, context.DeadlineExceeded)

	ctx, cancel = context.WithCancel(s.Context())
	timer := time.AfterFunc(20*time.Millisecond, cancel)
	defer timer.Stop()
	_, err = s.Provider.Get(ctx, hush.Name(s.validName("db/prod")))
	s.assertFails(err, hush.ErrCanceled)
	assert.ErrorIs(s, err, context.Canceled)
	restore()
	s.assertReads(hush.Name("db/prod"), s.canary("here"))
}

func invalidNames(s *suite) {
	for _, name := range []string{"", "\x00", "a\nb", "a\rb", "a\tb", "\x7f", "\u0085", "a\xffb", strings.Repeat("n", 10<<10)} {
		_, err := s.getExact(hush.Name(name))
		s.assertFails(err, hush.ErrInvalidRef)
	}
	_, err := s.get(hush.Ref{Name: "db/prod", Version: "a\nb"})
	s.assertFails(err, hush.ErrInvalidRef)
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
		name = strings.ReplaceAll(name, "db/prod", s.validName("db/prod"))
		secret, err := s.getExact(hush.Name(name))
		if err == nil {
			s.Errorf("Get(%q) returned the secret of another name, %d bytes", name, secret.Value.Len())
			continue
		}
		s.assertNoLeak(err)
		assert.NotErrorIs(s, err, hush.ErrCanceled, "name %q", name)
	}
}

func oddNames(s *suite) {
	names := []string{"plus+and@at=eq.dot-dash_under", "rds!db-1", "a/very/deep/name", strings.Repeat("long", 100)}
	for _, name := range append(names, s.OddNames...) {
		if !s.isValid(name) {
			s.putLookalikes(name)
			_, err := s.getExact(hush.Name(name))
			s.assertFails(err, s.orRefused(hush.ErrNotFound))
			continue
		}
		s.Put(name, s.canary(name))
		s.assertReads(hush.Name(name), s.canary(name))
	}
}

func otherCase(s *suite) {
	s.Put("db/prod", s.canary("lower"))
	for _, name := range []string{"DB/PROD", "Db/Prod"} {
		_, err := s.get(hush.Name(name))
		s.assertFails(err, s.orRefused(hush.ErrNotFound))
	}
}

func unknownVersion(s *suite) {
	s.Put("db/prod", s.canary("here"))
	for _, ref := range []hush.Ref{
		{Name: "db/prod", Version: "00000000-0000-4000-8000-000000000000"},
		{Name: "db/prod", Stage: "NOSUCHSTAGE"},
	} {
		_, err := s.get(ref)
		s.assertNoLeak(err)
		if c := hush.ClassOf(err); c != hush.ErrUnsupported {
			assert.Equal(s, s.orRefused(hush.ErrNotFound), c, "%s: %v", ref, err)
		}
	}
	s.assertReads(hush.Ref{Name: "db/prod", Stage: hush.CurrentStage}, s.canary("here"))
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
		s.assertReads(hush.Name(name), value)
	}
}

func field(s *suite) {
	secret := string(s.canary("password"))
	s.Put("db/json", []byte(`{"user":"app","password":"`+secret+`","port":5432,"hosts":["a","b"],"none":null}`))
	for name, want := range map[string]string{
		"password": secret, "port": "5432", "/hosts/1": "b", "none": "null", "hosts": `["a","b"]`,
	} {
		s.assertReads(hush.Ref{Name: "db/json", Field: name}, []byte(want))
	}
	for _, name := range []string{"Password", "nope", "/hosts/2", "/hosts/-", "/port/x"} {
		_, err := s.get(hush.Ref{Name: "db/json", Field: name})
		s.assertFails(err, hush.ErrNotFound)
	}
	s.Put("db/plain", s.canary("plain"))
	_, err := s.get(hush.Ref{Name: "db/plain", Field: "password"})
	s.assertFails(err, hush.ErrNotFound)
}

func independence(s *suite) {
	value := s.canary("mine")
	s.Put("db/prod", value)
	want := string(s.asStored(value))
	value[0] = 'X'
	got, err := s.get(hush.Name("db/prod"))
	require.NoError(s, err)
	b := got.Value.RevealBytes()
	b[0] = 'Y'
	assert.Equal(s, want, got.Value.Reveal())
	s.assertReads(hush.Name("db/prod"), s.canary("mine"))
}

func source(s *suite) {
	s.Put("db/prod", s.canary("here"))
	got, err := s.get(hush.Name("db/prod"))
	require.NoError(s, err)
	assert.NotEmpty(s, got.Source)
	assert.False(s, got.Stale, "Stale")
	assert.False(s, got.FromFallback, "FromFallback")
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
				s.assertReads(hush.Name(name), s.canary(name))
			}
		})
	}
	wg.Wait()
}
