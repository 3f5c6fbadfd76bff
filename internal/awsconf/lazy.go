package awsconf

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/internal/ec2"
	"github.com/hush-secrets/hush/internal/hidden"
	"github.com/hush-secrets/hush/internal/limit"
)

const (
	loadTimeout = 3 * time.Second // of files, and of the region of the metadata service

	// failureTTL is how long a failure to load is kept, so that a busy program does not
	// load the configuration a thousand times a second.
	failureTTL = time.Second
)

// A Lazy makes a T from the AWS configuration when it is first needed. It is safe for
// concurrent use.
type Lazy[T any] struct {
	opts Options
	now  clock.Func
	make func(aws.Config) T
	sys  string // the directory in which Linux shows the firmware

	mu      sync.Mutex
	current *load[T]
}

// NewLazy returns a Lazy that calls newT with the configuration.
func NewLazy[T any](opts Options, now clock.Func, newT func(aws.Config) T) *Lazy[T] {
	return &Lazy[T]{opts: opts, now: now, make: newT, sys: ec2.Sys}
}

// A load is one attempt to load the configuration. The fields below done are set before
// done is closed.
type load[T any] struct {
	done    chan struct{}
	made    hidden.Of[T] // may contain credentials
	class   hush.Class   // of err
	err     error
	retry   bool // after retryAt
	retryAt clock.Instant
}

// Get returns the T. It waits while the configuration is loaded, at most for timeout. A
// timeout that is not positive is not a limit. If there is no T, Get returns a class and
// a cause: ErrAbsent if no credentials are configured, ErrUnauthenticated if the
// configuration is invalid, and ErrUnavailable after the timeout.
func (z *Lazy[T]) Get(ctx context.Context, timeout time.Duration) (made T, class hush.Class, err error) {
	l := z.start(ctx)
	if !l.isDone() {
		limited, cancel := limit.Context(ctx, timeout, "loading the AWS configuration")
		defer cancel()
		select {
		case <-l.done:
		case <-limited.Done():
			class, err, _ = limit.Cut(ctx, limited, 0)
			return made, class, err
		}
	}
	return l.made.Get(), l.class, l.err
}

// start returns the current load, and starts one if necessary. The load continues after
// ctx ends, because other callers wait for it.
func (z *Lazy[T]) start(ctx context.Context) *load[T] {
	z.mu.Lock()
	defer z.mu.Unlock()
	if l := z.current; l != nil && (!l.isDone() || !l.retry || !z.now().Reached(l.retryAt)) {
		return l
	}
	l := &load[T]{done: make(chan struct{})}
	z.current = l
	go z.run(context.WithoutCancel(ctx), l)
	return l
}

// run loads the configuration. A failure, and a configuration without a region, are kept
// for failureTTL. A panic of Options.Configure is a failure, because this goroutine is
// not the caller's.
func (z *Lazy[T]) run(ctx context.Context, l *load[T]) {
	defer close(l.done)
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	l.retry, l.class, l.err = true, hush.ErrUnavailable, errors.New("Options.Configure ended its goroutine")
	defer func() {
		if fault := recover(); fault != nil {
			l.err = fmt.Errorf("Options.Configure panicked (%T)", fault)
		}
		l.retryAt = z.now().Add(failureTTL)
	}()
	cfg, class, err := z.load(ctx)
	if err == nil {
		l.made = hidden.New(z.make(cfg))
	}
	l.retry, l.class, l.err = err != nil || cfg.Region == "", class, err
}

func (l *load[T]) isDone() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}
