package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hush-secrets/hush/config"
)

// meanings says what each key of configuration is for.
func meanings() map[string]string {
	return map[string]string{
		"cache.ttl":                    "how long a secret is kept; 0: there is no cache",
		"cache.stale_if_error":         "how long after that it is served while the store cannot be asked",
		"cache.stale_wait":             "how long a read waits for a store before that; in Lambda fetch_timeout",
		"cache.stale_while_revalidate": "how long after its ttl it is served while it is fetched",
		"cache.refresh_ahead":          "how long before its end a secret in use is fetched",
		"cache.negative_ttl":           "how long it is remembered that there is none",
		"cache.jitter":                 "the part by which a ttl is shortened at random",
		"cache.max_entries":            "how many secrets are held",
		"cache.max_fetches":            "maximum of concurrent fetches; 0: no limit",
		"cache.fetch_timeout":          "how long one fetch from the stores may take",
		"cache.min_refresh":            "how long it is believed that there is nothing newer",
		"breaker.failures":             "consecutive failures that open the breaker; 0 disables it",
		"breaker.wait":                 "longest time to the first probe; until then the store is called last",
		"breaker.max_wait":             "limit for the doubling of breaker.wait",
		"policy":                       "which failures let the next store be asked: any, or outages",
		"log.level":                    "off, debug, info, warn or error, on the standard error",
		"verify":                       "true: ask each store once at the start, and fail if it is away",
	}
}

const configurationHelp = `The stores, and what is said about them, come from flags, variables and a file. A
flag wins over a variable, and a variable over the same key of the file. What is
given empty is not given, and what is wrong is told at once, with its place.

` + sourceHelp + `

hush refuses a hush.yaml that another user owns, can write or can exchange, because
the file decides where credentials are sent. Name it with --config to use it anyway.
hush reports on standard error that it uses a hush.yaml.

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

and the same in variables:

    HUSH_PROVIDERS="extension direct:?region=eu-west-1 vault://vault.internal/secret?auth=kubernetes&role=app&link_timeout=2s env:?prefix=APP_"
    HUSH_CACHE_TTL=5m
    HUSH_CACHE_STALE_IF_ERROR=1h
    HUSH_NAMES='{db: {direct: prod/orders/db, env: ORDERS_DB}}'

The URL of a store never holds a credential. These there are, with their parameters:

%s
and for every link: link_name, link_timeout, link_policy, link_prefix, which in a file
can be the keys name, timeout, policy and prefix beside url. names says what a link
calls one of our names.

Every key with its default; its variable is HUSH_ and the key in capitals with
underscores, so that of cache.ttl is HUSH_CACHE_TTL:

%s
get and exec ask once and have no use for the cache.`

// schemeParameters are the parameters of each scheme's URLs.
func schemeParameters() [][2]string {
	return [][2]string{
		{"extension:", "endpoint, timeout, ready_wait, dialect"},
		{"direct:", "region, profile, role_arn, external_id, endpoint, timeout, instance_metadata, batch"},
		{"vault://HOST/MOUNT", "kv, mounts, namespace, timeout, revoke, tls, ca_file, ca_path, client_cert_file, " +
			"client_key_file, server_name; auth, and by that: token_env, token_file, role_id, secret_id_file, " +
			"secret_id_env, wrapped, role, jwt_file, jwt_env, auth_mount, region, profile, " +
			"role_arn, external_id, server_id"},
		{"env:", "prefix, files"},
	}
}

// configurationTopic renders its text when it is requested, because each start of the
// command would pay for it.
func configurationTopic() *cobra.Command {
	topic := &cobra.Command{Use: "configuration", Short: "Which stores are asked, and every option"}
	topic.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		cmd.Long = configurationText()
		cmd.Root().HelpFunc()(cmd, args)
	})
	return topic
}

func configurationText() string {
	var schemes, keys strings.Builder
	for _, s := range schemeParameters() {
		_, _ = fmt.Fprintf(&schemes, "    %-20s%s\n", s[0], wrapped(strings.Fields(s[1]), strings.Repeat(" ", 24), 84))
	}
	meaning := meanings()
	for _, s := range config.Settings() {
		_, _ = fmt.Fprintf(&keys, "    %-32s%-7s%s\n", s.Key, s.Default, meaning[s.Key])
	}
	return fmt.Sprintf(configurationHelp, schemes.String(), keys.String())
}

const referenceHelp = `A reference names a secret, or a part of it:

    name[?version=ID&stage=LABEL][#field]

    name      what the store calls it: a path, or an ARN
    version   the store's own id of one version
    stage     a label that the store moves between versions, such as AWSPREVIOUS;
              without it, and without a version, it is the current one
    field     a top-level member of a secret that is JSON, or an RFC 6901 pointer that
              begins with a slash. A string is its text, anything else its JSON

In each part %XX stands for a byte: write ?, # and % in a name as %3F, %23 and %25.
Where NAME=REF may be written, an = in a name that looks like that is %3D. Where a
value could be something else a reference is marked: hush://db/prod#password.`

func referenceTopic() *cobra.Command {
	return &cobra.Command{Use: "reference", Short: "How a secret is named", Long: referenceHelp}
}

// knownTopics makes a mistake of a topic or a shell that there is not, for which
// cobra prints help and says that all is well.
func knownTopics(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Args = func(_ *cobra.Command, args []string) error {
				if _, rest, err := root.Find(args); err != nil || len(rest) > 0 {
					return fmt.Errorf("there is no help for %.80q", strings.Join(args, " "))
				}
				return nil
			}
		case "completion":
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}

// wrapped returns words in lines of at most width, each but the first behind indent.
func wrapped(words []string, indent string, width int) string {
	var b strings.Builder
	used := len(indent)
	for i, word := range words {
		switch {
		case i == 0:
		case used+1+len(word) > width:
			b.WriteString("\n" + indent)
			used = len(indent)
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += len(word)
	}
	return b.String()
}
