package cachettl

import (
	"context"
	"errors"
	"fmt"

	"github.com/hush-secrets/hush"
)

// turns bounds the concurrent calls of next. Fetches wait in the order in which
// they came. Nil means no limit.
type turns chan struct{}

func newTurns(limit int) turns {
	if limit < 0 {
		return nil
	}
	return make(turns, limit)
}

// take waits for a turn within ctx. The turn ends with end or, because a provider
// may ignore its context, when ctx is done.
func (t turns) take(ctx context.Context) (end func(), err error) {
	if t == nil {
		return func() {}, nil
	}
	select {
	case t <- struct{}{}:
	case <-ctx.Done():
		return nil, t.late(ctx)
	}
	if ctx.Err() != nil { // the turn came just then
		<-t
		return nil, t.late(ctx)
	}
	stop := context.AfterFunc(ctx, func() { <-t })
	return func() {
		if stop() {
			<-t
		}
	}, nil
}

func (t turns) late(ctx context.Context) error {
	return fmt.Errorf("%s while %d other fetches were in flight, which is the limit", causeText(ctx), cap(t))
}

var errDropped = errors.New("no Get waits for the fetch any more")

// callNext calls next with ref when it is f's turn. The first request of a fetch in
// a batch is part of the batch.
func (c *Cache) callNext(f *fetch, ref hush.Ref) (hush.Secret, error) {
	if f.batch != nil && c.joinBatch(f, ref) {
		return f.batch.result(f)
	}
	end, err := c.turns.take(f.ctx)
	if err != nil {
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrUnavailable, err)
	}
	defer end()
	if !c.beginCall(f) {
		return hush.Secret{}, hush.NewError(source, ref, hush.ErrUnavailable, errDropped)
	}
	return c.next.Get(f.ctx, ref)
}

// beginCall marks those of fetches that are not over as calling. It reports whether
// there are any.
func (c *Cache) beginCall(fetches ...*fetch) (called bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range fetches {
		if f.over {
			continue
		}
		called = true
		if !f.calling { // else this is a confirmation
			f.calling = true
			c.counts.fetches.Add(1)
		}
	}
	return called
}
