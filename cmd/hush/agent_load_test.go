package main_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/direct/directtest"
)

const (
	loadClients = 200
	loadSecrets = 10
	loadTTL     = 500 * time.Millisecond
)

// TestAgentLoad measures many concurrent clients. LOAD sets the duration; 'make
// agent-load' sets 10 s.
func TestAgentLoad(t *testing.T) {
	length := 2 * time.Second
	if text, ok := os.LookupEnv("LOAD"); ok {
		var err error
		length, err = time.ParseDuration(text)
		require.NoError(t, err, "LOAD")
	}
	store, vars := startStore(t)
	for i := range loadSecrets {
		store.Put(fmt.Sprint("db/", i), []byte(`{"username":"app","password":"correct horse battery staple"}`))
	}
	a := startAgent(t, append(vars, "HUSH_CACHE_JITTER=0"), "--ttl", loadTTL.String())
	sample := a.ask(t, "GET", getPath+"db/0").body

	began := time.Now()
	early := make(chan int, 1)
	timer := time.AfterFunc(length/4, func() { early <- resident(a.cmd.Process.Pid) })
	defer timer.Stop()
	ours := sendLoad(t, a.url, length, sample)
	late := resident(a.cmd.Process.Pid)
	ours.report(t, "hush agent")
	quarter := <-early
	t.Logf("memory: %d KiB after a quarter, %d KiB at the end", quarter, late)
	assert.LessOrEqual(t, late, quarter*5/4+16<<10, "memory grows")
	elapsed := time.Since(began)
	for i := range loadSecrets {
		calls := store.Calls(directtest.Call{Name: fmt.Sprint("db/", i)})
		assert.LessOrEqual(t, time.Duration(calls-2)*loadTTL, elapsed, "one call for each TTL, and one before the load")
		assert.GreaterOrEqual(t, calls, 2)
	}
	sendLoad(t, startBareServer(t, sample), length/2, sample).report(t, "bare net/http")
}

// A load has the results of clients.
type load struct {
	took   []time.Duration
	length time.Duration
	faults []error
}

// report logs the latencies and requires that no request failed.
func (l load) report(t *testing.T, what string) {
	t.Helper()
	l.log(t, what)
	assert.Empty(t, l.faults, what)
}

// log logs the latencies.
func (l load) log(t *testing.T, what string) {
	t.Helper()
	slices.Sort(l.took)
	require.NotEmpty(t, l.took, what)
	t.Logf("%-13s %d responses, %.0f a second, %d faults; p50 %v, p99 %v, worst %v",
		what, len(l.took), float64(len(l.took))/l.length.Seconds(), len(l.faults), l.at(0.5), l.at(0.99), l.at(1))
}

// at returns a quantile of the latencies. It needs log before.
func (l load) at(part float64) time.Duration {
	return l.took[int(part*float64(len(l.took)-1))].Round(10 * time.Microsecond)
}

// sendLoad sends requests from many clients, each on one connection.
func sendLoad(t *testing.T, url string, length time.Duration, sample string) load {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: loadClients}
	defer transport.CloseIdleConnections()
	var (
		mu    sync.Mutex
		group sync.WaitGroup
		all   load
	)
	began := time.Now()
	for range loadClients {
		group.Go(func() {
			took, err := sendRequests(t.Context(), transport, url, began.Add(length), len(sample))
			mu.Lock()
			defer mu.Unlock()
			all.took = append(all.took, took...)
			if err != nil {
				all.faults = append(all.faults, err)
			}
		})
	}
	group.Wait()
	all.length = time.Since(began)
	return all
}

func sendRequests(ctx context.Context, transport http.RoundTripper, url string, end time.Time, size int) (took []time.Duration, err error) {
	for {
		began := time.Now()
		if began.After(end) {
			return took, nil
		}
		name := fmt.Sprint("db/", rand.N(loadSecrets))
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+getPath+name, http.NoBody)
		if err != nil {
			return took, err
		}
		request.Header.Set("X-Aws-Parameters-Secrets-Token", agentToken)
		got, err := try(transport, request)
		switch {
		case err != nil:
			return took, err
		case got.status != http.StatusOK || len(got.body) < size-10: // the date may be shorter
			return took, fmt.Errorf("status %d with %d bytes", got.status, len(got.body))
		}
		took = append(took, time.Since(began))
	}
}

// startBareServer runs testdata/bare, which serves body, and returns its address.
func startBareServer(t *testing.T, body string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "bare.exe")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./testdata/bare").CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Stdin = strings.NewReader(body)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimPrefix(strings.TrimSpace(line), "listening on ")
}

// resident returns the memory of a process in KiB, and 0 on systems without /proc.
func resident(pid int) (kib int) { return memory(pid, "VmRSS:") }

// peak returns the maximum memory of a process in KiB, and 0 on systems without /proc.
func peak(pid int) (kib int) { return memory(pid, "VmHWM:") }

func memory(pid int, field string) (kib int) {
	if runtime.GOOS != "linux" {
		return 0
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	if _, after, ok := bytes.Cut(status, []byte(field)); ok {
		_, _ = fmt.Sscan(string(after), &kib)
	}
	return kib
}
