package bench_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// agentSecrets are the secrets of the agent, of 66 bytes and 60 KB.
var agentSecrets = []struct{ size, name, value string }{
	{"66B", "small", `{"username":"orders","password":"correct horse battery staple 42"}`},
	{"60KB", "large", `{"certificate":"` + strings.Repeat(`MIIB+zCCAaGgAwIBAgIU\n`, 2700) + `"}`},
}

// BenchmarkAgent compares hush agent with a server of net/http that sends the same response. 1, 16
// and 200 clients read one secret. Each server is a separate process.
func BenchmarkAgent(b *testing.B) {
	env := []string{"AWS_TOKEN=" + token}
	for _, s := range agentSecrets {
		env = append(env, "APP_"+strings.ToUpper(s.name)+"="+s.value)
	}
	cmd := exec.CommandContext(context.Background(), build(b, "..", "./cmd/hush"), "agent", "--addr", "127.0.0.1:0", "--provider", "env:?prefix=APP_", "--ttl", "1h")
	cmd.Env = env
	agent := start(b, cmd)
	for _, s := range agentSecrets {
		request := "GET /secretsmanager/get?secretId=" + s.name + " HTTP/1.1\r\nHost: localhost\r\nX-Aws-Parameters-Secrets-Token: " + token + "\r\n\r\n"
		bare := startBare(b, agent.addr, request)
		for _, clients := range []int{1, 16, 200} {
			for name, server := range map[string]*process{"hush": agent, "bare": bare} {
				b.Run(fmt.Sprintf("%s/clients=%d/%s", s.size, clients, name), func(b *testing.B) {
					load(b, server, clients, request)
				})
			}
		}
	}
}

// startBare starts a server that sends the same body as the agent.
func startBare(b *testing.B, agent, request string) *process {
	b.Helper()
	c, err := dial(agent, request)
	require.NoError(b, err)
	defer c.conn.Close()
	cmd := exec.CommandContext(context.Background(), build(b, "..", "./cmd/hush/testdata/bare"))
	cmd.Stdin = bytes.NewReader(c.body)
	return start(b, cmd)
}

// load sends b.N requests from the given number of clients.
func load(b *testing.B, server *process, clients int, request string) {
	b.Helper()
	all := make([]*client, clients)
	for i := range all {
		c, err := dial(server.addr, request)
		require.NoError(b, err)
		b.Cleanup(func() { _ = c.conn.Close() })
		all[i] = c
	}
	var sent atomic.Int64
	var group sync.WaitGroup
	before := server.cpu()
	b.ResetTimer()
	for _, c := range all {
		group.Go(func() {
			for sent.Add(1) <= int64(b.N) {
				if err := c.get(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
	b.ReportMetric(float64(server.cpu()-before)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(server.resident(), "MiB")
}

// A client sends the same request repeatedly on one connection. It uses little CPU time, so that
// the server limits the throughput. It expects that all responses have the same length.
type client struct {
	conn    net.Conn
	request []byte
	body    []byte // of the first response
	buffer  []byte // for a complete response
}

var errResponse = errors.New("the response differs from the first one")

// dial connects to a server and sends the first request.
func dial(addr, request string) (*client, error) {
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, request: []byte(request)}
	err = errors.Join(conn.SetDeadline(time.Now().Add(time.Minute)), c.first())
	return c, err
}

func (c *client) first() error {
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	var raw bytes.Buffer
	response, err := http.ReadResponse(bufio.NewReader(io.TeeReader(c.conn, &raw)), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	c.body, err = io.ReadAll(response.Body)
	c.buffer = raw.Bytes()
	return err
}

// get sends a request. The date in the header of the response may differ.
func (c *client) get() error {
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	if _, err := io.ReadFull(c.conn, c.buffer); err != nil {
		return err
	}
	if !bytes.HasPrefix(c.buffer, []byte("HTTP/1.1 200")) || !bytes.HasSuffix(c.buffer, c.body) {
		return errResponse
	}
	return nil
}
