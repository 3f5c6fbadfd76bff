package directtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The responses have AWS's member names.

type identity struct {
	ARN  string
	Name string
}

type getResponse struct {
	identity
	VersionId string //nolint:revive // AWS's spelling
	payload
	VersionStages []string `json:",omitempty"`
	CreatedDate   epoch
}

type batchResponse struct {
	SecretValues []any
	Errors       []batchError
}

type batchError struct{ SecretId, ErrorCode, Message string } //nolint:revive // AWS's spelling

type describeResponse struct {
	identity
	CreatedDate        epoch
	LastChangedDate    epoch
	DeletedDate        *epoch              `json:",omitempty"`
	VersionIDsToStages map[string][]string `json:"VersionIdsToStages"`
}

type deleteResponse struct {
	identity
	DeletionDate epoch
}

type writeResponse struct {
	identity
	VersionId     string   `json:",omitempty"` //nolint:revive // AWS's spelling
	VersionStages []string `json:",omitempty"`
}

// run returns the response to a request.
func (st *store) run(in *request) (any, *fault) {
	st.mu.Lock()
	defer st.mu.Unlock()
	switch in.call.Operation {
	case "GetSecretValue":
		return st.getSecretValue(in)
	case "BatchGetSecretValue":
		return st.batchGetSecretValue(in)
	case "CreateSecret":
		return st.createSecret(in)
	case "PutSecretValue":
		return st.putSecretValue(in)
	case "UpdateSecretVersionStage":
		return st.updateSecretVersionStage(in)
	case "DescribeSecret":
		return st.describeSecret(in)
	case "DeleteSecret":
		return st.deleteSecret(in)
	}
	return nil, refuse("UnknownOperationException", "")
}

// lookup returns the secret that in names, unless it is denied or marked for deletion.
func (st *store) lookup(in *request) (*secret, *fault) {
	found, fault := st.lookupDeleted(in)
	if fault == nil && !found.deleted.IsZero() {
		return nil, refuse("InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.")
	}
	return found, fault
}

