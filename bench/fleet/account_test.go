package fleet_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The quotas of Secrets Manager for an account and region, in calls per second.
const (
	singleQuota = 10_000
	batchQuota  = 100
)

// latency is the time of a call, including throttled calls.
const latency = 30 * time.Millisecond

// A bucket is a token bucket for rate calls per second. Its capacity is a tenth of rate, so it
// allows at most 1.1 times rate in any second.
type bucket struct {
	rate, tokens float64
	updated      time.Time
}

func newBucket(rate float64) bucket {
	return bucket{rate: rate, tokens: rate / 10, updated: time.Now()}
}

func (b *bucket) take(now time.Time) bool {
	b.tokens = min(b.tokens+b.rate*now.Sub(b.updated).Seconds(), b.rate/10)
	b.updated = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// An account is the Secrets Manager of one account. It replaces the transport of a client,
// because a synctest bubble must not wait for sockets.
type account struct {
	mu               sync.Mutex
	singles, batches bucket
	calls            [2]int // single, batch
	throttled        int
	times            []time.Duration // of each call, since start
	start            time.Time
}

func newAccount() *account {
	return &account{singles: newBucket(singleQuota), batches: newBucket(batchQuota), start: time.Now()}
}

// Do responds to a call of the SDK in JSON 1.1.
func (a *account) Do(request *http.Request) (*http.Response, error) {
	var in struct {
		SecretId     string   //nolint:revive // AWS's spelling
		SecretIdList []string //nolint:revive // AWS's spelling
	}
	if err := json.NewDecoder(request.Body).Decode(&in); err != nil {
		return nil, err
	}
	allowed := a.admit(strings.HasSuffix(request.Header.Get("X-Amz-Target"), ".BatchGetSecretValue"))
	timer := time.NewTimer(latency)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-request.Context().Done():
		return nil, request.Context().Err()
	}
	switch {
	case !allowed:
		return respond(http.StatusBadRequest, `{"__type":"ThrottlingException","Message":"Rate exceeded"}`), nil
	case in.SecretId != "":
		return respond(http.StatusOK, secret(in.SecretId)), nil
	}
	secrets := make([]string, len(in.SecretIdList))
	for i, name := range in.SecretIdList {
		secrets[i] = secret(name)
	}
	return respond(http.StatusOK, `{"SecretValues":[`+strings.Join(secrets, ",")+`],"Errors":[]}`), nil
}

// admit counts a call and reports whether the quota allows it.
func (a *account) admit(batch bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, quota, kind := time.Now(), &a.singles, 0
	if batch {
		quota, kind = &a.batches, 1
	}
	a.calls[kind]++
	a.times = append(a.times, now.Sub(a.start))
	if quota.take(now) {
		return true
	}
	a.throttled++
	return false
}

func secret(name string) string {
	return fmt.Sprintf(`{"ARN":"arn:aws:secretsmanager:eu-west-1:123456789012:secret:%s-aBcDeF","Name":%q,`+
		`"VersionId":"11111111-1111-1111-1111-111111111111","SecretString":"of %s","VersionStages":["AWSCURRENT"],"CreatedDate":1.7e9}`,
		name, name, name)
}

func respond(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)),
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amzn-Requestid": {"11111111-1111-1111-1111-111111111111"}},
		Body:   io.NopCloser(bytes.NewReader([]byte(body))),
	}
}

// peak returns the maximum number of calls in any second after from.
func (a *account) peak(from time.Duration) (highest int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	slices.Sort(a.times)
	first, _ := slices.BinarySearch(a.times, from)
	for last := first; last < len(a.times); last++ {
		for a.times[last]-a.times[first] >= time.Second {
			first++
		}
		highest = max(highest, last-first+1)
	}
	return highest
}
