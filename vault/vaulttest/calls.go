package vaulttest

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
)

// A Operation is what a call is for.
type Operation string

// The kinds of calls, named for what the client asks.
const (
	Read        Operation = "read"         // GET below a mount
	Preflight   Operation = "preflight"    // GET sys/internal/ui/mounts/…
	Login       Operation = "login"        // auth/<mount>/login
	Lookup      Operation = "lookup"       // GET auth/token/lookup-self
	Renew       Operation = "renew"        // auth/token/renew-self
	Revoke      Operation = "revoke"       // auth/token/revoke-self
	RenewLease  Operation = "renew lease"  // sys/leases/renew
	RevokeLease Operation = "revoke lease" // sys/leases/revoke
	LookupWrap  Operation = "lookup wrap"  // sys/wrapping/lookup
	Unwrap      Operation = "unwrap"       // sys/wrapping/unwrap
	Health      Operation = "health"       // sys/health
	Other       Operation = "other"
)

// A Call is what is known of a call that reached the server, whatever became of
// it. Nothing of its body is kept.
type Call struct {
	Operation Operation
	Method    string
	Path      string // below /v1/, without the query, decoded
	Namespace string // of the header, without slashes at its ends
	Token     string // the Fingerprint of the token; empty without one
}

// Fingerprint returns what stands for token in a Call: a few characters that say
// nothing of it. It is empty for an empty token.
func Fingerprint(token string) string {
	if token == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:6])
}

// recent is how many calls are kept in order.
const recent = 1024

type calls struct {
	mu     sync.Mutex
	counts map[Call]int
	last   []Call // a ring, once it is full
	next   int    // where the ring's oldest is
}

func (c *calls) note(call Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[Call]int{}
	}
	c.counts[call]++
	if len(c.last) < recent {
		c.last = append(c.last, call)
		return
	}
	c.last[c.next] = call
	c.next = (c.next + 1) % recent
}

// Calls returns the number of calls, a client's retries included, that agree with
// every member of like that is not empty: Calls(Call{}) counts them all.
func (s *Server) Calls(like Call) int {
	s.calls.Get().mu.Lock()
	defer s.calls.Get().mu.Unlock()
	total := 0
	for call, count := range s.calls.Get().counts {
		if like.matches(call) {
			total += count
		}
	}
	return total
}

func (c Call) matches(call Call) bool {
	return matches(c.Operation, call.Operation) && matches(c.Method, call.Method) && matches(c.Path, call.Path) &&
		matches(c.Namespace, call.Namespace) && matches(c.Token, call.Token)
}

// RecentCalls returns the last calls, the oldest first, 1,024 of them at most.
func (s *Server) RecentCalls() []Call {
	s.calls.Get().mu.Lock()
	defer s.calls.Get().mu.Unlock()
	return slices.Concat(s.calls.Get().last[s.calls.Get().next:], s.calls.Get().last[:s.calls.Get().next])
}

// matches reports whether want is got or nothing in particular.
func matches[T ~string](want, got T) bool { return want == "" || want == got }
