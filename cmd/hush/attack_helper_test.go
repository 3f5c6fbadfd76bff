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

// The attackers of the agent, which run in a process of their own. None of them has the
// token.

// attackConns is how many connections an attacker keeps open, or tries to.
const attackConns = 3300

// attacks are by name what an attacker does with a connection, until the server closes
// it or the attack ends.
var attacks = map[string]func(net.Conn) error{
	// Headers that never end, and that take far more memory than bytes.
	"headers": func(conn net.Conn) error {
		return errors.Join(writeText(conn, endlessHeaders()), untilClosed(conn))
	},
	// Requests whose responses are not read. The last write blocks.
	"pipeline": func(conn net.Conn) error {
		return writeText(conn, strings.Repeat("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", 6000))
	},
	"silent": untilClosed,
	// Headers of one byte each now and then.
	"slow": func(conn net.Conn) error {
		err := writeText(conn, "GET /ping HTTP/1.1\r\nX: ")
		for err == nil {
			_ = conn.SetReadDeadline(time.Now().Add(time.Second))
			if err = untilClosed(conn); errors.Is(err, os.ErrDeadlineExceeded) {
				err = writeText(conn, "x")
			}
		}
		return err
	},
	"wrong token": func(conn net.Conn) error {
		return errors.Join(writeText(conn, "GET /v1/db HTTP/1.1\r\nHost: x\r\nX-Vault-Token: wrong\r\n\r\n"), untilClosed(conn))
	},
	// A body that the server may wait for.
	"body": func(conn net.Conn) error {
		return errors.Join(writeText(conn, "POST /v1/db HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx"), untilClosed(conn))
	},
	// Connections that end at once, with a reset.
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

// untilClosed reads until the server closes the connection, which is an error as well.
func untilClosed(conn net.Conn) error {
	_, err := io.Copy(io.Discard, conn)
	return cmp.Or(err, io.EOF)
}

func writeText(conn net.Conn, text string) error {
	_, err := io.WriteString(conn, text)
	return err
}

// attackServer attacks args[1] in the way of args[0] for args[2], with args[3] new
// connections a second at most. It prints how many connections it had.
func attackServer(args []string) int {
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
				if attackOnce(ctx, args[1], attack) {
					opened.Add(1)
				}
			}
		})
	}
	group.Wait()
	_, _ = fmt.Fprintln(os.Stdout, opened.Load())
	return 0
}

// attackOnce attacks on one connection, and reports whether there was one.
func attackOnce(ctx context.Context, addr string, attack func(net.Conn) error) bool {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	_ = attack(conn) // which ends with the connection
	_ = conn.Close()
	return true
}
