package vaultserver

import "go.uber.org/goleak"

// Leftovers are what Vault and its dependencies leave behind once it is shut down,
// and what they start when they are linked: none of it is hush's.
func Leftovers() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"),
		goleak.IgnoreTopFunction("github.com/patrickmn/go-cache.(*janitor).Run"),
		goleak.IgnoreTopFunction("github.com/hashicorp/vault/vault.(*Core).setupCachedMFAResponseAuth.func1"),
	}
}
