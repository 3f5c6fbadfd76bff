// Command recipe reads a secret like AWS's article on the Lambda extension: with one GET request of
// net/http, and encoding/json.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"github.com/hush-secrets/hush/bench/coldstart/program"
)

func main() { os.Exit(program.Run(read)) }

func read() (string, error) {
	address := "http://127.0.0.1:" + os.Getenv("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT")
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, address+"/secretsmanager/get?secretId="+url.QueryEscape(program.Name), http.NoBody) //nolint:gosec // loopback
	if err != nil {
		return "", err
	}
	request.Header.Set("X-Aws-Parameters-Secrets-Token", os.Getenv("AWS_SESSION_TOKEN"))
	response, err := http.DefaultClient.Do(request) //nolint:gosec // loopback
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d", response.StatusCode)
	}
	var body struct{ SecretString string }
	err = json.NewDecoder(response.Body).Decode(&body)
	return body.SecretString, err
}
