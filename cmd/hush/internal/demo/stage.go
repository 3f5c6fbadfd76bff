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
	token     = "the demo's session token"
	envPrefix = "HUSH_DEMO_"
)

var secretRef = hush.Name("db/prod")

// A stage is what the demo plays on: Secrets Manager and, while it runs, an
// extension in front of it, each on a loopback socket of its own.
type stage struct {
	store     *directtest.Server
	direct    *direct.Provider
	extension *extensionProcess
}

func newStage() (*stage, error) {
	store, err := directtest.Start(nil)
	if err != nil {
		return nil, fmt.Errorf("start the demo's Secrets Manager: %w", err)
	}
	store.Put(secretRef.Name, []byte("old value"))
	store.Latency(firstLatency, laterLatency)
	return &stage{store: store, direct: direct.New(store.Client(), nil)}, leaveHome()
}

func (s *stage) close() {
	s.stopExtension()
	s.store.Close()
}

// leaveHome takes this process out of whatever surroundings the user has: the
// demo reaches no AWS account and no extension but its own.
func leaveHome() error {
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "PARAMETERS_SECRETS_EXTENSION_") {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_EC2_METADATA_DISABLED": "true", envPrefix + "DB_PROD": "value of the environment",
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// An extensionProcess is the Lambda extension: the protocol's server over a cache
// over Secrets Manager.
type extensionProcess struct {
	url    string
	cache  *cachettl.Cache
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended
}

func (s *stage) startExtension(ctx context.Context, ttl time.Duration) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("start the demo's extension: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	e := &extensionProcess{
		url: "http://" + listener.Addr().String(), cancel: cancel, done: make(chan struct{}),
		cache: cachettl.New(s.direct, ttl, nil),
	}
	go func() {
		defer close(e.done)
		// How it ends is of no interest here: a server that is gone shows.
		_ = agent.Serve(ctx, listener, agent.Handler(e.cache, token, nil))
	}()
	s.extension = e
	return nil
}

// stopExtension ends the process if it runs: from here on its port refuses
// connections.
func (s *stage) stopExtension() {
	if e := s.extension; e != nil {
		e.cancel()
		<-e.done
		_ = e.cache.Close()
		s.extension = nil
	}
}

// client returns the extension's client as a program in Lambda has it.
func (e *extensionProcess) client() *extension.Provider {
	return extension.New(&extension.Options{
		Endpoint: e.url, Dialect: extension.DialectLambda,
		Token: func(context.Context) (string, error) { return token, nil },
	})
}

// A program is what a user of the library has: a chain behind a cache, and a log.
type program struct {
	*cachettl.Cache
	log *logBuffer
}

func (s *stage) inLambda() *program {
	return newProgram(zapcore.InfoLevel, chain.Link{Name: "extension", Provider: s.extension.client(), Front: true},
		chain.Link{Name: "direct", Provider: s.direct})
}

// agentToken is where the AWS agent's token is: a machine that has one has an
// extension, and is no laptop.
const agentToken = "/var/run/awssmatoken"

// onLaptop is the same program where there is no extension and no AWS account. On
// a machine with an agent of AWS's it has no link to it: the demo asks its own
// stores alone.
func onLaptop() (p *program, linked bool) {
	links := []chain.Link{{Name: "direct", Provider: awsdirect.New(nil)}}
	if _, err := os.Stat(agentToken); errors.Is(err, fs.ErrNotExist) {
		links = slices.Insert(links, 0, chain.Link{Name: "extension", Provider: extension.New(nil), Front: true})
		linked = true
	}
	return newProgram(zapcore.DebugLevel, links...), linked
}

func newProgram(level zapcore.Level, links ...chain.Link) *program {
	log := &logBuffer{}
	encoder := zapcore.NewJSONEncoder(zapcore.EncoderConfig{
		LevelKey: "level", MessageKey: "msg", EncodeLevel: zapcore.LowercaseLevelEncoder,
		EncodeDuration: zapcore.StringDurationEncoder,
	})
	logger := zap.New(zapcore.NewCore(encoder, log, level))
	links = append(links, chain.Link{Name: "env", Provider: env.New(&env.Options{Prefix: envPrefix})})
	return &program{
		Cache: cachettl.New(chain.New(links, &chain.Options{Logger: logger}), programTTL, nil),
		log:   log,
	}
}

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

// Sync is part of zapcore.WriteSyncer.
func (*logBuffer) Sync() error { return nil }

func (b *logBuffer) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := strings.TrimSpace(b.text.String())
	b.text.Reset()
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
