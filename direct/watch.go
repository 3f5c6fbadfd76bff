package direct

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go/middleware"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/internal/awsfault"
	"github.com/hush-secrets/hush/internal/limit"
	"github.com/hush-secrets/hush/internal/netfault"
)

// slack is how long before a context's deadline a socket's own timer may end a
// call: the two are set to the same moment and end in either order.
const slack = 10 * time.Millisecond

var errNotOnEC2 = errors.New("no AWS credentials are configured, and this machine is not an EC2 instance, which could have a metadata service; set AWS_EC2_METADATA_SERVICE_ENDPOINT if there is one")

// A watch looks into the SDK's retry loop during one Get. A limit that ends the
// loop during one of its waits leaves only the context's error: what the attempts
// before it were answered is kept here.
type watch struct {
	region        string // of the ARN; empty: the client's
	maxAttempts   int
	lacksMetadata func() bool

	mu          sync.Mutex // a wrapper of the client may leave a call behind
	credentials aws.CredentialsProvider
	absent      error // what the client lacks to make any call
	unsigned    bool  // the last attempt got no credentials
	last        *APIError
}

// options sets up one call of the client.
func (w *watch) options(o *secretsmanager.Options) {
	if w.region != "" {
		o.Region = w.region // a BaseEndpoint stays
	}
	if w.maxAttempts > 0 {
		o.RetryMaxAttempts = w.maxAttempts
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.credentials = o.Credentials
	switch {
	case o.Credentials == nil:
		w.absent = errors.New("the client has no AWS credentials")
	case o.Region == "":
		w.absent = errors.New("no AWS region is configured")
	case awsfault.OnlyMetadata(o.Credentials) && w.lacksMetadata():
		w.absent = errNotOnEC2
	}
	o.APIOptions = append(o.APIOptions, w.instrument)
}

// instrument adds a look at each attempt, and one at those that got past the
// credentials. An error of it ends the call before it begins.
func (w *watch) instrument(stack *middleware.Stack) error {
	if w.absent != nil {
		return w.absent
	}
	attempt := middleware.FinalizeMiddlewareFunc("HushAttempt", w.attempt)
	if err := stack.Finalize.Insert(attempt, "Retry", middleware.After); err != nil {
		return err
	}
	if err := stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("HushExchange", exchange), middleware.After); err != nil {
		return err
	}
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("HushSigned", w.signed), "GetIdentity", middleware.After)
}

func (w *watch) attempt(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	w.setUnsigned(true)
	out, metadata, err := next.HandleFinalize(ctx, in)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil && !w.unsigned {
		if answer := apiError(err); answer != nil {
			w.last = answer
		}
	}
	return out, metadata, err
}

// signed sends the request once there are credentials to sign it with, so that send
// sees no connection to their source.
func (w *watch) signed(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	w.setUnsigned(false)
	return send(ctx, in, next)
}

func (w *watch) setUnsigned(unsigned bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unsigned = unsigned
}

// answer returns the service's answer in err, or nil. Without credentials no
// service was asked: an answer in err is then that of their source.
func (w *watch) answer(err error) *APIError {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil || w.unsigned {
		return nil
	}
	return apiError(err)
}

// verdict returns the class and the cause of a call that failed with err.
func (w *watch) verdict(caller, limited context.Context, err error) (hush.Class, error) {
	if answer := w.answer(err); answer != nil {
		return answer.class, answer
	}
	settle(limited, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.absent != nil {
		return hush.ErrAbsent, w.absent
	}
	if class, cause, ok := limit.Cut(caller, limited, w.lastClass()); ok {
		return w.cut(class, cause)
	}
	if w.unsigned {
		return awsfault.Credentials(w.credentials, err)
	}
	return hush.ErrUnavailable, awsfault.Network(err)
}

func (w *watch) lastClass() hush.Class {
	if w.last == nil {
		return 0
	}
	return w.last.class
}

// cut returns the verdict on a call that a context ended.
func (w *watch) cut(class hush.Class, cause error) (hush.Class, error) {
	switch {
	case w.last != nil:
		return class, fmt.Errorf("%w; before it: %w", cause, w.last)
	case w.unsigned && class == hush.ErrUnavailable && awsfault.OnlyMetadata(w.credentials):
		return hush.ErrAbsent, awsfault.ErrNoCredentials
	}
	return class, cause
}

// settle waits for the end of ctx if err is a time limit that it must have set.
func settle(ctx context.Context, err error) {
	deadline, ok := ctx.Deadline()
	if ok && netfault.TimedOut(err) && time.Until(deadline) < slack {
		<-ctx.Done()
	}
}
