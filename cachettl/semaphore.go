package cachettl

import (
	"context"
	"fmt"
)

// A semaphore bounds the concurrent calls of the next provider. Fetches acquire it
// in the order in which they came. Nil means no limit.
type semaphore chan struct{}

func newSemaphore(limit int) semaphore {
	if limit < 0 {
		return nil
	}
	return make(semaphore, limit)
}

// acquire waits until a call may start, or until ctx is done. The call ends with
// release or, because a provider may ignore its context, when ctx is done.
func (s semaphore) acquire(ctx context.Context) (release func(), err error) {
	if s == nil {
		return func() {}, nil
	}
	select {
	case s <- struct{}{}:
	case <-ctx.Done():
		return nil, s.limitError(ctx)
	}
	if ctx.Err() != nil { // both were ready
		<-s
		return nil, s.limitError(ctx)
	}
	stop := context.AfterFunc(ctx, func() { <-s })
	return func() {
		if stop() {
			<-s
		}
	}, nil
}

func (s semaphore) limitError(ctx context.Context) error {
	return fmt.Errorf("%s while %d other fetches were in flight, which is the limit", causeText(ctx), cap(s))
}
