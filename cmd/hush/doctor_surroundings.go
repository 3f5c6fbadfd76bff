package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hush-secrets/hush/internal/secretfile"
)

// maxSignFile is above the size of the files that are signs, in bytes.
const maxSignFile = 64 << 10

// A surrounding is a kind of place where programs run, and by what it was known: the
// names of variables and files, never their values.
type surrounding struct {
	Name    string   `json:"name"`
	Because []string `json:"because"`
}

// A machine is what surroundings are known by.
type machine struct {
	env  func(name string) (string, bool)
	root string // of the files
}

func thisMachine() machine { return machine{os.LookupEnv, "/"} }

// A sign is a variable that is set, to no denial and to something that begins with
// starts, or a file that is there and begins so.
type sign struct{ variable, file, starts string }

// known are the surroundings that there are, the most telling first.
var known = []struct {
	name  string
	signs []sign
}{
	{"Lambda", []sign{{variable: "AWS_LAMBDA_RUNTIME_API"}, {variable: "AWS_LAMBDA_FUNCTION_NAME"}}},
	{"CI", []sign{
		{variable: "GITHUB_ACTIONS"},
		{variable: "GITLAB_CI"},
		{variable: "BUILDKITE"},
		{variable: "CIRCLECI"},
		{variable: "JENKINS_URL"},
		{variable: "CODEBUILD_BUILD_ID"},
		{variable: "TF_BUILD"},
		{variable: "CI"},
	}},
	{"a container of ECS", []sign{
		{variable: "ECS_CONTAINER_METADATA_URI_V4"},
		{variable: "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"},
		{variable: "AWS_EXECUTION_ENV", starts: "AWS_ECS_"},
	}},
	{"a pod of EKS", []sign{
		{variable: "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", starts: "/var/run/secrets/pods.eks.amazonaws.com/"},
		{variable: "AWS_WEB_IDENTITY_TOKEN_FILE", starts: "/var/run/secrets/eks.amazonaws.com/"},
	}},
	{"a pod of Kubernetes", []sign{
		{variable: "KUBERNETES_SERVICE_HOST"}, {file: "var/run/secrets/kubernetes.io/serviceaccount/token"},
	}},
	{"EC2", []sign{
		{file: "sys/devices/virtual/dmi/id/sys_vendor", starts: "Amazon EC2"},
		{file: "sys/devices/virtual/dmi/id/bios_vendor", starts: "Amazon EC2"},
		{file: "sys/hypervisor/uuid", starts: "ec2"},
	}},
	{"a container", []sign{{file: ".dockerenv"}, {file: "run/.containerenv"}}},
}

// surroundings returns what m is, the most telling first; a laptop is what is
// nothing else.
func surroundings(m machine) []surrounding {
	var found []surrounding
	for _, k := range known {
		var because []string
		for _, s := range k.signs {
			if reason := m.shows(s); reason != "" {
				because = append(because, reason)
			}
		}
		if because != nil {
			found = append(found, surrounding{k.name, because})
		}
	}
	if found == nil {
		found = []surrounding{{"a laptop, or another machine of its own", []string{"nothing of Lambda, CI, ECS, Kubernetes, EC2 or a container is here"}}}
	}
	return found
}

// shows returns the name of what shows s, or nothing.
func (m machine) shows(s sign) string {
	if s.file == "" {
		text, _ := m.env(s.variable)
		switch strings.ToLower(text) {
		case "", "0", "false", "no", "off":
			return ""
		}
		if strings.HasPrefix(text, s.starts) {
			return s.variable
		}
		return ""
	}
	path := filepath.Join(m.root, s.file)
	if _, err := os.Lstat(path); err != nil {
		return ""
	}
	if s.starts != "" {
		if text, err := secretfile.Read(path, maxSignFile); err != nil || !strings.HasPrefix(string(text), s.starts) {
			return ""
		}
	}
	return "/" + s.file
}

// within reports whether these are surroundings of that name.
func (e *examination) within(name string) bool {
	return slices.ContainsFunc(e.surroundings, func(s surrounding) bool { return s.Name == name })
}
