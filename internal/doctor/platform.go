package doctor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hush-secrets/hush/internal/secretfile"
)

// maxEvidenceFile is the size limit of files that identify a platform, in bytes.
const maxEvidenceFile = 64 << 10

// A platform is an environment in which programs run. Evidence has the names of the
// variables and files that identify it, never their values.
type platform struct {
	Name     string   `json:"name"`
	Evidence []string `json:"evidence"`
}

// The platforms that advice depends on.
const (
	lambda     = "Lambda"
	ci         = "CI"
	ecs        = "ECS"
	eks        = "EKS"
	kubernetes = "Kubernetes"
	ec2        = "EC2"
)

// A machine is the source of evidence.
type machine struct {
	getenv func(name string) string
	root   string // directory of the files
}

// knownPlatforms begins with the most specific platform. A sign of a platform is a
// variable that is set and not false, or the path of a file that exists. The text after
// = is how the value or the content begins.
var knownPlatforms = []struct {
	name  string
	signs []string
}{
	{lambda, []string{"AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_FUNCTION_NAME"}},
	{ci, []string{
		"GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "CIRCLECI", "JENKINS_URL", "CODEBUILD_BUILD_ID", "TF_BUILD", "CI",
	}},
	{ecs, []string{
		"ECS_CONTAINER_METADATA_URI_V4", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_EXECUTION_ENV=AWS_ECS_",
	}},
	{eks, []string{
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/var/run/secrets/pods.eks.amazonaws.com/",
		"AWS_WEB_IDENTITY_TOKEN_FILE=/var/run/secrets/eks.amazonaws.com/",
	}},
	{kubernetes, []string{"KUBERNETES_SERVICE_HOST", "/var/run/secrets/kubernetes.io/serviceaccount/token"}},
	{ec2, []string{
		"/sys/devices/virtual/dmi/id/sys_vendor=Amazon EC2", "/sys/devices/virtual/dmi/id/bios_vendor=Amazon EC2",
		"/sys/hypervisor/uuid=ec2",
	}},
	{"container", []string{"/.dockerenv", "/run/.containerenv"}},
}

// detectPlatforms returns the platforms of m, the most specific first.
func detectPlatforms(m machine) []platform {
	var found []platform
	for _, known := range knownPlatforms {
		var evidence []string
		for _, sign := range known.signs {
			if name, prefix, _ := strings.Cut(sign, "="); m.has(name, prefix) {
				evidence = append(evidence, name)
			}
		}
		if evidence != nil {
			found = append(found, platform{known.name, evidence})
		}
	}
	if found == nil {
		return []platform{{"laptop or other machine", []string{"no sign of Lambda, CI, ECS, Kubernetes, EC2 or a container"}}}
	}
	return found
}

// has reports whether m has the variable or the file, with a text that begins with prefix.
func (m machine) has(name, prefix string) bool {
	if !strings.HasPrefix(name, "/") {
		value := m.getenv(name)
		disabled := slices.Contains([]string{"", "0", "false", "no", "off"}, strings.ToLower(value))
		return !disabled && strings.HasPrefix(value, prefix)
	}
	path := filepath.Join(m.root, name)
	if prefix == "" {
		_, err := os.Lstat(path)
		return err == nil
	}
	text, err := secretfile.Read(path, maxEvidenceFile)
	return err == nil && strings.HasPrefix(string(text), prefix)
}

// isOn reports whether the platform was detected.
func (p *probe) isOn(name string) bool {
	return slices.ContainsFunc(p.platforms, func(found platform) bool { return found.Name == name })
}
