package vaultserver

import (
	"fmt"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush/integration/internal/pg"
)

// MountDatabase mounts the database engine, whose leases are users of db.
func (s *Server) MountDatabase(path string, db *pg.Server) {
	s.tb.Helper()
	s.mount(path, &api.MountInput{Type: "database"})
	s.Do(path+"/config/postgres", map[string]any{
		"plugin_name":   postgresPlugin,
		"allowed_roles": "*",
		"connection_url": fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable",
			db.SocketDir, db.Port, pg.AdminUser, pg.AdminDatabase),
	})
}

// DatabaseRole makes the role that creds/name of the engine at path gives users of.
// A lease of it is of length ttl, and can be renewed until it is as old as most.
func (s *Server) DatabaseRole(path, name string, ttl, most time.Duration) {
	s.tb.Helper()
	s.Do(path+"/roles/"+name, map[string]any{
		"db_name":             "postgres",
		"default_ttl":         ttl.String(),
		"max_ttl":             most.String(),
		"creation_statements": `CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`,
	})
}
