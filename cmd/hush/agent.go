package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hush-secrets/hush/agent"
	"github.com/hush-secrets/hush/config"
)

const agentHelp = `Serves secrets from the configured stores by the HTTP protocol of the AWS Secrets
Manager Agent and the Lambda extension, to programs of this machine that know the
token. It is what a sidecar, a laptop or a test suite runs in the place of AWS's.

Once it listens it prints one line on the standard output, such as
  listening on http://127.0.0.1:2773
and from then on GET /ping answers "healthy"; with port 0 it takes a free one. It
listens on loopback alone.

  curl -H "X-Aws-Parameters-Secrets-Token: $TOKEN" \
    'http://127.0.0.1:2773/secretsmanager/get?secretId=db/prod'

The token is --token-file, which is written with a new one if there is no such file,
or the first that is set of AWS_TOKEN, AWS_SESSION_TOKEN and
AWS_CONTAINER_AUTHORIZATION_TOKEN: the token itself, or file:///path. It is read once.
The file is this user's or the superuser's, and nobody else can write it.

The agent serves every secret that its credentials can read. --allow restricts this to
names that match a pattern. * stands for any characters except a slash, ? for one,
[a-z] for one of a range, [^a-z] for one outside it. An ARN is a name like any other.

A store over the environment needs a prefix. It never serves variables that begin with
AWS_, VAULT_ or HUSH_. Its wildcards match letters and digits only.

SIGTERM or an interrupt: it takes no more connections, finishes the requests under
way for up to 10 s, and ends; a second one ends it at once. SIGHUP, which also comes
from a terminal that is closed: it forgets what it holds in memory, and goes on.

`

const agentExitHelp = `

Exit status:
    0  it was told to stop, and finished; --ping: it is healthy
    1  it could not listen, or cut requests off; --ping: it is not healthy
    2  the command line or the configuration is wrong
  130  a second signal ended it at once`

// The ranges of AWS's agent.
const (
	longestTTL   = time.Hour
	mostSecrets  = 1000
	mostRequests = 1000
)

// mostConns is what agent.MaxConns returns if the process may open enough files.
const mostConns = 4 * agent.DefaultMaxRequests

type agentOptions struct {
	source      source
	addr        string
	tokenFile   string
	allow       []string
	pathPrefix  string
	ttl         time.Duration
	cacheSize   int
	maxRequests int
	ping        bool
}

func agentCommand(stdout, stderr io.Writer) *cobra.Command {
	var o agentOptions
	cmd := &cobra.Command{
		Use:     "agent",
		Short:   "Serve secrets to programs of this machine",
		Long:    agentHelp + strings.Replace(sourceHelp, "they are extension, direct and env", "it is direct alone", 1) + agentExitHelp,
		Example: "  hush agent --token-file ./token --allow 'orders/*' --provider direct:?region=eu-west-1",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.ping {
				return ping(cmd.Context(), o.addr)
			}
			a, err := o.prepare(cmd)
			if err != nil {
				return err
			}
			return a.run(cmd.Context(), stdout, stderr)
		},
	}
	flags := cmd.Flags()
	o.source.flags(flags)
	flags.StringVar(&o.addr, "addr", "127.0.0.1:2773", "the loopback `address` to listen on; port 0 takes a free one")
	flags.StringVar(&o.tokenFile, "token-file", "", "the `file` that the token is in, written if there is none")
	flags.StringArrayVar(&o.allow, "allow", nil, "a `pattern` of names to serve; repeat it for several")
	flags.StringVar(&o.pathPrefix, "path-prefix", agent.DefaultPrefix, "what stands before a name in a path")
	flags.DurationVar(&o.ttl, "ttl", 0, "how long a secret is kept, up to 1h; 0s keeps none (default: as configured, else 5m)")
	flags.IntVar(&o.cacheSize, "cache-size", 0, "how many secrets are kept, 1 to 1000 (default: as configured, else 1000)")
	flags.IntVar(&o.maxRequests, "max-conn", agent.DefaultMaxRequests, "how many requests are answered at the same time, 1 to 1000")
	flags.BoolVar(&o.ping, "ping", false, "ask the agent at --addr whether it is healthy, and serve nothing")
	return cmd
}

// A server is an agent that is ready to listen.
type server struct {
	addr      string
	provider  *config.Provider
	tokenFile string
	token     agentToken // once it listens
	options   agent.Options
}

// prepare checks all that can be checked before anything is opened to anyone.
func (o *agentOptions) prepare(cmd *cobra.Command) (*server, error) {
	if err := o.check(cmd); err != nil {
		return nil, usageError{err}
	}
	addr, err := loopbackAddr(o.addr)
	if err != nil {
		return nil, usageError{err}
	}
	provider, err := o.open(cmd)
	if err != nil {
		return nil, err
	}
	if err := servable(provider.Stores()); err != nil {
		return nil, errors.Join(usageError{err}, provider.Close())
	}
	options := agent.Options{Allow: o.allow, Prefix: o.pathPrefix, MaxRequests: o.maxRequests}
	return &server{addr: addr, provider: provider, tokenFile: o.tokenFile, options: options}, nil
}

func (o *agentOptions) check(cmd *cobra.Command) error {
	switch {
	case o.ttl < 0 || o.ttl > longestTTL:
		return fmt.Errorf("--ttl is 0s to %s", longestTTL)
	case cmd.Flags().Changed("cache-size") && (o.cacheSize < 1 || o.cacheSize > mostSecrets):
		return fmt.Errorf("--cache-size is 1 to %d", mostSecrets)
	case o.maxRequests < 1 || o.maxRequests > mostRequests:
		return fmt.Errorf("--max-conn is 1 to %d", mostRequests)
	case !isPathPrefix(o.pathPrefix):
		return errors.New("--path-prefix begins and ends with a slash, and has only what a path holds unescaped")
	case cmd.Flags().Changed("token-file") && o.tokenFile == "":
		return errors.New("--token-file is empty, and names no file")
	}
	for _, pattern := range o.allow {
		if why := misreads(pattern); why != "" {
			return fmt.Errorf("--allow %q: %s", pattern, why)
		}
	}
	return nil
}

// open opens the configured stores, or Secrets Manager if none is configured. Each flag
// of the cache stands for a variable.
func (o *agentOptions) open(cmd *cobra.Command) (*config.Provider, error) {
	if err := o.source.settle(); err != nil {
		return nil, usageError{err}
	}
	variables := map[string]string{}
	if cmd.Flags().Changed("ttl") {
		variables["HUSH_CACHE_TTL"] = o.ttl.String()
	}
	if cmd.Flags().Changed("cache-size") {
		variables["HUSH_CACHE_MAX_ENTRIES"] = strconv.Itoa(o.cacheSize)
	}
	for name, value := range variables {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	cfg, err := o.source.fromEnv()
	if err != nil {
		cfg = &config.Config{} // opening reports the error
	} else if len(cfg.Providers) == 0 {
		if err := os.Setenv(providersVariable, "direct"); err != nil {
			return nil, err
		}
	}
	return o.source.openWith(cmd.Context(), guardedSchemes(o.allow, cfg.Names))
}

// run serves until ctx ends. TCP keep-alive is off, because on loopback the kernel
// itself ends the connections of a process.
func (s *server) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	defer func() { err = errors.Join(err, s.provider.Close()) }()
	listener, err := (&net.ListenConfig{KeepAlive: -1}).Listen(ctx, "tcp", s.addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	err = notItself(s.provider.Stores(), listener.Addr())
	if err == nil { // and nothing is left that could keep it from serving
		s.token, err = findToken(s.tokenFile)
	}
	if err != nil {
		return errors.Join(usageError{err}, listener.Close())
	}
	s.notices(stderr)
	return s.serve(ctx, listener, stdout, stderr)
}

// notices prints what the operator should know.
func (s *server) notices(stderr io.Writer) {
	notices := s.token.notices
	if s.options.Allow == nil {
		notices = append([]string{"every secret that the agent's credentials can read is served to every client with the token; --allow PATTERN narrows that"}, notices...)
	}
	if conns := agent.MaxConns(); conns < mostConns {
		notices = append(notices, fmt.Sprintf("the limit of open files allows %d connections instead of %d; raise it with ulimit -n", conns, mostConns))
	}
	for _, notice := range notices {
		_, _ = fmt.Fprintln(stderr, "hush: "+notice)
	}
}
