// Command floor is the smallest program of its kind without hush: it asks an HTTP
// service for JSON and logs with zap. The size command measures hush against it.
package main

import (
	"context"
	"encoding/json"
	"net/http"

	"go.uber.org/zap"
)

func main() {
	logger := zap.Must(zap.NewProduction())
	var answer struct{ Name string }
	err := ask(context.Background(), "http://127.0.0.1:2773/", &answer)
	logger.Info("asked", zap.String("name", answer.Name), zap.Error(err))
}

func ask(ctx context.Context, url string, into any) error {
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
