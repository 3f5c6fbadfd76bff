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
	loadTimeout = 3 * time.Second // of files, and of the metadata service's region

	// moment is how long a failure to find credentials is believed: long enough that
	// a busy program does not look a thousand times a second.
	moment = time.Second
)

// A Lazy is a T that needs the AWS configuration, which is loaded when the first
// caller asks for it. It is safe for concurrent use.
type Lazy[T any] struct {
	opts Options
	now  clock.Func
	make func(aws.Config) T
	sys  string // where Linux shows the machine's firmware

	mu      sync.Mutex
	current *Loading[T]
}

// NewLazy returns a Lazy of what of makes of the configuration.
func NewLazy[T any](opts Options, now clock.Func, of func(aws.Config) T) *Lazy[T] {
	return &Lazy[T]{opts: opts, now: now, make: of, sys: ec2.Sys}
}

// A Loading is one attempt to load the configuration, and what came of it. Its
// members below done are set before done is closed.
type Loading[T any] struct {
	done    chan struct{}
	made    hidden.Of[T] // which may hold credentials
	class   hush.Class   // of err
	err     error
	expires clock.Instant // if brief: when to try again
	brief   bool
}

// Load returns the loading that serves now, and starts one if there is none. It is
// detached from ctx: others wait for it, too.
func (z *Lazy[T]) Load(ctx context.Context) *Loading[T] {
	z.mu.Lock()
	defer z.mu.Unlock()
	if l := z.current; l != nil && !z.over(l) {
		return l
	}
	l := &Loading[T]{done: make(chan struct{})}
	z.current = l
	go z.run(context.WithoutCancel(ctx), l)
	return l
}

func (z *Lazy[T]) over(l *Loading[T]) bool {
	return l.Done() && l.brief && z.now().Reached(l.expires)
}

// run loads the configuration. A failure, and a configuration without a region, are
// kept for a moment only. A panic of Options.Configure is a failure, because this
// goroutine is not the caller's.
func (z *Lazy[T]) run(ctx context.Context, l *Loading[T]) {
	defer close(l.done)
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	l.brief, l.class, l.err = true, hush.ErrUnavailable, errors.New("Options.Configure ended its goroutine")
	defer func() {
		if fault := recover(); fault != nil {
			l.err = fmt.Errorf("Options.Configure panicked (%T)", fault)
		}
		l.expires = z.now().Add(moment)
	}()
	cfg, class, err := z.load(ctx)
	if err == nil {
		l.made = hidden.New(z.make(cfg))
	}
	l.brief, l.class, l.err = err != nil || cfg.Region == "", class, err
}

// Done reports whether the loading has ended, so that Wait need not wait.
func (l *Loading[T]) Done() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// Wait returns what was made when the loading has ended, or a class and a cause why
// there is nothing: ErrAbsent if nobody configured credentials, ErrUnauthenticated
// if what is configured cannot be used, ErrUnavailable if it took longer than
// timeout. A timeout that is not positive is none.
func (l *Loading[T]) Wait(ctx context.Context, timeout time.Duration) (made T, class hush.Class, err error) {
	if !l.Done() {
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
