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

// A credential is the JSON of a database secret in the format of RDS.
type credential struct {
	Engine   string `json:"engine"`
	Username string `json:"username"`
	Password string `json:"password"`
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Database string `json:"dbname"`
}

// A rotator is a rotation function of Secrets Manager with AWS's four steps. It changes the
// password of one role, or of two roles in turn.
type rotator struct {
	store *secretsmanager.Client
	name  string // of the secret
	admin *sql.DB
	users []string
	first credential

	done    int           // number of rotations
	longest time.Duration // from the change in the database to the move of AWSCURRENT
}

// versionID returns the ID of the n-th version, a UUID.
func versionID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// versionNumber returns the number of a version ID.
func versionNumber(version string) (int, error) {
	if len(version) != len(versionID(0)) {
		return 0, fmt.Errorf("%q is not a version ID of the rotator", version)
	}
	return strconv.Atoi(version[len(version)-12:])
}

// setUp creates the roles and the secret.
func (r *rotator) setUp(t *testing.T) {
	t.Helper()
	for _, user := range r.users {
		r.exec(t, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", user, rand.Text()))
	}
	r.first.Username, r.first.Password = r.users[0], rand.Text()
	r.set(t, r.first)
	text := r.marshal(t, r.first)
	_, err := r.store.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: &r.name, ClientRequestToken: aws.String(versionID(0)), SecretString: &text,
	})
	require.NoError(t, err)
}

// rotate performs the n-th rotation. Between the change in the database and the move of
// AWSCURRENT, it calls gap with the time of the change.
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

// create is the step createSecret. It stores a new password for the next user as AWSPENDING.
func (r *rotator) create(t *testing.T, n int) credential {
	t.Helper()
	current, err := r.store.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &r.name})
	require.NoError(t, err)
	var c credential
	require.NoError(t, json.Unmarshal([]byte(*current.SecretString), &c))
	c.Username, c.Password = r.users[n%len(r.users)], rand.Text()
	text := r.marshal(t, c)
	_, err = r.store.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: &r.name, ClientRequestToken: aws.String(versionID(n)), SecretString: &text, VersionStages: []string{"AWSPENDING"},
	})
	require.NoError(t, err)
	return c
}

// set is the step setSecret. It sets and commits the new password in the database.
func (r *rotator) set(t *testing.T, c credential) {
	t.Helper()
	// The statement takes no parameters. Neither part needs quoting.
	r.exec(t, fmt.Sprintf("ALTER ROLE %s PASSWORD '%s'", c.Username, c.Password))
}

// test is the step testSecret. It connects with the new password.
func (r *rotator) test(t *testing.T, c credential) {
	t.Helper()
	config := postgres(c.Host, strconv.Itoa(c.Port), c.Database)
	config.User, config.Password = c.Username, c.Password
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, tryConnect(ctx, config))
}

// finish is the step finishSecret. It moves AWSCURRENT.
func (r *rotator) finish(t *testing.T, n int) {
	t.Helper()
	_, err := r.store.UpdateSecretVersionStage(t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: &r.name, VersionStage: aws.String("AWSCURRENT"),
		MoveToVersionId: aws.String(versionID(n)), RemoveFromVersionId: aws.String(versionID(n - 1)),
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
