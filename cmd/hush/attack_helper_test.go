package main_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The attackers of the agent run in another process. They do not have the token.

// attackConns is the number of connections that an attacker tries to keep open.
const attackConns = 3300

// attacks has functions that attack on one connection, until the server closes it or the
// attack ends.
var attacks = map[string]func(net.Conn) error{
	// Endless headers that take more memory than bytes.
	"headers": func(conn net.Conn) error {
		return errors.Join(writeText(conn, endlessHeaders()), readUntilClosed(conn))
	},
	// Requests whose responses are not read. The last write blocks.
	"pipeline": func(conn net.Conn) error {
		return writeText(conn, strings.Repeat("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", 6000))
	},
	"silent": readUntilClosed,
	// A header that grows by a byte a second.
	"slow": func(conn net.Conn) error {
		err := writeText(conn, "GET /ping HTTP/1.1\r\nX: ")
		for err == nil {
			_ = conn.SetReadDeadline(time.Now().Add(time.Second))
			if err = readUntilClosed(conn); errors.Is(err, os.ErrDeadlineExceeded) {
				err = writeText(conn, "x")
			}
		}
		return err
	},
	"wrong token": func(conn net.Conn) error {
		return errors.Join(writeText(conn, "GET /v1/db HTTP/1.1\r\nHost: x\r\nX-Vault-Token: wrong\r\n\r\n"), readUntilClosed(conn))
	},
	// A body that does not arrive.
	"body": func(conn net.Conn) error {
		return errors.Join(writeText(conn, "POST /v1/db HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx"), readUntilClosed(conn))
	},
	// Connections that are reset at once.
	"reset": func(conn net.Conn) error { return conn.(*net.TCPConn).SetLinger(0) },
}

var endlessHeaders = sync.OnceValue(func() string {
	var b strings.Builder
	b.WriteString("GET /ping HTTP/1.1\r\n")
	for i := 0; b.Len() < 60<<10; i++ {
		_, _ = fmt.Fprintf(&b, "%x:\r\n", i)
	}
	return b.String()
})

// readUntilClosed reads until the server closes the connection. It always returns an
// error.
func readUntilClosed(conn net.Conn) error {
	_, err := io.Copy(io.Discard, conn)
	return cmp.Or(err, io.EOF)
}

func writeText(conn net.Conn, text string) error {
	_, err := io.WriteString(conn, text)
	return err
}

// runAttack runs the attack args[0] on the address args[1] for the duration args[2], with
// at most args[3] new connections a second. It prints the number of connections.
func runAttack(args []string) int {
	attack, ok := attacks[args[0]]
	length, badLength := time.ParseDuration(args[2])
	rate, badRate := strconv.Atoi(args[3])
	if !ok || badLength != nil || badRate != nil {
		return 97
	}
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	var (
		group  sync.WaitGroup
		opened atomic.Int64
		pace   = time.NewTicker(time.Second / time.Duration(rate))
	)
	for range attackConns {
		group.Go(func() {
			for ctx.Err() == nil {
				select {
				case <-pace.C:
				case <-ctx.Done():
					return
				}
				if attackConn(ctx, args[1], attack) {
					opened.Add(1)
				}
			}
		})
	}
	group.Wait()
	_, _ = fmt.Fprintln(os.Stdout, opened.Load())
	return 0
}

// attackConn attacks on one connection, and reports whether it could connect.
func attackConn(ctx context.Context, addr string, attack func(net.Conn) error) bool {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	_ = attack(conn) // it ends when the connection is closed
	_ = conn.Close()
	return true
}