// lookupDeleted is lookup, and also returns a secret that is marked for deletion.
func (st *store) lookupDeleted(in *request) (*secret, *fault) {
	where := resolve(in.call.Region, in.SecretId)
	if fault := checkName(where.name); fault != nil && !strings.HasPrefix(in.SecretId, "arn:") {
		return nil, fault
	}
	if st.denied[where] {
		return nil, refuse("AccessDeniedException", fmt.Sprintf(
			"User: arn:aws:iam::%s:user/app is not authorized to perform: secretsmanager:%s on resource: %s because no identity-based policy allows the secretsmanager:%s action",
			Account, in.call.Operation, in.SecretId, in.call.Operation))
	}
	found := st.secrets[where]
	if found == nil {
		return nil, refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
	return found, nil
}

func checkName(name string) *fault {
	if name == "" {
		return refuse("InvalidParameterException", "You must provide a value for the SecretId parameter.")
	}
	for _, c := range name {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && !strings.ContainsRune("/_+=.@!-", c) {
			return refuse("ValidationException",
				"Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
		}
	}
	return nil
}

func (st *store) getSecretValue(in *request) (any, *fault) {
	s, fault := st.lookup(in)
	if fault != nil {
		return nil, fault
	}
	v, fault := s.choose(in.VersionId, in.VersionStage)
	if fault != nil {
		return nil, fault
	}
	return getResponse{s.identity, v.id, v.value, slices.Clone(v.stages), epoch(v.created)}, nil
}

// choose returns the version with this id and stage. Without both, the stage is
// AWSCURRENT.
func (s *secret) choose(id, stage string) (*version, *fault) {
	if id == "" {
		stage = cmp.Or(stage, stageCurrent)
		if found := s.staged(stage); found != nil {
			return found, nil
		}
		return nil, refuse("ResourceNotFoundException",
			"Secrets Manager can't find the specified secret value for staging label: "+stage)
	}
	found := s.version(id)
	if found == nil {
		return nil, refuse("ResourceNotFoundException",
			"Secrets Manager can't find the specified secret value for VersionId: "+id)
	}
	if stage != "" && !slices.Contains(found.stages, stage) {
		return nil, refuse("InvalidRequestException",
			"You provided a VersionStage that is not associated to the provided VersionId.")
	}
	return found, nil
}

func (st *store) batchGetSecretValue(in *request) (any, *fault) {
	const maxIDs = 20
	if len(in.SecretIdList) == 0 || len(in.SecretIdList) > maxIDs || len(in.Filters) > 0 {
		return nil, refuse("InvalidParameterException", "You must provide from 1 to 20 values in SecretIdList. This server does not support Filters.")
	}
	out := batchResponse{SecretValues: []any{}, Errors: []batchError{}}
	for _, id := range in.SecretIdList {
		value, fault := st.getSecretValue(&request{call: Call{Operation: "GetSecretValue", Region: in.call.Region}, SecretId: id})
		if fault != nil {
			out.Errors = append(out.Errors, batchError{id, fault.code, fault.message})
			continue
		}
		out.SecretValues = append(out.SecretValues, value)
	}
	return out, nil
}

func (st *store) describeSecret(in *request) (any, *fault) {
	s, fault := st.lookupDeleted(in)
	if fault != nil {
		return nil, fault
	}
	out := describeResponse{identity: s.identity, CreatedDate: epoch(s.created), LastChangedDate: epoch(s.changed), VersionIDsToStages: map[string][]string{}}
	if !s.deleted.IsZero() {
		out.DeletedDate = (*epoch)(&s.deleted)
	}
	for _, v := range s.versions {
		if len(v.stages) > 0 {
			out.VersionIDsToStages[v.id] = slices.Clone(v.stages)
		}
	}
	return out, nil
}

func (st *store) deleteSecret(in *request) (any, *fault) {
	s, fault := st.lookup(in)
	if fault != nil {
		return nil, fault
	}
	s.deleted = time.Now()
	if in.ForceDeleteWithoutRecovery {
		delete(st.secrets, resolve(in.call.Region, in.SecretId))
		return deleteResponse{s.identity, epoch(s.deleted)}, nil
	}
	return deleteResponse{s.identity, epoch(s.deleted.AddDate(0, 0, cmp.Or(in.RecoveryWindowInDays, 30)))}, nil
}

// checkValue checks the value to write, and sets the ID of its version.
func (in *request) checkValue() *fault {
	in.ClientRequestToken = cmp.Or(in.ClientRequestToken, newUUID())
	switch n := len(in.ClientRequestToken); {
	case in.SecretString != nil && in.SecretBinary != nil:
		return refuse("InvalidParameterException", "You can't specify both a binary secret value and a string secret value in the same secret.")
	case n < 32 || n > 64:
		return refuse("InvalidParameterException", "ClientRequestToken must have from 32 to 64 characters.")
	}
	return nil
}

func (st *store) createSecret(in *request) (any, *fault) {
	if fault := cmp.Or(checkName(in.Name), in.checkValue()); fault != nil {
		return nil, fault
	}
	where := place{in.call.Region, in.Name}
	if st.secrets[where] != nil {
		return nil, refuse("ResourceExistsException", "The operation failed because the secret "+in.Name+" already exists.")
	}
	s := st.create(where)
	out := writeResponse{identity: s.identity}
	if in.SecretString != nil || in.SecretBinary != nil {
		out.VersionId = s.add(in.ClientRequestToken, in.payload, stageCurrent).id
	}
	return out, nil
}

func (st *store) putSecretValue(in *request) (any, *fault) {
	s, fault := st.lookup(in)
	if fault == nil {
		fault = in.checkValue()
	}
	if fault != nil {
		return nil, fault
	}
	if in.SecretString == nil && in.SecretBinary == nil {
		return nil, refuse("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
	}
	v := s.version(in.ClientRequestToken)
	switch {
	case v == nil && len(in.VersionStages) == 0:
		v = s.add(in.ClientRequestToken, in.payload, stageCurrent)
	case v == nil:
		v = s.add(in.ClientRequestToken, in.payload, in.VersionStages...)
	case !v.value.equal(in.payload): // an equal value is a retry
		return nil, refuse("ResourceExistsException", "You can't use ClientRequestToken "+in.ClientRequestToken+" because that value is already in use for a version of this secret.")
	}
	return writeResponse{s.identity, v.id, slices.Clone(v.stages)}, nil
}

func (st *store) updateSecretVersionStage(in *request) (any, *fault) {
	s, fault := st.lookup(in)
	if fault != nil {
		return nil, fault
	}
	if in.VersionStage == "" {
		return nil, refuse("InvalidParameterException", "You must provide a value for the VersionStage parameter.")
	}
	if in.MoveToVersionId != "" && s.version(in.MoveToVersionId) == nil {
		return nil, refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret version.")
	}
	from := s.staged(in.VersionStage)
	switch {
	case from != nil && from.id == in.MoveToVersionId:
		return s.identity, nil
	case from != nil && from.id != in.RemoveFromVersionId:
		return nil, refuse("InvalidParameterException", "The parameter RemoveFromVersionId can't be empty. Staging label "+
			in.VersionStage+" is currently attached to version "+from.id+", so you must explicitly reference that version in RemoveFromVersionId.")
	case in.VersionStage == stageCurrent && in.MoveToVersionId == "":
		return nil, refuse("InvalidParameterException", "You can't remove AWSCURRENT from a version without moving it to another.")
	}
	s.move(in.VersionStage, in.MoveToVersionId)
	return s.identity, nil
}
