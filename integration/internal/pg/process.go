package pg

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// ready is what the server logs once it takes connections.
const ready = "database system is ready to accept connections"

// A process is a running server. Its log is read until its last process has ended, because
// the pipe is then closed.
type process struct {
	cmd   *exec.Cmd
	ready chan struct{} // closed when the server takes connections
	ended chan struct{} // closed when it and its children are gone
	log   []string      // the last lines; to be read when ended is closed
}

// launch starts the server of cmd and returns when it takes connections, or why
// it does not.
func launch(ctx context.Context, cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, ready: make(chan struct{}), ended: make(chan struct{})}
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("pg: %w", err)
	}
	started := make(chan error)
	go p.run(log, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("pg: postgres: %w", err)
	}
	select {
	case <-p.ready:
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("pg: postgres ended with %v:\n%s", cmd.ProcessState, strings.Join(p.log, "\n"))
	case <-ctx.Done():
		_ = p.stop()
		return nil, fmt.Errorf("pg: postgres was not ready in time: %w\n%s", context.Cause(ctx), strings.Join(p.log, "\n"))
	}
}

// run keeps the thread that starts the server until the server has ended: Linux
// takes the end of that thread for the end of the parent.
func (p *process) run(log io.Reader, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.ended)
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.read(log)
	_ = p.cmd.Wait() // the state says it, too
}

func (p *process) read(log io.Reader) {
	const most = 40
	isReady := false
	for lines := bufio.NewScanner(log); lines.Scan(); {
		p.log = append(p.log[max(0, len(p.log)-most+1):], lines.Text())
		if !isReady && strings.Contains(lines.Text(), ready) {
			isReady = true
			close(p.ready)
		}
	}
	_, _ = io.Copy(io.Discard, log) // after a line that is too long for the scanner
}

// stop is what pg_ctl stop -m immediate does. The server is stopped once more if
// it had ended before, so that a crash does not go unnoticed.
func (p *process) stop() error {
	err := p.cmd.Process.Signal(syscall.SIGQUIT)
	<-p.ended
	if err != nil {
		return fmt.Errorf("pg: the server had ended before, with %v: %w\n%s", p.cmd.ProcessState, err, strings.Join(p.log, "\n"))
	}
	return nil
}
