package awsconf

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/hush-secrets/hush/internal/secretfile"
)

// maxSysFile is above the size of any file in sysfs, which is at most one page.
const maxSysFile = 64 << 10

// onEC2 reports whether the firmware of this machine says that it is an EC2
// instance: Nitro ones by their vendor, older ones by their hypervisor's id, as
// AWS documents under "Detect whether a host is an EC2 instance".
func onEC2(sys string) bool {
	for file, starts := range map[string]string{
		"devices/virtual/dmi/id/sys_vendor":  "Amazon EC2",
		"devices/virtual/dmi/id/bios_vendor": "Amazon EC2",
		"hypervisor/uuid":                    "ec2",
	} {
		text, err := secretfile.Read(filepath.Join(sys, file), maxSysFile)
		if err == nil && strings.HasPrefix(string(text), starts) {
			return true
		}
	}
	return false
}

// machineRegion returns the region of this EC2 instance, or none.
func machineRegion(ctx context.Context, cfg aws.Config) string {
	out, err := imds.NewFromConfig(cfg).GetRegion(ctx, nil)
	if err != nil {
		return "" // which is then said to be missing
	}
	return out.Region
}
