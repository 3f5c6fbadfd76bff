package chain_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
)

// The first store is down, so the second store returns the secret, which is marked as a
// fallback. The log omits fields that differ from run to run.
func Example() {
	down := hush.ProviderFunc(func(_ context.Context, ref hush.Ref) (hush.Secret, error) {
		return hush.Secret{}, hush.NewError("direct", ref, hush.ErrUnavailable, fmt.Errorf("connection refused"))
	})
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "latency" {
				return slog.Attr{}
			}
			return a
		},
	}))
	secrets := chain.New([]chain.Link{
		{Name: "direct", Provider: down},
		{Name: "env", Provider: hush.Static(map[string]string{"db/prod": "hunter2"})},
	}, &chain.Options{OnCall: chain.SlogCalls(log)})

	secret, err := secrets.Get(context.Background(), hush.Name("db/prod"))
	fmt.Println(secret.Source, secret.FromFallback, err)
	// Output:
	// level=WARN msg="secret call" provider=direct secret=db/prod outcome=unavailable version="" attempt=1 front=false fallback=false error="direct: \"db/prod\": unavailable: connection refused"
	// level=INFO msg="secret call" provider=env secret=db/prod outcome=ok version="" attempt=2 front=false fallback=true
	// env true <nil>
}
