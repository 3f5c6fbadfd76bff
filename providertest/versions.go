package providertest

import (
	"errors"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush"
)

func fresh(s *suite) {
	s.assertSeesRotation(func(hush.Secret) hush.Ref { return hush.Name("db/prod").Fresh() })
}

func newerThan(s *suite) {
	s.assertSeesRotation(hush.Name("db/prod").NewerThan)
}

// assertSeesRotation rotates a secret and asserts that the Ref that refAfter returns for
// the old one reads the new one, or is ErrUnsupported.
func (s *suite) assertSeesRotation(refAfter func(old hush.Secret) hush.Ref) {
	s.Helper()
	s.Put("db/prod", s.canary("old"))
	old, err := s.get(hush.Name("db/prod"))
	require.NoError(s, err)
	s.assertWhole(old, s.canary("old"))
	s.Rotate("db/prod", s.canary("new"))
	got, err := s.get(refAfter(old))
	if errors.Is(err, hush.ErrUnsupported) {
		s.assertNoLeak(err)
		return
	}
	require.NoError(s, err)
	s.assertWhole(got, s.canary("new"))
}

func oldVersion(s *suite) {
	s.Put("db/prod", s.canary("old"))
	old, err := s.get(hush.Name("db/prod"))
	require.NoError(s, err)
	s.Rotate("db/prod", s.canary("new"))
	for _, ref := range []hush.Ref{{Name: "db/prod", Version: old.Version}, {Name: "db/prod", Stage: "AWSPREVIOUS"}} {
		if ref.Key() == hush.Name("db/prod") {
			continue // the store has no versions
		}
		got, err := s.get(ref)
		if errors.Is(err, hush.ErrUnsupported) {
			s.assertNoLeak(err)
			continue
		}
		require.NoError(s, err, "%s", ref)
		s.assertWhole(got, s.canary("old"))
		assert.Equal(s, old.Version, got.Version)
	}
	if old.Version == "" {
		return
	}
	_, err = s.get(hush.Ref{Name: "db/prod", Version: old.Version, Stage: "NOSUCHSTAGE"})
	s.assertNoLeak(err)
	assert.Error(s, err, "Get of a version that does not have the stage")
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
		assert.NotEqual(s, old.Version, current.Version, "two values have the same version")
	}
	if !old.Created.IsZero() && !current.Created.IsZero() {
		assert.False(s, current.Created.Before(old.Created), "the new version was created before the old one")
	}
}
