package agent_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
)

// A program in any language reads secrets by an HTTP request.
func Example() {
	store := hush.Static(map[string]string{"db/prod": "hunter2"})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	served := make(chan error)
	go func() { served <- agent.Serve(ctx, listener, agent.Handler(store, "a token", nil)) }()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listener.Addr().String()+"/secretsmanager/get?secretId=db/prod", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	request.Header.Set("X-Aws-Parameters-Secrets-Token", "a token")
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	fmt.Println(string(body), err)

	stop()
	fmt.Println(<-served)
	// Output:
	// {"ARN":null,"Name":"db/prod","VersionId":null,"SecretString":"hunter2","CreatedDate":null} <nil>
	// <nil>
}
