package directtest_test

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/hush-secrets/hush/direct/directtest"
)

func Example() {
	server, err := directtest.Start(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	server.Put("db/prod", []byte("hunter2"))
	client := server.Client()
	in := &secretsmanager.GetSecretValueInput{SecretId: aws.String("db/prod")}

	server.Fail(directtest.Failure{Code: "AccessDeniedException", Message: "not for you", Times: 1})
	_, err = client.GetSecretValue(context.Background(), in)
	fmt.Println(err != nil)

	out, err := client.GetSecretValue(context.Background(), in)
	fmt.Println(err == nil && *out.SecretString == "hunter2")
	fmt.Println(server.Calls(directtest.Call{Operation: "GetSecretValue", Name: "db/prod"}), "calls")
	// Output:
	// true
	// true
	// 2 calls
}

// A rotation has two steps. A test can read both versions between them.
func ExampleServer_Rotate() {
	server, err := directtest.Start(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	server.Put("db/prod", []byte("old"))
	show := func() {
		out, err := server.Client().GetSecretValue(context.Background(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("db/prod")})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(*out.SecretString)
	}
	finish := server.Rotate("db/prod", []byte("new"))
	show()
	finish()
	show()
	// Output:
	// old
	// new
}
