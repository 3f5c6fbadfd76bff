package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/config/all"
	"github.com/hush-secrets/hush/internal/namepattern"
)

// ownPrefixes are those of the agent's own variables, which have its credentials.
var ownPrefixes = [...]string{"AWS_", "VAULT_", "HUSH_"}

// isOwn reports whether variable, or the one that names a file for it, is the agent's.
func isOwn(variable string) bool {
	return slices.ContainsFunc(ownPrefixes[:], func(prefix string) bool {
		return strings.HasPrefix(strings.ToUpper(variable)+"_", prefix)
	})
}

// An envStore is a store over the environment.
type envStore interface {
	hush.Provider
	Variable(name string) string
}

// An envGuard decides which variables of the environment the agent serves. It decides
// about the variable that is read in the end, after prefixes and aliases.
type envGuard struct {
	next  envStore
	allow []namepattern.Pattern // nil: every name
	names map[string]map[string]string
}

// guardedSchemes returns all schemes, with an envGuard for each store over the
// environment. allow has valid patterns; nil allows every name. names are the aliases
// of the configuration.
func guardedSchemes(allow []string, names map[string]map[string]string) []hush.Scheme {
	var patterns []namepattern.Pattern
	for _, text := range allow {
		if pattern, err := namepattern.Parse(text); err == nil {
			patterns = append(patterns, pattern)
		}
	}
	schemes := all.Schemes()
	for i, scheme := range schemes {
		if scheme.Name != "env" {
			continue
		}
		schemes[i].Open = func(ctx context.Context, u *url.URL) (hush.Provider, error) {
			p, err := scheme.Open(ctx, u)
			if err != nil {
				return nil, err
			}
			store, ok := p.(envStore)
			if !ok {
				return nil, errors.New("the store does not tell its variables")
			}
			return envGuard{store, patterns, names}, nil
		}
	}
	return schemes
}

// Get denies the agent's own variables, and those that a client could also reach by a
// name that --allow does not match.
func (g envGuard) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	variable := g.next.Variable(ref.Name)
	switch {
	case isOwn(variable):
		return hush.Secret{}, hush.NewError("env", ref, hush.ErrDenied, fmt.Errorf("the variable %q is the agent's own", variable))
	case !g.allows(ctx, ref.Name):
		return hush.Secret{}, hush.NewError("env", ref, hush.ErrDenied,
			fmt.Errorf("the variable %q also has names that --allow does not match; add --allow with this name in full", variable))
	}
	return g.next.Get(ctx, ref)
}

// allows reports whether the patterns allow all names of the variable. own is the
// store's name for the secret. An alias is allowed, because it names its variable.
func (g envGuard) allows(ctx context.Context, own string) bool {
	if g.allow == nil {
		return true
	}
	requested, ok := ctx.Value(requestedName{}).(string)
	return ok && (g.isAlias(requested, own) ||
		slices.ContainsFunc(g.allow, func(p namepattern.Pattern) bool { return p.MatchVariable(requested) }))
}

// isAlias reports whether the configuration says that requested is own in a store.
func (g envGuard) isAlias(requested, own string) bool {
	for _, text := range g.names[requested] {
		if ref, err := hush.ParseRef(text); err == nil && ref.Name == own {
			return true
		}
	}
	return false
}

// requestedName is the context key of the name in a client's request. The
// configuration may derive another name from it for each store.
type requestedName struct{}

// named returns the provider of the server, with a requestNamer if an envGuard needs it.
func (s *server) named() hush.Provider {
	isEnv := func(l config.OpenStore) bool { return l.Scheme == "env" }
	if s.options.Allow != nil && slices.ContainsFunc(s.provider.Stores(), isEnv) {
		return requestNamer{s.provider}
	}
	return s.provider
}

// A requestNamer tells envGuard the name in each request.
type requestNamer struct{ next *config.Provider }

func (n requestNamer) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	return n.next.Get(withRequestedName(ctx, ref), ref)
}

// GetDerived keeps responses in the cache of next; see agent.Handler.
func (n requestNamer) GetDerived(ctx context.Context, ref hush.Ref, key any, derive func(hush.Secret) any) (any, error) {
	return n.next.GetDerived(withRequestedName(ctx, ref), ref, key, derive)
}

func withRequestedName(ctx context.Context, ref hush.Ref) context.Context {
	return context.WithValue(ctx, requestedName{}, ref.Name)
}
