package chain_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/chain"
)

// With slog, the log says which store returned the secret. A secret that the program logs,
// by itself or in a struct, is masked.
func ExampleSlogCalls() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelDebug, // the level of calls of the first store
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "latency" {
				return slog.Attr{} // differs from run to run
			}
			return a
		},
	}))
	secrets := chain.New([]chain.Link{
		{Name: "store", Provider: hush.Static(map[string]string{"db/prod": "hunter2"})},
	}, &chain.Options{OnCall: chain.SlogCalls(log)})

	secret, err := secrets.Get(context.Background(), hush.Name("db/prod"))
	if err != nil {
		fmt.Println(err)
		return
	}
	login := struct {
		User     string
		Password hush.Value
	}{"app", secret.Value}
	log.Info("connecting", slog.Any("password", secret.Value), slog.Any("login", login))
	// Output:
	// level=DEBUG msg="secret call" provider=store secret=db/prod outcome=ok version="" attempt=1 front=false fallback=false
	// level=INFO msg=connecting password="[redacted hush.Value: call Reveal]" login="{User:app Password:[redacted hush.Value: call Reveal]}"
}
