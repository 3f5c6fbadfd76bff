package main_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// While hush has secrets, it leaves no core dump, and its files in /proc belong to root,
// so that other processes of its user cannot read its memory.
func TestProcessIsNotDumpable(t *testing.T) {
	for _, words := range [][]string{{"get"}, {"exec", "--env", "X=db", "--", "true"}} {
		provider, asked := hangingStore(t)
		at := 1
		args := append(append(append([]string{}, words[:at]...), "--timeout", "1m", "--provider", provider), words[at:]...)
		if words[0] == "get" {
			args = append(args, "db")
		}
		args = append([]string{"-c", `ulimit -S -c "$(ulimit -H -c)"; exec "$@"`, "sh", binary}, args...)
		cmd := exec.CommandContext(t.Context(), "sh", args...)
		cmd.Env, cmd.Dir = append(environ(t), "AWS_TOKEN=t"), "/"
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		require.NoError(t, cmd.Start())
		<-asked
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", cmd.Process.Pid))
		require.NoError(t, err)
		assert.Regexp(t, `Max core file size +0 `, string(limits))
		info, err := os.Stat(fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid))
		require.NoError(t, err)
		stat, ok := info.Sys().(*syscall.Stat_t)
		require.True(t, ok)
		assert.Zero(t, stat.Uid)
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait())
	}
}

// openTerminal returns the two ends of a new terminal.
func openTerminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = ours.Close() })
	fd := int(ours.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = theirs.Close() })
	return ours, theirs
}

func TestGetWarnsOnTerminal(t *testing.T) {
	ours, theirs := openTerminal(t)
	cmd := exec.CommandContext(t.Context(), binary, "get", "--provider", "env", "db")
	cmd.Env, cmd.Stdout = environ(t, "DB=hunter2"), theirs
	var warned strings.Builder
	cmd.Stderr = &warned
	require.NoError(t, cmd.Run())
	_, err := theirs.WriteString("|\n")
	require.NoError(t, err)
	line, err := bufio.NewReader(ours).ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "hunter2\r\n", line, "with a line break")
	assert.Contains(t, warned.String(), "this terminal now shows a secret")
	assert.NotContains(t, warned.String(), "hunter2")

	// Other outputs have neither a line break nor a warning.
	cmd = exec.CommandContext(t.Context(), binary, "get", "--provider", "env", "db")
	cmd.Env, cmd.Stdin = environ(t, "DB=hunter2"), theirs
	assert.Equal(t, result{stdout: "hunter2"}, finish(t, cmd))
}

// The command runs in the foreground of the terminal and receives SIGINT for ^C.
func TestExecOwnsTerminal(t *testing.T) {
	ours, theirs := openTerminal(t)
	cmd := exec.CommandContext(t.Context(), binary, "exec", "--provider", "env", "--env", "X=db", "--", self(t))
	cmd.Env = environ(t, withHelper("signals", "DB=secret")...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, cmd.Start())
	out := bufio.NewReader(ours)
	line := func() string {
		text, err := out.ReadString('\n')
		require.NoError(t, err)
		return strings.TrimSpace(text)
	}
	require.Equal(t, "ready", line())
	_, err := ours.WriteString("\x03")
	require.NoError(t, err)
	assert.Contains(t, line(), "interrupt")
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	assert.Contains(t, line(), "terminated")
	require.Error(t, cmd.Wait())
	assert.Equal(t, 42, cmd.ProcessState.ExitCode())
}

func TestGetReportsWriteError(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	cmd := exec.CommandContext(t.Context(), binary, "get", "--provider", "env", "db")
	cmd.Env, cmd.Stdout = environ(t, "DB=hunter2"), full
	var stderr strings.Builder
	cmd.Stderr = &stderr
	require.Error(t, cmd.Run())
	assert.Equal(t, 1, cmd.ProcessState.ExitCode())
	assert.Contains(t, stderr.String(), "write the secrets: ")
}
