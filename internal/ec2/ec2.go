// Package ec2 tells from the firmware whether this machine is an EC2 instance, so
// that nobody waits for the instance metadata service where there is none.
package ec2

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/hush-secrets/hush/internal/secretfile"
)

// Sys is where Linux shows the firmware of the machine.
const Sys = "/sys"

// maxFile exceeds the size of every file in sysfs, which is at most one page.
const maxFile = 64 << 10

// A Verdict is what the firmware says.
type Verdict uint8

// The verdicts.
const (
	Unknown  Verdict = iota // no firmware to read, such as on macOS and Windows
	Instance                // this is an EC2 instance
	Other                   // this is another machine
)

// Machine returns what the firmware below sys says. Nitro instances show their
// vendor, older ones the ID of their hypervisor, as AWS documents under "Detect
// whether a host is an EC2 instance".
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

// LacksMetadata reports whether there is no instance metadata service here: the
// machine is known not to be an EC2 instance, and the environment names no other
// service.
func LacksMetadata(sys string) bool {
	return os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT") == "" && Machine(sys) == Other
}
