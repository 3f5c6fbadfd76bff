// Package providertest checks that a Provider keeps the contract of package hush,
// and has an in-memory one for tests.
//
// An implementation's test opens it over a store that the test controls and
// passes both to Run:
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

// A Harness is a Provider and the means to control the store behind it. A func
// that is nil is something that this store cannot have; its cases are left out,
// and Run logs their names.
type Harness struct {
	// Provider is what is tested.
	Provider hush.Provider

	// Put stores value as the first version of name. Required.
	Put func(name string, value []byte)

	// Rotate stores value as a new current version of name.
	Rotate func(name string, value []byte)

	// Deny makes the store refuse this caller name.
	Deny func(name string)

	// Break makes the store unreachable or broken until restore is called.
	Break func() (restore func())

	// Hang makes the store take calls and not answer until restore is called.
	Hang func() (restore func())

	// Logs returns all that the Provider has logged.
	Logs func() string

	// Hidden are further texts, such as tokens, that must appear in no error and
	// no log.
	Hidden []string

	// ValidName reports whether a secret of this store can have a name. Nil means that
	// the store allows every name that Secrets Manager allows. The suite requires
	// ErrNotFound for other names. It writes "-" for "/" in the names of its own
	// secrets if the store does not allow a slash.
	ValidName func(name string) bool

	// OddNames are valid names that test the limits of this store's rules, such as
	// one with each character that is allowed, and one of the greatest length. The
	// suite adds them to the names that Secrets Manager allows.
	OddNames []string

	// FoldsNames says that names which differ in case or punctuation can mean one
	// secret, as in the environment.
	FoldsNames bool

	// Objects says that the store keeps JSON objects and nothing else, and that a
	// Value is the object's compact text. Put and Rotate are then given objects: what
	// the suite stores is the member "value" of one, unless it is an object already.
	Objects bool

	// Vague says that the store's refusals do not tell missing from denied, as the
	// Lambda extension's: both are then ErrRefused.
	Vague bool
}

// A rule is one case of the suite: what a Provider must do, and how to see it.
type rule struct {
	name  string
	rule  string
	needs func(Harness) bool // nil: runs for every store
	run   func(*suite)
}

// Run checks the Provider that open returns against every rule that its store can
// show. open is called once for each rule, and once more to see what it has.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	able := open(t)
	if able.Provider == nil || able.Put == nil {
		t.Fatal("providertest: a Harness needs a Provider and Put")
	}
	for _, r := range rules {
		if r.needs != nil && !r.needs(able) {
			t.Logf("left out, for this store cannot have it: %s", r.name)
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			t.Logf("rule: %s", r.rule)
			s := newSuite(t, open(t))
			r.run(s)
			s.checkLogs()
		})
	}
}
