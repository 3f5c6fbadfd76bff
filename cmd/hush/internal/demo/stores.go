package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/hush-secrets/hush"
	"github.com/hush-secrets/hush/agent"
	"github.com/hush-secrets/hush/cachettl"
	"github.com/hush-secrets/hush/chain"
	"github.com/hush-secrets/hush/direct"
	"github.com/hush-secrets/hush/direct/awsdirect"
	"github.com/hush-secrets/hush/direct/directtest"
	"github.com/hush-secrets/hush/env"
	"github.com/hush-secrets/hush/extension"
)

const (
	token     = "session token of the demo"
	envPrefix = "HUSH_DEMO_"
)

var secretRef = hush.Name("db/prod")

// stores are a Secrets Manager and, while it runs, an extension in front of it.
type stores struct {
	secretsManager *directtest.Server
	direct         *direct.Provider
	extension      *extensionServer
}

func startStores() (*stores, error) {
	server, err := directtest.Start(nil)
	if err != nil {
		return nil, fmt.Errorf("start the demo's Secrets Manager: %w", err)
	}
	server.Put(secretRef.Name, []byte("old value"))
	server.Latency(firstLatency, laterLatency)
	return &stores{secretsManager: server, direct: direct.New(server.Client(), nil)}, clearEnvironment()
}

func (s *stores) close() {
	s.stopExtension()
	s.secretsManager.Close()
}

// clearEnvironment removes the AWS configuration of the user, so that the demo calls
// only its own stores.
func clearEnvironment() error {
	var errs []error
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "PARAMETERS_SECRETS_EXTENSION_") {
			errs = append(errs, os.Unsetenv(name))
		}
	}
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_EC2_METADATA_DISABLED": "true", envPrefix + "DB_PROD": "value of the environment",
	} {
		errs = append(errs, os.Setenv(name, value))
	}
	return errors.Join(errs...)
}

// An extensionServer is a Lambda extension: the agent's handler with a cache in front of
// Secrets Manager.
type extensionServer struct {
	url    string
	cache  *cachettl.Cache
	cancel context.CancelFunc
	done   chan struct{} // closed when the server has stopped
}

func (s *stores) startExtension(ctx context.Context, ttl time.Duration) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("start the demo's extension: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	e := &extensionServer{
		url: "http://" + listener.Addr().String(), cancel: cancel, done: make(chan struct{}),
		cache: cachettl.New(s.direct, ttl, nil),
	}
	go func() {
		defer close(e.done)
		_ = agent.Serve(ctx, listener, agent.Handler(e.cache, token, nil)) // a read shows that it failed
	}()
	s.extension = e
	return nil
}

// stopExtension stops the extension if it runs. Its port then refuses connections.
func (s *stores) stopExtension() {
	if e := s.extension; e != nil {
		e.cancel()
		<-e.done
		_ = e.cache.Close()
		s.extension = nil
	}
}

// client returns a client of the extension, as a program in Lambda has it.
func (e *extensionServer) client() *extension.Provider {
	return extension.New(&extension.Options{
		Endpoint: e.url, Dialect: extension.DialectLambda,
		Token: func(context.Context) (string, error) { return token, nil },
	})
}

// A program uses hush as programs do: it has a chain behind a cache, and a log.
type program struct {
	*cachettl.Cache
	log *logBuffer
}

// newLambdaProgram returns a program that runs in Lambda.
func (s *stores) newLambdaProgram() *program {
	return newProgram(zapcore.InfoLevel, chain.Link{Name: "extension", Provider: s.extension.client(), Front: true},
		chain.Link{Name: "direct", Provider: s.direct})
}

// agentTokenFile exists on machines that run AWS's agent.
const agentTokenFile = "/var/run/awssmatoken"

// newLaptopProgram returns the same program without an extension and without AWS
// configuration. It has no link to the extension on a machine that runs AWS's agent.
func newLaptopProgram() (p *program, hasExtension bool) {
	links := []chain.Link{{Name: "direct", Provider: awsdirect.New(nil)}}
	if _, err := os.Stat(agentTokenFile); errors.Is(err, fs.ErrNotExist) {
		links = slices.Insert(links, 0, chain.Link{Name: "extension", Provider: extension.New(nil), Front: true})
		hasExtension = true
	}
	return newProgram(zapcore.DebugLevel, links...), hasExtension
}

func newProgram(level zapcore.Level, links ...chain.Link) *program {
	log := &logBuffer{}
	encoder := zapcore.NewJSONEncoder(zapcore.EncoderConfig{
		LevelKey: "level", MessageKey: "msg", EncodeLevel: zapcore.LowercaseLevelEncoder,
		EncodeDuration: zapcore.StringDurationEncoder,
	})
	logger := zap.New(zapcore.NewCore(encoder, zapcore.AddSync(log), level))
	links = append(links, chain.Link{Name: "env", Provider: env.New(&env.Options{Prefix: envPrefix})})
	return &program{cachettl.New(chain.New(links, &chain.Options{Logger: logger}), programTTL, nil), log}
}

func (p *program) close() { _ = p.Close() }

// A logBuffer keeps log lines until they are taken.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(line)
}

func (b *logBuffer) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.text.Reset()
	return strings.FieldsFunc(b.text.String(), func(r rune) bool { return r == '\n' })
}
