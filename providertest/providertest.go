// Package providertest tests implementations of [hush.Provider] and has an in-memory
// Provider for tests, the [Map].
//
// The test of an implementation passes [Run] a function that starts a store and opens
// the Provider for it:
//
//	func TestConformance(t *testing.T) {
//		providertest.Run(t, func(t *testing.T) providertest.Harness {
//			store := startStore(t)
//			return providertest.Harness{Provider: New(store.URL), Put: store.Put, Break: store.Break}
//		})
//	}
package providertest

import (
	"testing"

	"github.com/hush-secrets/hush"
)

// A Harness is a Provider and the functions that control its store. Put is required.
// If another function is nil, the store does not have the feature: Run skips the rules
// that need the function and logs their names.
type Harness struct {
	// Provider is the Provider under test.
	Provider hush.Provider

	// Put stores value as the first version of name.
	Put func(name string, value []byte)

	// Rotate stores value as a new current version of name.
	Rotate func(name string, value []byte)

	// Deny makes the store deny the Provider access to name.
	Deny func(name string)

	// Break makes the store unreachable or broken until restore is called.
	Break func() (restore func())

	// Hang makes the store accept requests without a response until restore is called.
	Hang func() (restore func())

	// Logs returns everything that the Provider has logged.
	Logs func() string

	// Hidden lists texts, such as tokens, that must not appear in an error or a log.
	// The values of the secrets are always checked.
	Hidden []string

	// ValidName reports whether name is valid in the store. For other names, the
	// Provider must return ErrNotFound. If "/" is not valid, the suite uses "-" in the
	// names of its secrets. Nil means that the store allows every name that Secrets
	// Manager allows.
	ValidName func(name string) bool

	// OddNames are additional names to test, at the limits of what the store allows:
	// with each special character, or of the maximum length.
	OddNames []string

	// FoldsNames means that names that differ only in case or punctuation can be the
	// same secret, as in the environment.
	FoldsNames bool

	// Objects means that the store holds only JSON objects, and that a Value is the
	// compact JSON of one. Put and Rotate then receive objects. A value that is not
	// an object becomes {"value": …}.
	Objects bool

	// Vague means that the store does not distinguish a missing secret from a denied
	// one, as the Lambda extension does not. Both must be ErrRefused.
	Vague bool
}

// A rule is one requirement of the suite, and its test.
type rule struct {
	name  string
	text  string
	needs func(Harness) bool // nil means that the rule applies to every store
	run   func(*suite)
}

// Run tests the Provider that open returns against every rule of package hush, each in
// a subtest. It calls open once for each rule, and once before all rules.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	features := open(t)
	if features.Provider == nil || features.Put == nil {
		t.Fatal("providertest: Provider and Put are required in a Harness")
	}
	for _, r := range rules {
		if r.needs != nil && !r.needs(features) {
			t.Logf("rule %q skipped: the Harness does not have the feature", r.name)
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			t.Logf("rule: %s", r.text)
			s := newSuite(t, open(t))
			r.run(s)
			s.checkLogs()
		})
	}
}
