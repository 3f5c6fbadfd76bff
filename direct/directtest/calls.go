package directtest

import "sync"

// A Call is what is known of a call that reached the server, whatever became of
// it.
type Call struct {
	Operation   string // such as "GetSecretValue"
	Name        string // the SecretId or Name as the caller spelled it; empty for a batch
	Region      string // that the call was signed for; empty without a signature
	AccessKeyID string // that it was signed with
}

type calls struct {
	mu     sync.Mutex
	counts map[Call]int
}

func (c *calls) note(call Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[Call]int{}
	}
	c.counts[call]++
}

// Calls returns the number of calls, an SDK's retries included, that agree with
// every member of like that is not empty: Calls(Call{}) counts them all.
func (s *Server) Calls(like Call) int {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	total := 0
	for call, count := range s.calls.counts {
		if matches(like.Operation, call.Operation) && matches(like.Name, call.Name) &&
			matches(like.Region, call.Region) && matches(like.AccessKeyID, call.AccessKeyID) {
			total += count
		}
	}
	return total
}
