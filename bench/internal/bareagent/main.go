// Command bareagent is hush agent without hush. It serves the secrets of Secrets Manager with
// net/http and the AWS SDK to clients that send the token in AWS_TOKEN. A benchmark compares its
// start with the start of hush agent.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "bareagent:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client, token := secretsmanager.NewFromConfig(cfg), os.Getenv("AWS_TOKEN")
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "listening on http://%s\n", listener.Addr())
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Aws-Parameters-Secrets-Token") != token {
			http.Error(w, "Bad Token", http.StatusForbidden)
			return
		}
		id := r.URL.Query().Get("secretId")
		secret, err := client.GetSecretValue(r.Context(), &secretsmanager.GetSecretValueInput{SecretId: &id})
		if err != nil {
			http.Error(w, "cannot read the secret", http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(secret)
	})}
	return server.Serve(listener)
}
