package directtest

import "slices"

type writeRequest struct {
	Name, SecretId     string //nolint:revive // AWS's spelling
	ClientRequestToken string // becomes the version's id
	VersionStages      []string
	payload
}

type writeAnswer struct {
	identity
	VersionId     string   `json:",omitempty"` //nolint:revive // AWS's spelling
	VersionStages []string `json:",omitempty"`
}

func (in *writeRequest) check() *fault {
	if in.SecretString != nil && in.SecretBinary != nil {
		return refuse("InvalidParameterException", "You can't specify both a binary secret value and a string secret value in the same secret.")
	}
	if in.ClientRequestToken == "" {
		in.ClientRequestToken = newUUID()
	}
	if len(in.ClientRequestToken) < 32 || len(in.ClientRequestToken) > 64 {
		return refuse("InvalidParameterException", "ClientRequestToken must have from 32 to 64 characters.")
	}
	return nil
}

func (st *store) createSecret(region string, in writeRequest) (any, *fault) {
	if fault := checkName(in.Name); fault != nil {
		return nil, fault
	}
	if fault := in.check(); fault != nil {
		return nil, fault
	}
	where := place{region, in.Name}
	if st.find(where) != nil {
		return nil, refuse("ResourceExistsException", "The operation failed because the secret "+in.Name+" already exists.")
	}
	held := st.create(where)
	answer := writeAnswer{identity: identity{held.arn, held.name}}
	if in.SecretString != nil || in.SecretBinary != nil {
		answer.VersionId = held.add(in.ClientRequestToken, in.payload, stageCurrent).id
	}
	return answer, nil
}

func (st *store) putSecretValue(region string, in writeRequest) (any, *fault) {
	held, fault := st.lookup(region, in.SecretId, "PutSecretValue")
	if fault != nil {
		return nil, fault
	}
	if fault := in.check(); fault != nil {
		return nil, fault
	}
	if in.SecretString == nil && in.SecretBinary == nil {
		return nil, refuse("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
	}
	stages := in.VersionStages
	if len(stages) == 0 {
		stages = []string{stageCurrent}
	}
	put := held.version(in.ClientRequestToken)
	switch {
	case put == nil:
		put = held.add(in.ClientRequestToken, in.payload, stages...)
	case !put.value.equal(in.payload): // the same again is fine: a retry
		return nil, refuse("ResourceExistsException", "You can't use ClientRequestToken "+in.ClientRequestToken+" because that value is already in use for a version of this secret.")
	}
	return writeAnswer{identity{held.arn, held.name}, put.id, slices.Clone(put.stages)}, nil
}

type stageRequest struct {
	SecretId                             string //nolint:revive // AWS's spelling
	VersionStage                         string
	MoveToVersionId, RemoveFromVersionId string //nolint:revive // AWS's spelling
}

func (st *store) updateSecretVersionStage(region string, in stageRequest) (any, *fault) {
	held, fault := st.lookup(region, in.SecretId, "UpdateSecretVersionStage")
	if fault != nil {
		return nil, fault
	}
	if in.VersionStage == "" {
		return nil, refuse("InvalidParameterException", "You must provide a value for the VersionStage parameter.")
	}
	if in.MoveToVersionId != "" && held.version(in.MoveToVersionId) == nil {
		return nil, refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret version.")
	}
	from := held.staged(in.VersionStage)
	switch {
	case from != nil && from.id == in.MoveToVersionId: // there already
		return identity{held.arn, held.name}, nil
	case from != nil && from.id != in.RemoveFromVersionId:
		return nil, refuse("InvalidParameterException", "The parameter RemoveFromVersionId can't be empty. Staging label "+
			in.VersionStage+" is currently attached to version "+from.id+", so you must explicitly reference that version in RemoveFromVersionId.")
	case in.VersionStage == stageCurrent && in.MoveToVersionId == "":
		return nil, refuse("InvalidParameterException", "You can't remove AWSCURRENT from a version without moving it to another.")
	}
	held.move(in.VersionStage, in.MoveToVersionId)
	return identity{held.arn, held.name}, nil
}
