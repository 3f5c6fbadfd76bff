//go:build unix

package main_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/vault/vaulttest"
)

// A shell ignores SIGINT for commands in the background.
func TestIgnoredSignalsStayIgnored(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-answer
		_, _ = io.WriteString(w, `{"Name":"db","SecretString":"secret"}`)
	}))
	defer server.Close()
	cmd, _, out := start(t, []string{"AWS_TOKEN=t"}, "sh", "-c", `trap '' INT; exec "$@"`, "sh",
		binary, "exec", "--timeout", "1m", "--provider", "extension:?timeout=60s&endpoint="+server.URL, "--env", "X=db", "--", "sh", "-c", `echo "$X"`)
	<-asked
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	close(answer)
	text, err := io.ReadAll(out)
	require.NoError(t, err)
	assert.Equal(t, "secret\n", string(text))
	require.NoError(t, cmd.Wait())
}

// The first signal cancels the command. The second ends the process, here while a store
// revokes a lease and does not respond.
func TestSecondSignalEndsProcess(t *testing.T) {
	v, err := vaulttest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(v.Close)
	v.Mount("database", vaulttest.Database)
	v.LeaseRole("database", "app", &vaulttest.LeaseOptions{TTL: time.Hour})
	defer v.Hang(vaulttest.RevokeLease)()
	provider := "vault://" + v.Addr() + "?tls=false&mounts=database&revoke=true"
	cmd, _, _ := start(t, []string{"VAULT_TOKEN=" + v.RootToken()}, binary, "exec", "--provider", provider,
		"--env", "U=database/creds/app#username", "--env", "P=database/creds/nope", "--", "true")
	revoking := func() bool { return v.Calls(vaulttest.Call{Operation: vaulttest.RevokeLease}) > 0 }
	require.Eventually(t, revoking, time.Minute, 10*time.Millisecond)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	again := time.NewTicker(20 * time.Millisecond) // two signals at once may be delivered as one
	defer again.Stop()
	for {
		select {
		case <-again.C:
			_ = cmd.Process.Signal(syscall.SIGINT) // the process may have ended
			continue
		case err = <-ended:
		}
		break
	}
	require.Error(t, err)
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	assert.True(t, status.Signaled(), "status %d", status.ExitStatus())
}
