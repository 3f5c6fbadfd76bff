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

// Canary is part of every response that a fault makes up. No error and no log of a client
// may contain it.
const Canary = "canary-faultproxy-5a7e"

const (
	// body is a secret for a client that accepts it.
	body   = `{"SecretString":"` + Canary + `","data":{"data":{"value":"` + Canary + `"}}}`
	header = "X-Canary: " + Canary + "\r\n"
	// cut is the number of bytes that are missing from an incomplete response.
	cut = 8
	// bufferSize is the size of the buffers for requests and responses.
	bufferSize = 256 << 10
)

// A client is the connection of a client.
type client struct {
	proxy     *Proxy
	conn      *net.TCPConn
	responded atomic.Bool // the server has sent a response on the connection
}

// serve forwards requests until one meets a fault, or a side closes its connection.
func (c *client) serve() {
	if f, faultCtx := c.proxy.currentFault(); f == HangBeforeRequest {
		c.proxy.noteFailed()
		<-faultCtx.Done()
		return
	}
	var forwarding sync.WaitGroup
	defer forwarding.Wait()
	server, err := dial(c.proxy.target)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	forwarding.Go(func() { c.forwardResponses(server) })
	for buffer := make([]byte, bufferSize); ; {
		n, err := c.conn.Read(buffer)
		if err != nil {
			return
		}
		if f, faultCtx := c.proxy.currentFault(); c.applies(f) {
			_ = server.Close()
			forwarding.Wait()
			c.inject(faultCtx, f, buffer[:n])
			return
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// applies reports whether f applies to the next request on the connection.
func (c *client) applies(f Fault) bool { return f != None && (f != DeadKept || c.responded.Load()) }

// forwardResponses forwards responses. When the server closes its connection, so does the proxy.
func (c *client) forwardResponses(server net.Conn) {
	buffer := make([]byte, bufferSize)
	for {
		n, err := server.Read(buffer)
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				_ = c.conn.CloseWrite()
			}
			return
		}
		c.responded.Store(true)
		if _, err := c.conn.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// inject responds with fault f to the request that begins with request. The connection
// cannot be used afterwards.
func (c *client) inject(faultCtx context.Context, f Fault, request []byte) {
	c.proxy.noteFailed()
	defer context.AfterFunc(faultCtx, func() { _ = c.conn.Close() })()
	switch f {
	case ResetInBody:
		c.write(c.serverResponse(faultCtx, request, cut))
		c.reset()
	case Truncate:
		c.write(c.serverResponse(faultCtx, request, cut))
		c.end()
	case Drip:
		c.writeSlowly(faultCtx, c.serverResponse(faultCtx, request, 0))
		c.end()
	case DeadKept:
		c.reset()
	default:
		c.receive(request)
		c.writeFake(f)
	}
}

// receive reads the rest of the request that begins with request. The AWS SDK closes the
// body of a request when the response arrives, and net/http would report this as a failure
// of the request.
func (c *client) receive(request []byte) {
	whole, err := http.ReadRequest(bufio.NewReader(io.MultiReader(bytes.NewReader(request), c.conn)))
	if err == nil {
		_, _ = io.Copy(io.Discard, whole.Body)
	}
}

// writeFake writes a response that the server did not send.
func (c *client) writeFake(f Fault) {
	const (
		status   = "HTTP/1.1 200 OK\r\n"
		chunked  = "Transfer-Encoding: chunked\r\n\r\n"
		terabyte = 1 << 40
		batch    = 1 << 10 // repetitions in one system call
	)
	padding := strings.Repeat(Canary, batch)
	switch f {
	case Garbage:
		c.write("\x00\xff " + Canary + "\r\n\r\n" + body + "\r\n")
	case HTTP09:
		c.write(body)
		c.end()
	case TLS:
		c.write("\x15\x03\x01\x00\x02\x02\x0a") // a fatal alert: unexpected message
		c.end()
	case EndlessHeaders:
		c.repeat(status, strings.Repeat(header, batch))
	case EndlessContinue:
		c.repeat("", strings.Repeat("HTTP/1.1 100 Continue\r\n"+header+"\r\n", batch))
	case HugeBody:
		c.repeat(status+contentLength(terabyte)+`{"SecretString":"`, padding)
	case HugeChunks:
		c.repeat(status+chunked+chunk(`{"SecretString":"`), chunk(padding))
	case HugeRefusal:
		c.repeat("HTTP/1.1 500 Internal Server Error\r\n"+contentLength(terabyte)+`{"message":"`, padding)
	case EndlessChunks:
		c.write(status + chunked + chunk(body))
	case LongLength:
		c.write(status + contentLength(len(body)+1) + body)
	case ShortLength:
		c.write(status + contentLength(len(body)/2) + body)
	}
	c.hold()
}

func contentLength(n int) string { return "Content-Length: " + strconv.Itoa(n) + "\r\n\r\n" }

func chunk(text string) string {
	return strconv.FormatInt(int64(len(text)), 16) + "\r\n" + text + "\r\n"
}

// serverResponse returns the server's response to the request that begins with request,
// without the last bytes. It returns nothing if there is no response.
func (c *client) serverResponse(faultCtx context.Context, request []byte, without int) string {
	server, err := dial(c.proxy.target)
	if err != nil {
		return ""
	}
	defer func() { _ = server.Close() }()
	defer context.AfterFunc(faultCtx, func() { _ = server.Close() })()
	c.proxy.active.Go(func() {
		// Splice is not used, because its pipes stay open in a pool.
		_, _ = io.Copy(struct{ io.Writer }{server}, io.MultiReader(bytes.NewReader(request), c.conn))
		_ = server.Close() // the client no longer waits
	})
	buffer := make([]byte, bufferSize)
	n, _ := server.Read(buffer)
	return string(buffer[:max(n-without, 0)])
}

func (c *client) write(text string) { _, _ = io.WriteString(c.conn, text) }

// repeat writes first, and then next repeatedly until the client closes the connection.
func (c *client) repeat(first, next string) {
	c.write(first)
	for {
		if _, err := io.WriteString(c.conn, next); err != nil {
			return
		}
	}
}

func (c *client) writeSlowly(faultCtx context.Context, text string) {
	ticker := time.NewTicker(c.proxy.drip)
	defer ticker.Stop()
	for i := range len(text) {
		if _, err := c.conn.Write([]byte{text[i]}); err != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-faultCtx.Done():
			return
		}
	}
}

// reset makes Close reset the connection.
func (c *client) reset() { _ = c.conn.SetLinger(0) }

// end ends the response and waits for the client to close the connection. If the proxy
// closed it with a part of the request unread, the system would reset it.
func (c *client) end() {
	_ = c.conn.CloseWrite()
	c.hold()
}

// hold waits for the client to close the connection.
func (c *client) hold() { _, _ = io.Copy(io.Discard, c.conn) }
