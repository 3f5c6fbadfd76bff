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

// deadlineSlack is the longest time before the deadline of a context at which a socket
// may report a timeout. Both have the same deadline, and either can end first.
const deadlineSlack = 10 * time.Millisecond

var errNotOnEC2 = errors.New("no AWS credentials are configured, and this machine is not an EC2 instance with a metadata service; set AWS_EC2_METADATA_SERVICE_ENDPOINT if there is one")

// An observer records what happens in the SDK's retry loop during one Get. If a timeout
// ends the loop during a wait, the SDK returns only the error of the context. The
// observer has the last response before it.
type observer struct {
	region        string // of the ARN; empty means the client's
	maxAttempts   int
	lacksMetadata func() bool

	mu          sync.Mutex // a wrapper of the client may return before the call ends
	credentials aws.CredentialsProvider
	absent      error // what the client lacks to make a call
	unsigned    bool  // the last attempt got no credentials
	last        *APIError
}

// configure changes the options of one call.
func (o *observer) configure(opts *secretsmanager.Options) {
	if o.region != "" {
		opts.Region = o.region // a BaseEndpoint stays
	}
	if o.maxAttempts > 0 {
		opts.RetryMaxAttempts = o.maxAttempts
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.credentials = opts.Credentials
	switch {
	case opts.Credentials == nil:
		o.absent = errors.New("the client has no AWS credentials")
	case opts.Region == "":
		o.absent = errors.New("no AWS region is configured; set AWS_REGION")
	case awsfault.OnlyMetadata(opts.Credentials) && o.lacksMetadata():
		o.absent = errNotOnEC2
	}
	opts.APIOptions = append(opts.APIOptions, o.addMiddleware)
}

// addMiddleware observes each attempt, and each request after the retrieval of
// credentials. If it returns an error, the SDK does not start the call.
func (o *observer) addMiddleware(stack *middleware.Stack) error {
	if o.absent != nil {
		return o.absent
	}
	attempt := middleware.FinalizeMiddlewareFunc("HushAttempt", o.attempt)
	if err := stack.Finalize.Insert(attempt, "Retry", middleware.After); err != nil {
		return err
	}
	if err := stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("HushReadBody", readBody), middleware.After); err != nil {
		return err
	}
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("HushSend", o.send), "GetIdentity", middleware.After)
}

func (o *observer) attempt(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	o.setUnsigned(true)
	out, metadata, err := next.HandleFinalize(ctx, in)
	if e := o.apiError(err); e != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.last = e
	}
	return out, metadata, err
}

// send sends the request after the retrieval of credentials, so that [send] does not
// observe connections to the source of the credentials.
func (o *observer) send(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	o.setUnsigned(false)
	return send(ctx, in, next)
}

func (o *observer) setUnsigned(unsigned bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unsigned = unsigned
}

// apiError returns the response of Secrets Manager in err, or nil. Without credentials,
// a response in err comes from their source.
func (o *observer) apiError(err error) *APIError {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil || o.unsigned {
		return nil
	}
	return apiError(err)
}

// classify returns the class and the cause of a call that failed with err. limited is
// caller with the timeout of the Get.
func (o *observer) classify(caller, limited context.Context, err error) (hush.Class, error) {
	if e := o.apiError(err); e != nil {
		return e.class, e
	}
	awaitDeadline(limited, err)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.absent != nil {
		return hush.ErrAbsent, o.absent
	}
	var last hush.Class
	if o.last != nil {
		last = o.last.class
	}
	class, cause, ended := limit.Cut(caller, limited, last)
	switch {
	case ended && o.last != nil:
		return class, fmt.Errorf("%w; before it: %w", cause, o.last)
	case ended && o.unsigned && class == hush.ErrUnavailable && awsfault.OnlyMetadata(o.credentials):
		return hush.ErrAbsent, awsfault.ErrNoCredentials
	case ended:
		return class, cause
	case o.unsigned:
		return awsfault.Credentials(o.credentials, err)
	}
	return hush.ErrUnavailable, awsfault.Network(err)
}

// awaitDeadline waits for the end of ctx if err is a timeout at the deadline of ctx.
func awaitDeadline(ctx context.Context, err error) {
	deadline, ok := ctx.Deadline()
	if ok && netfault.TimedOut(err) && time.Until(deadline) < deadlineSlack {
		<-ctx.Done()
	}
}
