package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hush-secrets/hush/config"
)

const configurationHelp = `Configure the stores and their settings by flags, variables and a file.

  HUSH_PROVIDERS="extension direct:?region=eu-west-1 env:?prefix=APP_" hush get db/prod
  hush get --config hush.yaml db/prod

A flag overrides a variable, and a variable overrides the same key of the file. An empty
variable is not set. hush reports all mistakes at once, each with its place.

` + sourceHelp + `

hush refuses a hush.yaml that another user owns, can write or can replace, because the
file decides where credentials are sent. Name it with --config to use it anyway. hush
reports on standard error that it uses a hush.yaml.

A file is YAML or JSON:

    providers:
      - extension
      - direct:?region=eu-west-1
      - url: vault://vault.internal/secret?auth=kubernetes&role=app
        timeout: 2s
      - env:?prefix=APP_
    cache: {ttl: 5m, stale_if_error: 1h}
    names:
      db: {direct: prod/orders/db, env: ORDERS_DB}

In a variable, HUSH_NAMES='{db: {direct: prod/orders/db, env: ORDERS_DB}}' is the same as
the key names.

A URL never contains a credential. These are the URLs and their parameters:

    extension:          endpoint, timeout, ready_wait, dialect
    direct:             region, profile, role_arn, external_id, endpoint, timeout,
                        instance_metadata, batch
    vault://HOST/MOUNT  kv, mounts, namespace, timeout, revoke, tls, ca_file,
                        client_cert_file, client_key_file, server_name;
                        auth, and for its methods: token_env, token_file, role_id,
                        secret_id_file, secret_id_env, wrapped, role, jwt_file, jwt_env,
                        auth_mount, region, profile, role_arn, external_id, server_id
    env:                prefix, files

Every URL also has the parameters link_name, link_timeout, link_policy and link_prefix.
In a file, they can be the keys name, timeout, policy and prefix beside url. The key
names maps a name to the names that stores use instead.

Every key has a variable: HUSH_ and the key in capitals with underscores. The variable
of cache.ttl is HUSH_CACHE_TTL. The keys, with their defaults:

%s
get and exec do not use the cache.`

// keyDescriptions describes the keys of the configuration.
func keyDescriptions() map[string]string {
	return map[string]string{
		"cache.ttl":                    "time to keep a secret; 0 disables the cache",
		"cache.stale_if_error":         "time after the TTL in which it is served if the store fails",
		"cache.stale_wait":             "time to wait for the store before that; in Lambda fetch_timeout",
		"cache.stale_while_revalidate": "time after the TTL in which it is served during a refresh",
		"cache.refresh_ahead":          "time before the end of the TTL at which a get starts a refresh",
		"cache.negative_ttl":           "time to remember that a secret does not exist",
		"cache.jitter":                 "largest part of each TTL that is cut off at random",
		"cache.max_entries":            "maximum number of secrets",
		"cache.max_fetches":            "maximum number of concurrent fetches; 0 means no limit",
		"cache.fetch_timeout":          "time limit of one fetch from the stores",
		"cache.min_refresh":            "minimum time between refreshes after a rejected secret",
		"breaker.failures":             "consecutive failures that open the breaker; 0 disables it",
		"breaker.wait":                 "longest time to the first probe; until then the store is called last",
		"breaker.max_wait":             "limit for the doubling of breaker.wait",
		"policy":                       "failures after which the next store is called: any, or outages",
		"log.level":                    "off, debug, info, warn or error, on standard error",
		"verify":                       "true: call each store at the start, and fail if it is unavailable",
	}
}

// configurationTopic renders its text on request, because every start of hush would
// otherwise pay for it.
func configurationTopic() *cobra.Command {
	topic := &cobra.Command{Use: "configuration", Short: "How to configure stores, and all settings"}
	topic.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		cmd.Long = configurationText()
		cmd.Root().HelpFunc()(cmd, args)
	})
	return topic
}

func configurationText() string {
	var keys strings.Builder
	descriptions := keyDescriptions()
	for _, s := range config.Settings() {
		_, _ = fmt.Fprintf(&keys, "    %-32s%-7s%s\n", s.Key, s.Default, descriptions[s.Key])
	}
	return fmt.Sprintf(configurationHelp, keys.String())
}

const referenceHelp = `Name a secret, or a part of it, with a reference.

  db/prod
  db/prod#password
  db/prod?stage=AWSPREVIOUS#/tls/key

A reference has the form name[?version=ID&stage=LABEL][#field]:

    name      the store's name of the secret: a path, or an ARN
    version   the store's ID of a version
    stage     a label that the store moves between versions, such as AWSPREVIOUS. The
              current version is the default
    field     a top-level member of a secret that is JSON, or an RFC 6901 pointer that
              begins with a slash. A string is its text, other values are their JSON

%XX stands for a byte: write ?, # and % in a name as %3F, %23 and %25. In NAME=REF, a
name that begins like NAME= needs %3D for =. hush://db/prod#password marks a reference
where other values are possible.`

func referenceTopic() *cobra.Command {
	return &cobra.Command{Use: "reference", Short: "How to name a secret", Long: referenceHelp}
}

// rejectUnknownTopics makes unknown topics and shells an error. Cobra would print help
// and return exit status 0.
func rejectUnknownTopics(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Args = func(_ *cobra.Command, args []string) error {
				if _, rest, err := root.Find(args); err != nil || len(rest) > 0 {
					return fmt.Errorf("unknown help topic %.80q", strings.Join(args, " "))
				}
				return nil
			}
		case "completion":
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}
