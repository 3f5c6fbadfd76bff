package awsdirect

import (
	"os"
	"path/filepath"
	"strings"
)

// metadata reports whether the instance metadata service may be asked.
func (p *Provider) metadata() bool {
	switch p.opts.InstanceMetadata {
	case MetadataOn:
		return true
	case MetadataOff:
		return false
	default:
		return onEC2(p.sys)
	}
}

// onEC2 reports whether the firmware of this machine says that it is an EC2
// instance: Nitro ones by their vendor, older ones by their hypervisor's id, as
// AWS documents under "Detect whether a host is an EC2 instance".
func onEC2(sys string) bool {
	for file, starts := range map[string]string{
		"devices/virtual/dmi/id/sys_vendor":  "Amazon EC2",
		"devices/virtual/dmi/id/bios_vendor": "Amazon EC2",
		"hypervisor/uuid":                    "ec2",
	} {
		text, err := os.ReadFile(filepath.Join(sys, file))
		if err == nil && strings.HasPrefix(string(text), starts) {
			return true
		}
	}
	return false
}
