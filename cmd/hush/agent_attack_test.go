package main_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	legitimateClients = 50

	// maxAttackedMemory is the memory limit of the agent under attack, in KiB.
	maxAttackedMemory = 128 << 10
)

// TestAgentUnderAttack serves clients with the token while clients without it attack.
// ATTACK sets the duration of each attack. If it is set, the attacks are as fast as
// possible, and the test also attacks bare net/http for comparison, which needs a quiet
// machine. 'make agent-attack' sets 30 s.
func TestAgentUnderAttack(t *testing.T) {
	length, rate, full := time.Second, 3000, false
	if text, ok := os.LookupEnv("ATTACK"); ok {
		var err error
		length, err = time.ParseDuration(text)
		require.NoError(t, err, "ATTACK")
		rate, full = 100_000, true
	}
	for _, attack := range slices.Sorted(maps.Keys(attacks)) {
		t.Run(attack, func(t *testing.T) {
			store, vars := startStore(t)
			store.Put("db", []byte(`{"username":"app","password":"correct horse battery staple"}`))
			a := startAgent(t, vars)
			sample := a.ask(t, "GET", getPath+"db").body
			ours := underAttack(t, attack, a.url, length, rate, len(sample))
			ours.report(t, "hush agent")
			memory := peak(a.cmd.Process.Pid)
			t.Logf("peak memory: %d KiB", memory)
			assert.LessOrEqual(t, memory, maxAttackedMemory)
			if full {
				bare := underAttack(t, attack, startBareServer(t, sample), length, rate, len(sample))
				bare.log(t, "bare net/http")
				limit := max(50*time.Millisecond, 3*bare.at(0.99))
				t.Logf("%s: p99 is %.2f of its limit", attack, float64(ours.at(0.99))/float64(limit))
			}
		})
	}
}

// measureUnderAttack measures clients that send requests to url while another process
// attacks it.
func underAttack(t *testing.T, attack, url string, length time.Duration, rate, size int) load {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), length+testTimeout)
	defer cancel()
	attacker := exec.CommandContext(ctx, os.Args[0], attack, strings.TrimPrefix(url, "http://"), length.String(), fmt.Sprint(rate))
	attacker.Env = append(os.Environ(), helperVariable+"=attack", "GOMAXPROCS=1")
	var opened strings.Builder
	attacker.Stdout = &opened
	require.NoError(t, attacker.Start())
	good := measureClients(t.Context(), url, length, size)
	if err := attacker.Wait(); err != nil {
		require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded, "%v", err) // the server may keep connections open
	}
	t.Logf("%s: %s attacking connections", attack, strings.TrimSpace(opened.String()))
	return good
}

// measureClients measures clients. Half of them keep their connection, and the others
// open a connection for each request.
func measureClients(ctx context.Context, url string, length time.Duration, size int) load {
	kept := &http.Transport{MaxIdleConnsPerHost: legitimateClients}
	defer kept.CloseIdleConnections()
	var (
		mu    sync.Mutex
		group sync.WaitGroup
		all   load
	)
	began := time.Now()
	for i := range legitimateClients {
		transport := kept
		if i%2 == 0 {
			transport = &http.Transport{DisableKeepAlives: true}
		}
		group.Go(func() {
			took, faults := runClient(ctx, transport, url, began.Add(length), size)
			mu.Lock()
			defer mu.Unlock()
			all.took, all.faults = append(all.took, took...), append(all.faults, faults...)
		})
	}
	group.Wait()
	all.length = time.Since(began)
	return all
}

// runClient sends a request every 10 ms, or when it has the last response.
func runClient(ctx context.Context, transport http.RoundTripper, url string, end time.Time, size int) (took []time.Duration, faults []error) {
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for began := range pace.C {
		if began.After(end) {
			break
		}
		began = time.Now()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+getPath+"db", http.NoBody)
		if err != nil {
			return took, append(faults, err)
		}
		request.Header.Set("X-Aws-Parameters-Secrets-Token", agentToken)
		got, err := try(transport, request)
		switch {
		case err != nil:
			faults = append(faults, err)
		case got.status != http.StatusOK || len(got.body) != size:
			faults = append(faults, fmt.Errorf("status %d with %d bytes", got.status, len(got.body)))
		}
		took = append(took, time.Since(began))
	}
	return took, faults
}
