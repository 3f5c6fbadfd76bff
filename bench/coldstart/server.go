package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// secret is the response of both protocols.
const secret = `{"ARN":"arn:aws:secretsmanager:eu-west-1:123456789012:secret:app/db-AbCdEf","Name":"app/db",` +
	`"VersionId":"11111111-2222-3333-4444-555555555555","SecretString":"{\"user\":\"app\",\"password\":\"hunter2\"}",` +
	`"VersionStages":["AWSCURRENT"]%s}`

// A server is the Lambda extension and Secrets Manager on one loopback port.
type server struct {
	http    http.Server
	port    string
	closed  string // a closed port
	latency atomic.Int64
}

func startServer() (*server, error) {
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{port: portOf(listener), closed: "1"} // port 1 is privileged and not in use
	s.http.Handler = http.HandlerFunc(s.serve)
	go func() { _ = s.http.Serve(listener) }()
	return s, nil
}

func portOf(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	time.Sleep(time.Duration(s.latency.Load()))
	if r.Method == http.MethodPost {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		fmt.Fprintf(w, secret, `,"CreatedDate":1569534789.046`)
		return
	}
	fmt.Fprintf(w, secret, `,"CreatedDate":"2022-11-16T08:22:40.499Z","SecretBinary":null,"ResultMetadata":{}`)
}

func (s *server) close() { _ = s.http.Close() }
