package bearer_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/examples/bearer"
	"github.com/hush-secrets/hush/providertest"
)

// The token is rotated while the client has the old token in its cache.
func Example() {
	var store providertest.Map
	store.Put("api/token", []byte("one"))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("Authorization")
		fmt.Println("request with", token)
		if current, _ := store.Get(r.Context(), ref); token != "Bearer "+current.Value.Reveal() {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer server.Close()

	secrets := cachettl.New(&store, 5*time.Minute, nil)
	defer secrets.Close()
	client := &http.Client{Transport: bearer.New(secrets, ref, server.URL, nil)}
	get := func() {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			fmt.Println(err)
			return
		}
		response, err := client.Do(request)
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = response.Body.Close()
		fmt.Println(response.Status)
	}

	get()
	store.Put("api/token", []byte("two"))
	get()
	// Output:
	// request with Bearer one
	// 200 OK
	// request with Bearer one
	// request with Bearer two
	// 200 OK
}
