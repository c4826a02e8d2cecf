#include "lib/auth/aws_policy_internal.h"

#include <string.h>
#include <strings.h>

/* What may be done to buckets and objects ("Actions, resources, and condition keys for Amazon S3",
 * Service Authorization Reference), whether or not we do it. */
static const char *const actions[] = {"s3:AbortMultipartUpload",
        "s3:AllowVendedLogDeliveryForResource", "s3:BypassGovernanceRetention", "s3:CreateBucket",
        "s3:CreateBucketMetadataTableConfiguration", "s3:DeleteBucket",
        "s3:DeleteBucketMetadataTableConfiguration", "s3:DeleteBucketPolicy",
        "s3:DeleteBucketWebsite", "s3:DeleteObject", "s3:DeleteObjectTagging",
        "s3:DeleteObjectVersion", "s3:DeleteObjectVersionTagging", "s3:GetAccelerateConfiguration",
        "s3:GetAnalyticsConfiguration", "s3:GetBucketAbac", "s3:GetBucketAcl", "s3:GetBucketCORS",
        "s3:GetBucketLocation", "s3:GetBucketLogging", "s3:GetBucketMetadataTableConfiguration",
        "s3:GetBucketNotification", "s3:GetBucketObjectLockConfiguration",
        "s3:GetBucketOwnershipControls", "s3:GetBucketPolicy", "s3:GetBucketPolicyStatus",
        "s3:GetBucketPublicAccessBlock", "s3:GetBucketRequestPayment", "s3:GetBucketTagging",
        "s3:GetBucketVersioning", "s3:GetBucketWebsite", "s3:GetEncryptionConfiguration",
        "s3:GetIntelligentTieringConfiguration", "s3:GetInventoryConfiguration",
        "s3:GetLifecycleConfiguration", "s3:GetMetricsConfiguration", "s3:GetObject",
        "s3:GetObjectAcl", "s3:GetObjectAttributes", "s3:GetObjectLegalHold",
        "s3:GetObjectRetention", "s3:GetObjectTagging", "s3:GetObjectTorrent",
        "s3:GetObjectVersion", "s3:GetObjectVersionAcl", "s3:GetObjectVersionAttributes",
        "s3:GetObjectVersionForReplication", "s3:GetObjectVersionTagging",
        "s3:GetObjectVersionTorrent", "s3:GetReplicationConfiguration", "s3:InitiateReplication",
        "s3:ListAllMyBuckets", "s3:ListBucket", "s3:ListBucketMultipartUploads",
        "s3:ListBucketVersions", "s3:ListMultipartUploadParts", "s3:ListTagsForResource",
        "s3:ObjectOwnerOverrideToBucketOwner", "s3:PauseReplication",
        "s3:PutAccelerateConfiguration", "s3:PutAnalyticsConfiguration", "s3:PutBucketAbac",
        "s3:PutBucketAcl", "s3:PutBucketCORS", "s3:PutBucketLogging", "s3:PutBucketNotification",
        "s3:PutBucketObjectLockConfiguration", "s3:PutBucketOwnershipControls",
        "s3:PutBucketPolicy", "s3:PutBucketPublicAccessBlock", "s3:PutBucketRequestPayment",
        "s3:PutBucketTagging", "s3:PutBucketVersioning", "s3:PutBucketWebsite",
        "s3:PutEncryptionConfiguration", "s3:PutIntelligentTieringConfiguration",
        "s3:PutInventoryConfiguration", "s3:PutLifecycleConfiguration",
        "s3:PutMetricsConfiguration", "s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectLegalHold",
        "s3:PutObjectRetention", "s3:PutObjectTagging", "s3:PutObjectVersionAcl",
        "s3:PutObjectVersionTagging", "s3:PutReplicationConfiguration", "s3:ReplicateDelete",
        "s3:ReplicateObject", "s3:ReplicateTags", "s3:RestoreObject", "s3:TagResource",
        "s3:UntagResource", "s3:UpdateBucketMetadataAnnotationTableConfiguration",
        "s3:UpdateBucketMetadataInventoryTableConfiguration",
        "s3:UpdateBucketMetadataJournalTableConfiguration", "s3:UpdateObjectEncryption"};

bool s3_action_known(const char *pattern)
{
	if (strcmp(pattern, "*") == 0)
		return true;
	if (strncasecmp(pattern, "s3:", 3) != 0)
		return false;
	for (unsigned i = 0; i < COUNT_OF(actions); i++) {
		if (s3_policy_like(pattern, actions[i], true))
			return true;
	}
	return false;
}
