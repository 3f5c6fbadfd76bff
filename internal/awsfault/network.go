package awsfault

import (
	"errors"
	"fmt"
	"io"
	"net"

	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/hush-secrets/hush/internal/httpbody"
	"github.com/hush-secrets/hush/internal/netfault"
	"github.com/hush-secrets/hush/internal/surrogate"
)

// MaxBody bounds an answer that we read ourselves: it has room for twenty secrets of
// 64 KiB with every byte escaped.
const MaxBody = 10 << 20

// Network says why no answer came.
func Network(err error) error {
	if errors.Is(err, httpbody.ErrTooLarge) {
		return fmt.Errorf("the answer is larger than %d MiB", MaxBody>>20)
	}
	if replaced, ok := errors.AsType[surrogate.Error](err); ok {
		return replaced
	}
	return netfault.Reason(err)
}

// Unsent reports whether err is about the connection, over which no whole answer
// came.
func Unsent(err error) bool {
	_, ok := errors.AsType[*smithyhttp.RequestSendError](err)
	return ok
}

// unreached reports whether err is a network's: a file or a program can be a
// source of credentials, too.
func unreached(err error) bool {
	_, dialled := errors.AsType[*net.OpError](err)
	return dialled || netfault.TimedOut(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
