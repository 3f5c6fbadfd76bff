package integration_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/stretchr/testify/require"
)

// A credential is the JSON of a database's secret, as RDS has it.
type credential struct {
	Engine   string `json:"engine"`
	Username string `json:"username"`
	Password string `json:"password"`
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Database string `json:"dbname"`
}

// A rotator is a rotation function of Secrets Manager: AWS's four steps, for a
// role whose password changes or for two roles that take turns.
type rotator struct {
	store *secretsmanager.Client
	name  string // of the secret
	admin *sql.DB
	users []string
	first credential

	done    int           // rotations
	longest time.Duration // from the database's change to AWSCURRENT's
}

// token is the id of the n-th version. Secrets Manager takes a UUID.
func token(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// ordinal is the n of a token.
func ordinal(version string) (int, error) {
	if len(version) != len(token(0)) {
		return 0, fmt.Errorf("%q is no version of ours", version)
	}
	return strconv.Atoi(version[len(version)-12:])
}

// begin makes the roles and the secret.
func (r *rotator) begin(t *testing.T) {
	t.Helper()
	for _, user := range r.users {
		r.exec(t, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", user, rand.Text()))
	}
	r.first.Username, r.first.Password = r.users[0], rand.Text()
	r.set(t, r.first)
	text := r.marshal(t, r.first)
	_, err := r.store.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: &r.name, ClientRequestToken: aws.String(token(0)), SecretString: &text,
	})
	require.NoError(t, err)
}

// rotate does the n-th rotation. It calls gap when the database has changed, with
// the time when it had, and moves AWSCURRENT afterwards.
func (r *rotator) rotate(t *testing.T, n int, gap func(changed time.Time)) {
	t.Helper()
	pending := r.create(t, n)
	r.set(t, pending)
	changed := time.Now()
	r.test(t, pending)
	gap(changed)
	r.finish(t, n)
	r.done, r.longest = n, max(r.longest, time.Since(changed))
}

// create is createSecret: a new password, for the user whose turn it is, becomes
// AWSPENDING.
func (r *rotator) create(t *testing.T, n int) credential {
	t.Helper()
	current, err := r.store.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &r.name})
	require.NoError(t, err)
	var c credential
	require.NoError(t, json.Unmarshal([]byte(*current.SecretString), &c))
	c.Username, c.Password = r.users[n%len(r.users)], rand.Text()
	text := r.marshal(t, c)
	_, err = r.store.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: &r.name, ClientRequestToken: aws.String(token(n)), SecretString: &text, VersionStages: []string{"AWSPENDING"},
	})
	require.NoError(t, err)
	return c
}

// set is setSecret: the database takes the new password. It returns once that is
// committed.
func (r *rotator) set(t *testing.T, c credential) {
	t.Helper()
	// A statement like this takes no parameters; neither part needs quoting.
	r.exec(t, fmt.Sprintf("ALTER ROLE %s PASSWORD '%s'", c.Username, c.Password))
}

// test is testSecret: the new password opens the database.
func (r *rotator) test(t *testing.T, c credential) {
	t.Helper()
	config := postgres(c.Host, strconv.Itoa(c.Port), c.Database)
	config.User, config.Password = c.Username, c.Password
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, try(ctx, config))
}

// finish is finishSecret: AWSCURRENT moves.
func (r *rotator) finish(t *testing.T, n int) {
	t.Helper()
	_, err := r.store.UpdateSecretVersionStage(t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: &r.name, VersionStage: aws.String("AWSCURRENT"),
		MoveToVersionId: aws.String(token(n)), RemoveFromVersionId: aws.String(token(n - 1)),
	})
	require.NoError(t, err)
}

func (r *rotator) exec(t *testing.T, statement string) {
	t.Helper()
	_, err := r.admin.ExecContext(t.Context(), statement)
	require.NoError(t, err)
}

func (r *rotator) marshal(t *testing.T, c credential) string {
	t.Helper()
	text, err := json.Marshal(c)
	require.NoError(t, err)
	return string(text)
}
