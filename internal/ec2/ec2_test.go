package ec2_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hush-secrets/hush/internal/ec2"
)

func TestMachine(t *testing.T) {
	const vendor, bios, hypervisor = "devices/virtual/dmi/id/sys_vendor", "devices/virtual/dmi/id/bios_vendor", "hypervisor/uuid"
	for name, c := range map[string]struct {
		firmware map[string]string
		want     ec2.Verdict
	}{
		"laptop":         {map[string]string{vendor: "LENOVO\n", bios: "LENOVO\n"}, ec2.Other},
		"other Xen":      {map[string]string{vendor: "Xen\n", hypervisor: "00000000-0000\n"}, ec2.Other},
		"Nitro":          {map[string]string{vendor: "Amazon EC2\n", bios: "Amazon EC2\n"}, ec2.Instance},
		"EC2 on Xen":     {map[string]string{vendor: "Xen\n", hypervisor: "ec2e1916-9099\n"}, ec2.Instance},
		"unusual vendor": {map[string]string{vendor: "Custom\n", bios: "Amazon EC2\n"}, ec2.Instance},
		"no firmware":    {nil, ec2.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "")
			sys := t.TempDir()
			for file, text := range c.firmware {
				path := filepath.Join(sys, file)
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
				require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			}
			assert.Equal(t, c.want, ec2.Machine(sys))
			assert.Equal(t, c.want == ec2.Other, ec2.LacksMetadata(sys))
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1338")
			assert.False(t, ec2.LacksMetadata(sys))
		})
	}
}
