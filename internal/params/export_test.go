package params

// Credentials returns the endings of names that are refused.
func Credentials() []string { return credentials }
