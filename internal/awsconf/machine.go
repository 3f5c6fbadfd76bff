package awsconf

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// machineRegion returns the region of this EC2 instance, or none.
func machineRegion(ctx context.Context, cfg aws.Config) string {
	out, err := imds.NewFromConfig(cfg).GetRegion(ctx, nil)
	if err != nil {
		return "" // which is then said to be missing
	}
	return out.Region
}
