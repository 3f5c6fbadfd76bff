package directtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The requests and answers below carry AWS's own member names. What JSON they do
// not name is ignored, as AWS ignores it.

type identity struct {
	ARN  string
	Name string
}

// run answers one call.
func (st *store) run(call Call, body []byte) (any, *fault) {
	switch call.Operation {
	case "GetSecretValue":
		return serve(body, call.Region, st.getSecretValue)
	case "BatchGetSecretValue":
		return serve(body, call.Region, st.batchGetSecretValue)
	case "CreateSecret":
		return serve(body, call.Region, st.createSecret)
	case "PutSecretValue":
		return serve(body, call.Region, st.putSecretValue)
	case "UpdateSecretVersionStage":
		return serve(body, call.Region, st.updateSecretVersionStage)
	case "DescribeSecret":
		return serve(body, call.Region, st.describeSecret)
	case "DeleteSecret":
		return serve(body, call.Region, st.deleteSecret)
	}
	return nil, refuse("UnknownOperationException", "")
}

func serve[In any](body []byte, region string, operation func(region string, in In) (any, *fault)) (any, *fault) {
	var in In
	if json.Unmarshal(body, &in) != nil {
		return nil, refuse("SerializationException", "The request is not the JSON of this operation.")
	}
	return operation(region, in)
}

// lookup returns the secret that id names, if the caller may have it and it is
// not marked for deletion.
func (st *store) lookup(region, id, operation string) (*secret, *fault) {
	where := resolve(region, id)
	if fault := checkName(where.name); fault != nil && !strings.HasPrefix(id, "arn:") {
		return nil, fault
	}
	if st.denied[where] {
		return nil, refuse("AccessDeniedException", fmt.Sprintf(
			"User: arn:aws:iam::%s:user/app is not authorized to perform: secretsmanager:%s on resource: %s because no identity-based policy allows the secretsmanager:%s action",
			Account, operation, id, operation))
	}
	held := st.find(where)
	if held == nil {
		return nil, refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
	if !held.deleted.IsZero() {
		return nil, refuse("InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.")
	}
	return held, nil
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

type getRequest struct{ SecretId, VersionId, VersionStage string } //nolint:revive // AWS's spelling

type getAnswer struct {
	identity
	VersionId string //nolint:revive // AWS's spelling
	payload
	VersionStages []string `json:",omitempty"`
	CreatedDate   epoch
}

func (st *store) getSecretValue(region string, in getRequest) (any, *fault) {
	held, fault := st.lookup(region, in.SecretId, "GetSecretValue")
	if fault != nil {
		return nil, fault
	}
	found, fault := held.pick(in.VersionId, in.VersionStage)
	if fault != nil {
		return nil, fault
	}
	return held.show(found), nil
}

// pick returns the version with that id and that stage, AWSCURRENT without either.
func (s *secret) pick(id, stage string) (*version, *fault) {
	if id == "" && stage == "" {
		stage = stageCurrent
	}
	if id == "" {
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

func (s *secret) show(v *version) getAnswer {
	return getAnswer{identity{s.arn, s.name}, v.id, v.value, slices.Clone(v.stages), epoch(v.created)}
}

type batchRequest struct {
	SecretIdList []string          //nolint:revive // AWS's spelling
	Filters      []json.RawMessage // refused: a test that needs them needs AWS
}

type batchError struct{ SecretId, ErrorCode, Message string } //nolint:revive // AWS's spelling

type batchAnswer struct {
	SecretValues []any
	Errors       []batchError
}

func (st *store) batchGetSecretValue(region string, in batchRequest) (any, *fault) {
	const most = 20
	if len(in.SecretIdList) == 0 || len(in.SecretIdList) > most || len(in.Filters) > 0 {
		return nil, refuse("InvalidParameterException", "You must provide from 1 to 20 values in SecretIdList, and this server no Filters.")
	}
	answer := batchAnswer{SecretValues: []any{}, Errors: []batchError{}}
	for _, id := range in.SecretIdList {
		value, fault := st.getSecretValue(region, getRequest{SecretId: id})
		if fault != nil {
			answer.Errors = append(answer.Errors, batchError{id, fault.code, fault.message})
			continue
		}
		answer.SecretValues = append(answer.SecretValues, value)
	}
	return answer, nil
}

type describeAnswer struct {
	identity
	CreatedDate        epoch
	LastChangedDate    epoch
	DeletedDate        *epoch              `json:",omitempty"`
	VersionIDsToStages map[string][]string `json:"VersionIdsToStages"`
}

func (st *store) describeSecret(region string, in getRequest) (any, *fault) {
	held, fault := st.lookup(region, in.SecretId, "DescribeSecret")
	if fault != nil && fault.code != "InvalidRequestException" {
		return nil, fault
	}
	if fault != nil { // marked for deletion, which is no secret
		held = st.find(resolve(region, in.SecretId))
	}
	answer := describeAnswer{identity{held.arn, held.name}, epoch(held.created), epoch(held.changed), nil, map[string][]string{}}
	if !held.deleted.IsZero() {
		answer.DeletedDate = (*epoch)(&held.deleted)
	}
	for _, v := range held.versions {
		if len(v.stages) > 0 {
			answer.VersionIDsToStages[v.id] = slices.Clone(v.stages)
		}
	}
	return answer, nil
}

type deleteRequest struct {
	SecretId                   string //nolint:revive // AWS's spelling
	RecoveryWindowInDays       int
	ForceDeleteWithoutRecovery bool
}

type deleteAnswer struct {
	identity
	DeletionDate epoch
}

func (st *store) deleteSecret(region string, in deleteRequest) (any, *fault) {
	held, fault := st.lookup(region, in.SecretId, "DeleteSecret")
	if fault != nil {
		return nil, fault
	}
	days := in.RecoveryWindowInDays
	if days == 0 {
		days = 30
	}
	held.deleted = time.Now()
	due := held.deleted.AddDate(0, 0, days)
	if in.ForceDeleteWithoutRecovery {
		delete(st.secrets, resolve(region, in.SecretId))
		due = held.deleted
	}
	return deleteAnswer{identity{held.arn, held.name}, epoch(due)}, nil
}
