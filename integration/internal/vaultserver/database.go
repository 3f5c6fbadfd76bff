package vaultserver

import (
	"fmt"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush/integration/internal/pg"
)

// MountDatabase mounts the database engine at path. Its leases are users of db.
func (s *Server) MountDatabase(path string, db *pg.Server) {
	s.tb.Helper()
	s.mount(path, &api.MountInput{Type: "database"})
	s.Write(path+"/config/postgres", map[string]any{
		"plugin_name":   postgresPlugin,
		"allowed_roles": "*",
		"connection_url": fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable",
			db.SocketDir, db.Port, pg.AdminUser, pg.AdminDatabase),
	})
}

// DatabaseRole creates a role of the database engine at path. Its leases have the given TTL
// and maximum TTL.
func (s *Server) DatabaseRole(path, name string, ttl, maxTTL time.Duration) {
	s.tb.Helper()
	s.Write(path+"/roles/"+name, map[string]any{
		"db_name":             "postgres",
		"default_ttl":         ttl.String(),
		"max_ttl":             maxTTL.String(),
		"creation_statements": `CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`,
	})
}
