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

// readyMessage is the log message of a server that accepts connections.
const readyMessage = "database system is ready to accept connections"

// A process is a running server. The pipe of its log is closed when its last process ends.
type process struct {
	cmd   *exec.Cmd
	ready chan struct{} // closed when the server accepts connections
	ended chan struct{} // closed when the server and its children have ended
	log   []string      // the last lines; valid after ended is closed
}

// launch starts the server and returns when it accepts connections.
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

// run starts the server and keeps the thread until the server has ended. Linux sends Pdeathsig
// at the end of the thread that started the server.
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
	_ = p.cmd.Wait() // ProcessState has the result
}

func (p *process) read(log io.Reader) {
	const maxLines = 40
	isReady := false
	for lines := bufio.NewScanner(log); lines.Scan(); {
		p.log = append(p.log[max(0, len(p.log)-maxLines+1):], lines.Text())
		if !isReady && strings.Contains(lines.Text(), readyMessage) {
			isReady = true
			close(p.ready)
		}
	}
	_, _ = io.Copy(io.Discard, log) // the rest after a line that is too long for the scanner
}

// stop stops the server like pg_ctl stop -m immediate. It returns an error if the server had
// already ended, for example after a crash.
func (p *process) stop() error {
	err := p.cmd.Process.Signal(syscall.SIGQUIT)
	<-p.ended
	if err != nil {
		return fmt.Errorf("pg: the server had already ended with %v: %w\n%s", p.cmd.ProcessState, err, strings.Join(p.log, "\n"))
	}
	return nil
}
