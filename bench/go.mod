module github.com/hush-secrets/hush/bench

go 1.26.0

replace github.com/hush-secrets/hush => ../

require (
	github.com/hush-secrets/hush v0.0.0-00010101000000-000000000000
	github.com/maypok86/otter/v2 v2.4.0
	github.com/stretchr/testify v1.12.1
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect
