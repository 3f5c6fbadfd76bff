package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hush-secrets/hush/agent"
	"github.com/hush-secrets/hush/config"
	"github.com/hush-secrets/hush/internal/agentserver"
)

const agentHelp = `Serve secrets to programs on this machine.

  hush agent --token-file ./token --allow 'orders/*' --provider direct:?region=eu-west-1
  curl -H "X-Aws-Parameters-Secrets-Token: $(cat token)" \
    'http://127.0.0.1:2773/secretsmanager/get?secretId=orders/db'

The agent speaks the HTTP protocol of the AWS Secrets Manager Agent and of the Lambda
extension, on a loopback address. When it listens, it prints one line, and GET /ping
returns "healthy":
  listening on http://127.0.0.1:2773

The token is in --token-file, which the agent creates if it does not exist. Otherwise it
is the first of AWS_TOKEN, AWS_SESSION_TOKEN and AWS_CONTAINER_AUTHORIZATION_TOKEN that
is set: the token itself, or file:///path. The agent reads the file once, and refuses it
unless this user or root owns it and no other user can write it.

The agent serves every secret that its credentials can read. --allow restricts this to
names that match a pattern: * stands for any characters except a slash, ? for one,
[a-z] for one of a range, [^a-z] for one outside it. ARNs are names, too.

An env store needs a prefix, and the agent never serves variables that begin with AWS_,
VAULT_ or HUSH_. For variables, wildcards match only letters and digits.

On SIGTERM or an interrupt, the agent accepts no more connections and finishes requests
in flight for up to 10 s. A second signal stops it at once. SIGHUP clears its cache.

`

const agentExitHelp = `

Exit status:
    0  the agent stopped after a signal; --ping: it is healthy
    1  it could not listen, or it cut off requests; --ping: it is not healthy
    2  the command line or the configuration is invalid
  130  a second signal stopped it at once`

// The limits of AWS's agent.
const (
	maxTTL       = time.Hour
	maxCacheSize = 1000
	maxRequests  = 1000
)

// maxConns is the result of agent.MaxConns if the limit of open files is high enough.
const maxConns = 4 * agent.DefaultMaxRequests

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
	var opts agentOptions
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Serve secrets to programs on this machine",
		Long:  agentHelp + strings.Replace(sourceHelp, "the stores are "+defaultStores, "the store is direct", 1) + agentExitHelp,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return opts.run(cmd.Context(), stdout, stderr)
		},
	}
	flags := cmd.Flags()
	opts.source.addFlags(flags)
	flags.StringVar(&opts.addr, "addr", "127.0.0.1:2773", "loopback `address` to listen on; port 0 chooses a free port")
	flags.StringVar(&opts.tokenFile, "token-file", "", "`file` with the token, created if it does not exist")
	flags.StringArrayVar(&opts.allow, "allow", nil, "`pattern` of names to serve; repeat it for several")
	flags.StringVar(&opts.pathPrefix, "path-prefix", agent.DefaultPrefix, "part of the path before a name")
	flags.DurationVar(&opts.ttl, "ttl", 0, "time to keep a secret, up to 1h; 0s disables caching (default: as configured, or 5m)")
	flags.IntVar(&opts.cacheSize, "cache-size", 0, "number of secrets to keep, 1 to 1000 (default: as configured, or 1000)")
	flags.IntVar(&opts.maxRequests, "max-conn", agent.DefaultMaxRequests, "number of concurrent requests, 1 to 1000")
	flags.BoolVar(&opts.ping, "ping", false, "check whether the agent at --addr is healthy, and exit")
	return cmd
}

// run serves until ctx ends. It creates the token file last, so that a token exists only
// if the agent serves it.
func (o *agentOptions) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	addr, err := agentserver.LoopbackAddr(o.addr)
	if err != nil {
		return usageError(fmt.Errorf("invalid --addr %q: %w", o.addr, err))
	}
	if o.ping {
		return agentserver.Ping(ctx, addr)
	}
	if err := o.check(); err != nil {
		return usageError(err)
	}
	provider, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, provider.Close()) }()
	if err := agentserver.CheckStores(provider.Stores()); err != nil {
		return usageError(err)
	}
	// On loopback, the kernel itself closes the connections of a process that ends.
	listener, err := (&net.ListenConfig{KeepAlive: -1}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	err = agentserver.CheckLoop(provider.Stores(), listener.Addr())
	var token agentserver.Token
	if err == nil {
		token, err = agentserver.FindToken(o.tokenFile)
	}
	if err != nil {
		return errors.Join(usageError(err), listener.Close())
	}
	o.printNotices(stderr, token.Notices)
	server := &agentserver.Server{
		Provider: provider, Token: token.Text, Stop: stopSignals(),
		Options: agent.Options{Allow: o.allow, Prefix: o.pathPrefix, MaxRequests: o.maxRequests},
	}
	return server.Serve(ctx, listener, stdout, stderr)
}

func (o *agentOptions) check() error {
	changed := o.source.flags.Changed
	switch {
	case o.ttl < 0 || o.ttl > maxTTL:
		return fmt.Errorf("--ttl must be from 0s to %s", maxTTL)
	case changed("cache-size") && (o.cacheSize < 1 || o.cacheSize > maxCacheSize):
		return fmt.Errorf("--cache-size must be from 1 to %d", maxCacheSize)
	case o.maxRequests < 1 || o.maxRequests > maxRequests:
		return fmt.Errorf("--max-conn must be from 1 to %d", maxRequests)
	case !agentserver.ValidPathPrefix(o.pathPrefix):
		return errors.New("--path-prefix must begin and end with a slash and contain only characters that a path can contain unescaped")
	case changed("token-file") && o.tokenFile == "":
		return errors.New("--token-file: the path of the file is empty")
	}
	for _, pattern := range o.allow {
		if err := agentserver.CheckPattern(pattern); err != nil {
			return fmt.Errorf("invalid --allow %q: %w", pattern, err)
		}
	}
	return nil
}

// open opens the configured stores, or Secrets Manager if none is configured. The flags
// of the cache override variables.
func (o *agentOptions) open(ctx context.Context) (*config.Provider, error) {
	var settings []string
	if o.source.flags.Changed("ttl") {
		settings = append(settings, "HUSH_CACHE_TTL="+o.ttl.String())
	}
	if o.source.flags.Changed("cache-size") {
		settings = append(settings, "HUSH_CACHE_MAX_ENTRIES="+strconv.Itoa(o.cacheSize))
	}
	cfg, err := o.source.read([]string{"direct"}, settings...)
	if err != nil {
		return nil, err
	}
	return o.source.open(ctx, cfg, agentserver.GuardedSchemes(o.allow, cfg.Names))
}

// printNotices prints what the operator should know.
func (o *agentOptions) printNotices(stderr io.Writer, ofToken []string) {
	var notices []string
	if o.allow == nil {
		notices = append(notices, "every client with the token can read every secret that the agent's credentials can read; --allow PATTERN restricts that")
	}
	notices = append(notices, ofToken...)
	if conns := agent.MaxConns(); conns < maxConns {
		notices = append(notices, fmt.Sprintf("the limit of open files allows %d connections instead of %d; raise it with ulimit -n", conns, maxConns))
	}
	for _, notice := range notices {
		_, _ = fmt.Fprintln(stderr, "hush: "+notice)
	}
}
