package agentserver

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
	"github.com/hush-secrets/hush/env"
	"github.com/hush-secrets/hush/internal/namepattern"
)

const envScheme = "env"

// ownPrefixes begin the names of the agent's own variables, which have its credentials.
var ownPrefixes = [...]string{"AWS_", "VAULT_", "HUSH_"}

// isOwn reports whether the variable, or the variable that names a file for it, is the
// agent's own.
func isOwn(variable string) bool {
	return slices.ContainsFunc(ownPrefixes[:], func(prefix string) bool {
		return strings.HasPrefix(strings.ToUpper(variable)+"_", prefix)
	})
}

// An envGuard decides which variables of the environment the agent serves. It checks
// the variable that is read in the end, after prefixes and aliases.
type envGuard struct {
	next    *env.Provider
	allow   []namepattern.Pattern // nil allows every name
	aliases map[string]map[string]string
}

// GuardedSchemes returns all schemes. Stores of the scheme env deny the agent's own
// variables. They also deny a variable if allow does not match all of its names. A
// malformed pattern in allow matches no name. Nil allows every name. aliases are
// Config.Names.
func GuardedSchemes(allow []string, aliases map[string]map[string]string) []hush.Scheme {
	var patterns []namepattern.Pattern
	if allow != nil {
		patterns = []namepattern.Pattern{}
	}
	for _, text := range allow {
		if pattern, err := namepattern.Parse(text); err == nil {
			patterns = append(patterns, pattern)
		}
	}
	schemes := all.Schemes()
	for i, scheme := range schemes {
		if scheme.Name != envScheme {
			continue
		}
		schemes[i].Open = func(ctx context.Context, u *url.URL) (hush.Provider, error) {
			p, err := scheme.Open(ctx, u)
			if err != nil {
				return nil, err
			}
			store, ok := p.(*env.Provider)
			if !ok {
				return nil, errors.New("the store does not report its variables")
			}
			return envGuard{store, patterns, aliases}, nil
		}
	}
	return schemes
}

// Get denies the agent's own variables, and variables that a client can also reach by a
// name that the patterns do not match.
func (g envGuard) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	variable := g.next.Variable(ref.Name)
	switch {
	case isOwn(variable):
		return hush.Secret{}, hush.NewError(envScheme, ref, hush.ErrDenied, fmt.Errorf("the variable %q is the agent's own", variable))
	case !g.allows(ctx, ref.Name):
		return hush.Secret{}, hush.NewError(envScheme, ref, hush.ErrDenied,
			fmt.Errorf("the variable %q also has names that --allow does not match; add --allow with the full name", variable))
	}
	return g.next.Get(ctx, ref)
}

// allows reports whether the patterns allow all names of the variable that the store
// reads for name. An alias is allowed, because it names exactly one variable.
func (g envGuard) allows(ctx context.Context, name string) bool {
	if g.allow == nil {
		return true
	}
	requested, ok := ctx.Value(requestedName{}).(string)
	return ok && (g.isAlias(requested, name) ||
		slices.ContainsFunc(g.allow, func(p namepattern.Pattern) bool { return p.MatchVariable(requested) }))
}

// isAlias reports whether requested is an alias for name in some store.
func (g envGuard) isAlias(requested, name string) bool {
	for _, text := range g.aliases[requested] {
		if ref, err := hush.ParseRef(text); err == nil && ref.Name == name {
			return true
		}
	}
	return false
}

// requestedName is the context key of the name in a client's request. The
// configuration may derive another name from it for each store.
type requestedName struct{}

// A requestNamer passes the name in each request to envGuard.
type requestNamer struct{ next *config.Provider }

func (n requestNamer) Get(ctx context.Context, ref hush.Ref) (hush.Secret, error) {
	return n.next.Get(withRequestedName(ctx, ref), ref)
}

// GetDerived stores responses in the cache of next; see agent.Handler.
func (n requestNamer) GetDerived(ctx context.Context, ref hush.Ref, key any, derive func(hush.Secret) any) (any, error) {
	return n.next.GetDerived(withRequestedName(ctx, ref), ref, key, derive)
}

func withRequestedName(ctx context.Context, ref hush.Ref) context.Context {
	return context.WithValue(ctx, requestedName{}, ref.Name)
}
