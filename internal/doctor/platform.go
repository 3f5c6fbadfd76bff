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

// A sign is a variable that is set and not false, or a file that exists. The value or
// the content begins with prefix.
type sign struct{ variable, file, prefix string }

// knownPlatforms begins with the most specific platform.
var knownPlatforms = []struct {
	name  string
	signs []sign
}{
	{lambda, []sign{{variable: "AWS_LAMBDA_RUNTIME_API"}, {variable: "AWS_LAMBDA_FUNCTION_NAME"}}},
	{ci, []sign{
		{variable: "GITHUB_ACTIONS"}, {variable: "GITLAB_CI"}, {variable: "BUILDKITE"}, {variable: "CIRCLECI"},
		{variable: "JENKINS_URL"}, {variable: "CODEBUILD_BUILD_ID"}, {variable: "TF_BUILD"}, {variable: "CI"},
	}},
	{ecs, []sign{
		{variable: "ECS_CONTAINER_METADATA_URI_V4"},
		{variable: "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"},
		{variable: "AWS_EXECUTION_ENV", prefix: "AWS_ECS_"},
	}},
	{eks, []sign{
		{variable: "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", prefix: "/var/run/secrets/pods.eks.amazonaws.com/"},
		{variable: "AWS_WEB_IDENTITY_TOKEN_FILE", prefix: "/var/run/secrets/eks.amazonaws.com/"},
	}},
	{kubernetes, []sign{
		{variable: "KUBERNETES_SERVICE_HOST"}, {file: "var/run/secrets/kubernetes.io/serviceaccount/token"},
	}},
	{ec2, []sign{
		{file: "sys/devices/virtual/dmi/id/sys_vendor", prefix: "Amazon EC2"},
		{file: "sys/devices/virtual/dmi/id/bios_vendor", prefix: "Amazon EC2"},
		{file: "sys/hypervisor/uuid", prefix: "ec2"},
	}},
	{"container", []sign{{file: ".dockerenv"}, {file: "run/.containerenv"}}},
}

// detectPlatforms returns the platforms of m, the most specific first.
func detectPlatforms(m machine) []platform {
	var found []platform
	for _, known := range knownPlatforms {
		var evidence []string
		for _, s := range known.signs {
			if name := m.find(s); name != "" {
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

// find returns the name of the variable or file if m has the sign, or "".
func (m machine) find(s sign) string {
	if s.file == "" {
		value := m.getenv(s.variable)
		disabled := slices.Contains([]string{"", "0", "false", "no", "off"}, strings.ToLower(value))
		if disabled || !strings.HasPrefix(value, s.prefix) {
			return ""
		}
		return s.variable
	}
	path := filepath.Join(m.root, s.file)
	if s.prefix == "" {
		if _, err := os.Lstat(path); err != nil {
			return ""
		}
	} else if text, err := secretfile.Read(path, maxEvidenceFile); err != nil || !strings.HasPrefix(string(text), s.prefix) {
		return ""
	}
	return "/" + s.file
}

// isOn reports whether the platform was detected.
func (p *probe) isOn(name string) bool {
	return slices.ContainsFunc(p.platforms, func(found platform) bool { return found.Name == name })
}
