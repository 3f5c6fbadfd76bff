package vaulttest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
)

// An Operation is the purpose of a request.
type Operation string

// The operations.
const (
	Read        Operation = "read"         // GET below a mount
	Preflight   Operation = "preflight"    // GET sys/internal/ui/mounts/<path>
	Login       Operation = "login"        // auth/<mount>/login
	Lookup      Operation = "lookup"       // auth/token/lookup-self
	Renew       Operation = "renew"        // auth/token/renew-self
	Revoke      Operation = "revoke"       // auth/token/revoke-self
	RenewLease  Operation = "renew lease"  // sys/leases/renew
	RevokeLease Operation = "revoke lease" // sys/leases/revoke
	LookupWrap  Operation = "lookup wrap"  // sys/wrapping/lookup
	Unwrap      Operation = "unwrap"       // sys/wrapping/unwrap
	Health      Operation = "health"       // sys/health
	Other       Operation = "other"        // any other request
)

// operations are the operations of paths below sys/ and auth/. A path that ends in a slash
// is a prefix.
var operations = map[string]Operation{
	"sys/health":              Health,
	"sys/internal/ui/mounts/": Preflight,
	"auth/token/lookup-self":  Lookup,
	"auth/token/renew-self":   Renew,
	"auth/token/revoke-self":  Revoke,
	"sys/leases/renew":        RenewLease,
	"sys/leases/renew/":       RenewLease,
	"sys/leases/revoke":       RevokeLease,
	"sys/leases/revoke/":      RevokeLease,
	"sys/wrapping/lookup":     LookupWrap,
	"sys/wrapping/unwrap":     Unwrap,
}

// maxRecent is the number of calls that RecentCalls returns.
const maxRecent = 1024

// A Call describes a request that the server received. It has no part of the body.
type Call struct {
	Operation Operation
	Method    string
	Path      string // decoded path below /v1/, without the query
	Namespace string // the namespace header without slashes at its ends
	Token     string // Fingerprint of the token; empty without a token
}

// newCall describes r, which may be any request.
func newCall(r *http.Request) Call {
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	return Call{
		Operation: operationOf(r.Method, path), Method: r.Method, Path: path,
		Namespace: strings.Trim(r.Header.Get("X-Vault-Namespace"), "/"), Token: Fingerprint(tokenOf(r)),
	}
}

func operationOf(method, path string) Operation {
	if op, ok := operations[path]; ok {
		return op
	}
	for prefix, op := range operations {
		if strings.HasSuffix(prefix, "/") && strings.HasPrefix(path, prefix) {
			return op
		}
	}
	switch {
	case strings.HasPrefix(path, "auth/") && strings.HasSuffix(path, "/login"):
		return Login
	case strings.HasPrefix(path, "auth/"), strings.HasPrefix(path, "sys/"), method != http.MethodGet:
		return Other
	}
	return Read
}

// Fingerprint returns the identifier of token in a Call, which does not reveal the token.
// The fingerprint of an empty token is empty.
func Fingerprint(token string) string {
	if token == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:6])
}

// record adds call to the calls received. It locks mu.
func (st *state) record(call Call) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.calls[call]++
	st.recent = append(st.recent, call)
	if len(st.recent) > maxRecent {
		st.recent = st.recent[1:]
	}
}

// Calls returns the number of requests received, including a client's retries, that match
// every field of match that is not empty. Calls(Call{}) returns the number of all requests.
func (s *Server) Calls(match Call) (total int) {
	st := s.lock()
	defer st.mu.Unlock()
	for call, count := range st.calls {
		if match.matches(call) {
			total += count
		}
	}
	return total
}

// RecentCalls returns the last 1,024 requests received, oldest first.
func (s *Server) RecentCalls() []Call {
	st := s.lock()
	defer st.mu.Unlock()
	return slices.Clone(st.recent)
}

func (c Call) matches(call Call) bool {
	return matches(c.Operation, call.Operation) && matches(c.Method, call.Method) && matches(c.Path, call.Path) &&
		matches(c.Namespace, call.Namespace) && matches(c.Token, call.Token)
}

// matches reports whether pattern is empty or equal to value.
func matches[T ~string](pattern, value T) bool { return pattern == "" || pattern == value }
