package bench_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// binaries is the directory of the programs of this run. TestMain creates and removes it.
var binaries string

func TestMain(m *testing.M) {
	code := 1
	defer func() { os.Exit(code) }()
	dir, err := os.MkdirTemp("", "hush-bench-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	binaries = dir
	code = m.Run()
}

var builds sync.Map // a func() error by path of the binary

// build returns the path of the binary of a package in the module at dir. It builds each binary
// once.
func build(tb testing.TB, dir, pkg string) string {
	tb.Helper()
	file := filepath.Join(binaries, strings.ReplaceAll(filepath.Clean(pkg), "/", "-"))
	once, _ := builds.LoadOrStore(file, sync.OnceValue(func() error {
		cmd := exec.CommandContext(context.Background(), "go", "build", "-o", file, pkg)
		cmd.Dir, cmd.Stderr = dir, os.Stderr
		return cmd.Run()
	}))
	require.NoError(tb, once.(func() error)(), "build %s", pkg)
	return file
}

// A process is a server that runs until its test ends.
type process struct {
	cmd  *exec.Cmd
	addr string // host and port
}

// start starts a server and reads its address from the first line of output. The end of the
// benchmark stops the server.
func start(tb testing.TB, cmd *exec.Cmd) *process {
	tb.Helper()
	stdout, err := cmd.StdoutPipe()
	require.NoError(tb, err)
	require.NoError(tb, cmd.Start())
	p := &process{cmd: cmd}
	tb.Cleanup(p.stop)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(tb, err, "%s", cmd)
	_, addr, ok := strings.Cut(strings.TrimSpace(line), "listening on http://")
	require.True(tb, ok, "%s: %q", cmd, line)
	p.addr = addr
	return p
}

func (p *process) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// cpu returns the CPU time of all threads of the process. It is zero on systems without /proc.
func (p *process) cpu() (total time.Duration) {
	threads, _ := filepath.Glob("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/task/*/schedstat")
	for _, thread := range threads {
		text, _ := os.ReadFile(thread)
		onCPU, _, _ := strings.Cut(string(text), " ")
		ns, _ := strconv.ParseInt(onCPU, 10, 64)
		total += time.Duration(ns)
	}
	return total
}

// resident returns the resident memory of the process in MiB. It is zero on systems without
// /proc.
func (p *process) resident() float64 {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/statm")
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(fields[1])
	return float64(pages*os.Getpagesize()) / (1 << 20)
}
