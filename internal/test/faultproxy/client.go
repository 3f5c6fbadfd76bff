package faultproxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Canary is part of everything that a fault says of its own. No error and no log
// of a client may hold it.
const Canary = "canary-faultproxy-5a7e"

const (
	// body is a secret for any client that is taken in by it.
	body   = `{"SecretString":"` + Canary + `","data":{"data":{"value":"` + Canary + `"}}}`
	header = "X-Canary: " + Canary + "\r\n"
	// cut is how many bytes of an answer's end make it incomplete.
	cut = 8
	// most is the largest piece of a request or an answer.
	most = 256 << 10
)

// A client is a connection of one.
type client struct {
	proxy    *Proxy
	conn     *net.TCPConn
	answered atomic.Bool // the server has answered on it
}

// serve forwards requests until one meets a fault, or a side hangs up.
func (c *client) serve() {
	if f, lasting := c.proxy.now(); f == HangBeforeRequest {
		c.proxy.noteStruck()
		<-lasting.Done()
		return
	}
	var answers sync.WaitGroup
	defer answers.Wait()
	server, err := dial(c.proxy.target)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	answers.Go(func() { c.backward(server) })
	for buffer := make([]byte, most); ; {
		n, err := c.conn.Read(buffer)
		if err != nil {
			return
		}
		if f, lasting := c.proxy.now(); c.meets(f) {
			_ = server.Close()
			answers.Wait()
			c.strike(lasting, f, buffer[:n])
			return
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (c *client) meets(f Fault) bool { return f != None && (f != DeadKept || c.answered.Load()) }

// backward forwards answers. When the server hangs up, so does the proxy.
func (c *client) backward(server net.Conn) {
	buffer := make([]byte, most)
	for {
		n, err := server.Read(buffer)
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				_ = c.conn.CloseWrite()
			}
			return
		}
		c.answered.Store(true)
		if _, err := c.conn.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// strike answers the request that begins with request. Afterwards the connection
// is of no more use.
func (c *client) strike(lasting context.Context, f Fault, request []byte) {
	c.proxy.noteStruck()
	defer context.AfterFunc(lasting, func() { _ = c.conn.Close() })()
	switch f {
	case ResetInBody:
		c.say(c.truth(lasting, request, cut))
		c.reset()
	case Truncate:
		c.say(c.truth(lasting, request, cut))
		c.end()
	case Drip:
		c.trickle(lasting, c.truth(lasting, request, 0))
		c.end()
	case DeadKept:
		c.reset()
	default:
		c.receive(request)
		c.lie(f)
	}
}

// receive reads the rest of the request that begins with request. The SDK closes the
// body of a request when the response comes, and net/http would take that for a
// failure of the request.
func (c *client) receive(request []byte) {
	whole, err := http.ReadRequest(bufio.NewReader(io.MultiReader(bytes.NewReader(request), c.conn)))
	if err == nil {
		_, _ = io.Copy(io.Discard, whole.Body)
	}
}

// lie answers with what no server said.
func (c *client) lie(f Fault) {
	const (
		status   = "HTTP/1.1 200 OK\r\n"
		chunked  = "Transfer-Encoding: chunked\r\n\r\n"
		terabyte = 1 << 40
		many     = 1 << 10 // at once, for a call to the system each would be slow
	)
	padding := strings.Repeat(Canary, many)
	switch f {
	case Garbage:
		c.say("\x00\xff " + Canary + "\r\n\r\n" + body + "\r\n")
	case HTTP09:
		c.say(body)
		c.end()
	case TLS:
		c.say("\x15\x03\x01\x00\x02\x02\x0a") // a fatal alert: unexpected message
		c.end()
	case EndlessHeaders:
		c.repeat(status, strings.Repeat(header, many))
	case EndlessContinue:
		c.repeat("", strings.Repeat("HTTP/1.1 100 Continue\r\n"+header+"\r\n", many))
	case HugeBody:
		c.repeat(status+contentLength(terabyte)+`{"SecretString":"`, padding)
	case HugeChunks:
		c.repeat(status+chunked+chunk(`{"SecretString":"`), chunk(padding))
	case HugeRefusal:
		c.repeat("HTTP/1.1 500 Internal Server Error\r\n"+contentLength(terabyte)+`{"message":"`, padding)
	case EndlessChunks:
		c.say(status + chunked + chunk(body))
	case LongLength:
		c.say(status + contentLength(len(body)+1) + body)
	case ShortLength:
		c.say(status + contentLength(len(body)/2) + body)
	}
	c.hold()
}

func contentLength(n int) string { return "Content-Length: " + strconv.Itoa(n) + "\r\n\r\n" }

func chunk(text string) string {
	return strconv.FormatInt(int64(len(text)), 16) + "\r\n" + text + "\r\n"
}

// truth returns the server's answer to the request that begins with request,
// without its last bytes; nothing if there is none.
func (c *client) truth(lasting context.Context, request []byte, without int) string {
	server, err := dial(c.proxy.target)
	if err != nil {
		return ""
	}
	defer func() { _ = server.Close() }()
	defer context.AfterFunc(lasting, func() { _ = server.Close() })()
	c.proxy.active.Go(func() {
		// Not by splice, whose pipes stay open in a pool.
		_, _ = io.Copy(struct{ io.Writer }{server}, io.MultiReader(bytes.NewReader(request), c.conn))
		_ = server.Close() // the client does not wait any more
	})
	buffer := make([]byte, most)
	n, _ := server.Read(buffer)
	return string(buffer[:max(n-without, 0)])
}

func (c *client) say(text string) { _, _ = io.WriteString(c.conn, text) }

// repeat says first and then again and again next, until the client hangs up.
func (c *client) repeat(first, next string) {
	c.say(first)
	for {
		if _, err := io.WriteString(c.conn, next); err != nil {
			return
		}
	}
}

func (c *client) trickle(lasting context.Context, text string) {
	ticker := time.NewTicker(c.proxy.drip)
	defer ticker.Stop()
	for i := range len(text) {
		if _, err := c.conn.Write([]byte{text[i]}); err != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-lasting.Done():
			return
		}
	}
}

// reset makes the end of the connection a reset instead of an orderly one.
func (c *client) reset() { _ = c.conn.SetLinger(0) }

// end tells the client that nothing more comes, and waits for it to hang up: what
// is closed with a part of the request unread would end in a reset.
func (c *client) end() {
	_ = c.conn.CloseWrite()
	c.hold()
}

// hold waits for the client to hang up.
func (c *client) hold() { _, _ = io.Copy(io.Discard, c.conn) }
