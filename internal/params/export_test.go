package params

// Credentials are how names end that are refused.
func Credentials() []string { return credentials }
