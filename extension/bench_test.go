package extension_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/extension"
)

// BenchmarkGet measures a read over a kept connection, and a read by a program without
// this package. The ratio alternates between the two, and changes which is first, so that
// it does not depend on the load of the machine or on the order.
func BenchmarkGet(b *testing.B) {
	server := httptest.NewServer(respondWith(200, `{"ARN":"`+arn+`db-AbCdEf","CreatedDate":"2022-11-16T08:22:40.499Z","Name":"db",`+
		`"SecretBinary":null,"SecretString":"{\"user\":\"app\",\"password\":\"hunter2\"}","VersionId":"00000000-0000-4000-8000-000000000000",`+
		`"VersionStages":["AWSCURRENT"],"ResultMetadata":{}}`))
	defer server.Close()
	p := extension.New(&extension.Options{
		Endpoint: server.URL, Dialect: extension.DialectLambda,
		Token: func(context.Context) (string, error) { return sessionToken, nil },
	})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	bare := func() { readBare(b, client, server.URL) }
	ours := func() {
		if _, err := p.Get(b.Context(), hush.Name("db")); err != nil {
			b.Fatal(err)
		}
	}
	for name, read := range map[string]func(){"bare": bare, "extension": ours} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				read()
			}
		})
	}
	b.Run("ratio", func(b *testing.B) {
		var floor, cost time.Duration
		for bareFirst := true; b.Loop(); bareFirst = !bareFirst {
			if bareFirst {
				floor += duration(bare)
			}
			cost += duration(ours)
			if !bareFirst {
				floor += duration(bare)
			}
		}
		b.ReportMetric(float64(cost)/float64(b.N), "ours-ns/op")
		b.ReportMetric(float64(floor)/float64(b.N), "bare-ns/op")
		b.ReportMetric(float64(cost)/float64(floor), "ours/bare")
	})
}

func duration(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

func readBare(b *testing.B, client *http.Client, endpoint string) {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, endpoint+"/secretsmanager/get?secretId=db", nil)
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("X-Aws-Parameters-Secrets-Token", sessionToken)
	response, err := client.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var secret struct {
		SecretString string
		VersionID    string `json:"VersionId"`
	}
	if err := json.NewDecoder(response.Body).Decode(&secret); err != nil || secret.SecretString == "" {
		b.Fatal(err)
	}
}
