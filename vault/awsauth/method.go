package awsauth

import (
	"github.com/hashicorp/vault/api"

	"github.com/hush-secrets/hush/internal/clock"
	"github.com/hush-secrets/hush/vault/auth"
)

// Method makes auth=aws known to [vault.Scheme], with the parameters role,
// auth_mount, server_id, region, profile, role_arn and external_id, each as in
// Options; auth_mount is Mount.
func Method() auth.Method {
	return auth.Method{
		Name:   "aws",
		Params: []string{"role", "auth_mount", "server_id", "region", "profile", "role_arn", "external_id"},
		Open:   open,
	}
}

func open(params map[string]string) (api.AuthMethod, error) {
	m := newMethod(&Options{
		Role: params["role"], Mount: params["auth_mount"], ServerID: params["server_id"], Region: params["region"],
		Profile: params["profile"], RoleARN: params["role_arn"], ExternalID: params["external_id"],
	}, clock.New())
	if m.fault != nil {
		return nil, m.fault
	}
	return m, nil
}
