// Command floor is the floor for the size of command hush. It reads JSON from an HTTP service and
// logs with zap.
package main

import (
	"context"
	"encoding/json"
	"net/http"

	"go.uber.org/zap"
)

func main() {
	logger := zap.Must(zap.NewProduction())
	var response struct{ Name string }
	err := get(context.Background(), "http://127.0.0.1:2773/", &response)
	logger.Info("secret read", zap.String("name", response.Name), zap.Error(err))
}

func get(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into)
}
