package vaultserver_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/hush-secrets/hush/integration/internal/vaultserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, vaultserver.Leftovers()...) }
