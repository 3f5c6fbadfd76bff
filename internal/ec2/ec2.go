// Package ec2 detects EC2 instances by their firmware, because on other machines a request
// to the instance metadata service takes seconds to time out.
package ec2

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/hush-secrets/hush/internal/secretfile"
)

// Sys is the directory in which Linux shows the firmware of the machine.
const Sys = "/sys"

// maxFile exceeds the size of every file in sysfs, which is at most one page.
const maxFile = 64 << 10

// A Verdict is the result of the detection.
type Verdict uint8

// The verdicts.
const (
	Unknown  Verdict = iota // the firmware is not readable, as on macOS and Windows
	Instance                // this is an EC2 instance
	Other                   // this is another machine
)

// Machine reads the firmware below sys. Nitro instances show their vendor, and older
// instances the ID of their hypervisor. AWS documents this under "Detect whether a host is
// an EC2 instance".
func Machine(sys string) Verdict {
	verdict := Unknown
	for file, prefix := range map[string]string{
		"devices/virtual/dmi/id/sys_vendor":  "Amazon EC2",
		"devices/virtual/dmi/id/bios_vendor": "Amazon EC2",
		"hypervisor/uuid":                    "ec2",
	} {
		text, err := secretfile.Read(filepath.Join(sys, file), maxFile)
		switch {
		case err != nil:
		case strings.HasPrefix(string(text), prefix):
			return Instance
		default:
			verdict = Other
		}
	}
	return verdict
}

// LacksMetadata reports whether this machine has no instance metadata service: it is not
// an EC2 instance, and AWS_EC2_METADATA_SERVICE_ENDPOINT is not set.
func LacksMetadata(sys string) bool {
	return os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT") == "" && Machine(sys) == Other
}
