#include "proxy/s3/operation.h"
#include "proxy/s3/methods.h"
#include "proxy/s3/sign.h"

#include <string.h>
#include <strings.h>

/* Of rows that fit, the first counts: those that want a parameter or a header come before those
 * that do not. Names as in "Actions", Amazon S3 API Reference. */
static const struct s3_operation table[] = {
        {"STS and IAM", "GET", S3_SERVICE, "Action", NULL, "sts:*", &s3_action, true},
        {"ListBuckets", "GET", S3_SERVICE, NULL, NULL, "s3:ListAllMyBuckets", &s3_list_buckets,
                false},

        {"STS and IAM", "POST", S3_SERVICE, NULL, "Content-Type", "sts:*", &s3_action, true},

        {"GetBucketLocation", "GET", S3_BUCKET, "location", NULL, "s3:GetBucketLocation",
                &s3_bucket_location, false},
        {"GetBucketVersioning", "GET", S3_BUCKET, "versioning", NULL, "s3:GetBucketVersioning",
                &s3_versioning_get, false},
        {"PutBucketVersioning", "PUT", S3_BUCKET, "versioning", NULL, "s3:PutBucketVersioning",
                &s3_versioning_put, true},
        {"ListObjectVersions", "GET", S3_BUCKET, "versions", NULL, "s3:ListBucketVersions",
                &s3_list_versions, false},
        {"ListMultipartUploads", "GET", S3_BUCKET, "uploads", NULL, "s3:ListBucketMultipartUploads",
                &s3_upload_list, false},
        {"DeleteObjects", "POST", S3_BUCKET, "delete", NULL, "s3:DeleteObject", &s3_objects_delete,
                true},
        {"GetBucketAcl", "GET", S3_BUCKET, "acl", NULL, "s3:GetBucketAcl", &s3_bucket_acl_get,
                false},
        {"PutBucketAcl", "PUT", S3_BUCKET, "acl", NULL, "s3:PutBucketAcl", &s3_bucket_acl_put,
                true},
        {"GetBucketPolicyStatus", "GET", S3_BUCKET, "policyStatus", NULL,
                "s3:GetBucketPolicyStatus", &s3_policy_status, false},
        {"GetBucketPolicy", "GET", S3_BUCKET, "policy", NULL, "s3:GetBucketPolicy", &s3_config_get,
                false},
        {"PutBucketPolicy", "PUT", S3_BUCKET, "policy", NULL, "s3:PutBucketPolicy", &s3_config_put,
                true},
        {"DeleteBucketPolicy", "DELETE", S3_BUCKET, "policy", NULL, "s3:DeleteBucketPolicy",
                &s3_config_delete, true},
        {"GetPublicAccessBlock", "GET", S3_BUCKET, "publicAccessBlock", NULL,
                "s3:GetBucketPublicAccessBlock", &s3_config_get, false},
        {"PutPublicAccessBlock", "PUT", S3_BUCKET, "publicAccessBlock", NULL,
                "s3:PutBucketPublicAccessBlock", &s3_config_put, true},
        {"DeletePublicAccessBlock", "DELETE", S3_BUCKET, "publicAccessBlock", NULL,
                "s3:PutBucketPublicAccessBlock", &s3_config_delete, true},
        {"GetBucketOwnershipControls", "GET", S3_BUCKET, "ownershipControls", NULL,
                "s3:GetBucketOwnershipControls", &s3_config_get, false},
        {"PutBucketOwnershipControls", "PUT", S3_BUCKET, "ownershipControls", NULL,
                "s3:PutBucketOwnershipControls", &s3_config_put, true},
        {"DeleteBucketOwnershipControls", "DELETE", S3_BUCKET, "ownershipControls", NULL,
                "s3:PutBucketOwnershipControls", &s3_config_delete, true},
        {"GetBucketTagging", "GET", S3_BUCKET, "tagging", NULL, "s3:GetBucketTagging",
                &s3_bucket_tags_get, false},
        {"PutBucketTagging", "PUT", S3_BUCKET, "tagging", NULL, "s3:PutBucketTagging",
                &s3_bucket_tags_put, true},
        {"DeleteBucketTagging", "DELETE", S3_BUCKET, "tagging", NULL, "s3:PutBucketTagging",
                &s3_bucket_tags_delete, true},
        {"GetBucketCors", "GET", S3_BUCKET, "cors", NULL, "s3:GetBucketCORS", &s3_config_get,
                false},
        {"PutBucketCors", "PUT", S3_BUCKET, "cors", NULL, "s3:PutBucketCORS", &s3_config_put, true},
        {"DeleteBucketCors", "DELETE", S3_BUCKET, "cors", NULL, "s3:PutBucketCORS",
                &s3_config_delete, true},
        {"GetBucketLifecycleConfiguration", "GET", S3_BUCKET, "lifecycle", NULL,
                "s3:GetLifecycleConfiguration", &s3_config_get, false},
        {"PutBucketLifecycleConfiguration", "PUT", S3_BUCKET, "lifecycle", NULL,
                "s3:PutLifecycleConfiguration", &s3_config_put, true},
        {"DeleteBucketLifecycle", "DELETE", S3_BUCKET, "lifecycle", NULL,
                "s3:PutLifecycleConfiguration", &s3_config_delete, true},
        {"GetObjectLockConfiguration", "GET", S3_BUCKET, "object-lock", NULL,
                "s3:GetBucketObjectLockConfiguration", &s3_bucket_lock_get, false},
        {"PutObjectLockConfiguration", "PUT", S3_BUCKET, "object-lock", NULL,
                "s3:PutBucketObjectLockConfiguration", &s3_bucket_lock_put, true},
        {"GetBucketEncryption", "GET", S3_BUCKET, "encryption", NULL,
                "s3:GetEncryptionConfiguration", &s3_config_get, false},
        {"PutBucketEncryption", "PUT", S3_BUCKET, "encryption", NULL,
                "s3:PutEncryptionConfiguration", &s3_config_put, true},
        {"DeleteBucketEncryption", "DELETE", S3_BUCKET, "encryption", NULL,
                "s3:PutEncryptionConfiguration", &s3_config_delete, true},
        {"GetBucketWebsite", "GET", S3_BUCKET, "website", NULL, "s3:GetBucketWebsite",
                &s3_config_get, false},
        {"PutBucketWebsite", "PUT", S3_BUCKET, "website", NULL, "s3:PutBucketWebsite",
                &s3_config_put, true},
        {"DeleteBucketWebsite", "DELETE", S3_BUCKET, "website", NULL, "s3:DeleteBucketWebsite",
                &s3_config_delete, true},
        {"GetBucketLogging", "GET", S3_BUCKET, "logging", NULL, "s3:GetBucketLogging",
                &s3_logging_get, false},
        {"PutBucketLogging", "PUT", S3_BUCKET, "logging", NULL, "s3:PutBucketLogging",
                &s3_logging_put, true},
        {"GetBucketNotificationConfiguration", "GET", S3_BUCKET, "notification", NULL,
                "s3:GetBucketNotification", &s3_config_get, false},
        {"PutBucketNotificationConfiguration", "PUT", S3_BUCKET, "notification", NULL,
                "s3:PutBucketNotification", &s3_config_put, true},
        {"GetBucketRequestPayment", "GET", S3_BUCKET, "requestPayment", NULL,
                "s3:GetBucketRequestPayment", &s3_config_get, false},
        {"PutBucketRequestPayment", "PUT", S3_BUCKET, "requestPayment", NULL,
                "s3:PutBucketRequestPayment", &s3_config_put, true},
        {"GetBucketAccelerateConfiguration", "GET", S3_BUCKET, "accelerate", NULL,
                "s3:GetAccelerateConfiguration", &s3_config_get, false},
        {"PutBucketAccelerateConfiguration", "PUT", S3_BUCKET, "accelerate", NULL,
                "s3:PutAccelerateConfiguration", &s3_config_put, true},
        {"GetBucketReplication", "GET", S3_BUCKET, "replication", NULL,
                "s3:GetReplicationConfiguration", &s3_none_get, false},
        {"PutBucketReplication", "PUT", S3_BUCKET, "replication", NULL,
                "s3:PutReplicationConfiguration", NULL, true},
        {"DeleteBucketReplication", "DELETE", S3_BUCKET, "replication", NULL,
                "s3:PutReplicationConfiguration", &s3_none_delete, true},
        {"ListBucketAnalyticsConfigurations", "GET", S3_BUCKET, "analytics", NULL,
                "s3:GetAnalyticsConfiguration", &s3_none_get, false},
        {"PutBucketAnalyticsConfiguration", "PUT", S3_BUCKET, "analytics", NULL,
                "s3:PutAnalyticsConfiguration", NULL, true},
        {"DeleteBucketAnalyticsConfiguration", "DELETE", S3_BUCKET, "analytics", NULL,
                "s3:PutAnalyticsConfiguration", &s3_none_delete, true},
        {"ListBucketInventoryConfigurations", "GET", S3_BUCKET, "inventory", NULL,
                "s3:GetInventoryConfiguration", &s3_none_get, false},
        {"PutBucketInventoryConfiguration", "PUT", S3_BUCKET, "inventory", NULL,
                "s3:PutInventoryConfiguration", NULL, true},
        {"DeleteBucketInventoryConfiguration", "DELETE", S3_BUCKET, "inventory", NULL,
                "s3:PutInventoryConfiguration", &s3_none_delete, true},
        {"ListBucketMetricsConfigurations", "GET", S3_BUCKET, "metrics", NULL,
                "s3:GetMetricsConfiguration", &s3_none_get, false},
        {"PutBucketMetricsConfiguration", "PUT", S3_BUCKET, "metrics", NULL,
                "s3:PutMetricsConfiguration", NULL, true},
        {"DeleteBucketMetricsConfiguration", "DELETE", S3_BUCKET, "metrics", NULL,
                "s3:PutMetricsConfiguration", &s3_none_delete, true},
        {"ListBucketIntelligentTieringConfigurations", "GET", S3_BUCKET, "intelligent-tiering",
                NULL, "s3:GetIntelligentTieringConfiguration", &s3_none_get, false},
        {"PutBucketIntelligentTieringConfiguration", "PUT", S3_BUCKET, "intelligent-tiering", NULL,
                "s3:PutIntelligentTieringConfiguration", NULL, true},
        {"DeleteBucketIntelligentTieringConfiguration", "DELETE", S3_BUCKET, "intelligent-tiering",
                NULL, "s3:PutIntelligentTieringConfiguration", &s3_none_delete, true},
        {"ListObjectsV2", "GET", S3_BUCKET, "list-type", NULL, "s3:ListBucket", &s3_list_objects,
                false},
        {"ListObjects", "GET", S3_BUCKET, NULL, NULL, "s3:ListBucket", &s3_list_objects, false},
        {"HeadBucket", "HEAD", S3_BUCKET, NULL, NULL, "s3:ListBucket", &s3_bucket_head, false},
        {"CreateBucket", "PUT", S3_BUCKET, NULL, NULL, "s3:CreateBucket", &s3_bucket_create, true},
        {"DeleteBucket", "DELETE", S3_BUCKET, NULL, NULL, "s3:DeleteBucket", &s3_bucket_delete,
                true},
        {"PreflightBucket", "OPTIONS", S3_BUCKET, NULL, NULL, "s3:ListBucket", &s3_preflight,
                false},
        {"PreflightObject", "OPTIONS", S3_OBJECT, NULL, NULL, "s3:GetObject", &s3_preflight, false},
        {"PostObject", "POST", S3_BUCKET, NULL, NULL, "s3:PutObject", &s3_object_post, true},

        {"GetObjectAcl", "GET", S3_OBJECT, "acl", NULL, "s3:GetObjectAcl", &s3_object_acl_get,
                false},
        {"PutObjectAcl", "PUT", S3_OBJECT, "acl", NULL, "s3:PutObjectAcl", &s3_object_acl_put,
                true},
        {"GetObjectTagging", "GET", S3_OBJECT, "tagging", NULL, "s3:GetObjectTagging",
                &s3_object_tags_get, false},
        {"PutObjectTagging", "PUT", S3_OBJECT, "tagging", NULL, "s3:PutObjectTagging",
                &s3_object_tags_put, true},
        {"DeleteObjectTagging", "DELETE", S3_OBJECT, "tagging", NULL, "s3:DeleteObjectTagging",
                &s3_object_tags_delete, true},
        {"GetObjectRetention", "GET", S3_OBJECT, "retention", NULL, "s3:GetObjectRetention",
                &s3_retention_get, false},
        {"PutObjectRetention", "PUT", S3_OBJECT, "retention", NULL, "s3:PutObjectRetention",
                &s3_retention_put, true},
        {"GetObjectLegalHold", "GET", S3_OBJECT, "legal-hold", NULL, "s3:GetObjectLegalHold",
                &s3_legal_hold_get, false},
        {"PutObjectLegalHold", "PUT", S3_OBJECT, "legal-hold", NULL, "s3:PutObjectLegalHold",
                &s3_legal_hold_put, true},
        {"GetObjectAttributes", "GET", S3_OBJECT, "attributes", NULL, "s3:GetObjectAttributes",
                &s3_object_attributes, false},
        {"GetObjectTorrent", "GET", S3_OBJECT, "torrent", NULL, "s3:GetObjectTorrent", &s3_torrent,
                false},
        {"RestoreObject", "POST", S3_OBJECT, "restore", NULL, "s3:RestoreObject", &s3_restore,
                true},
        {"SelectObjectContent", "POST", S3_OBJECT, "select", NULL, "s3:GetObject", &s3_select,
                false},
        {"ListParts", "GET", S3_OBJECT, "uploadId", NULL, "s3:ListMultipartUploadParts",
                &s3_part_list, false},
        {"CreateMultipartUpload", "POST", S3_OBJECT, "uploads", NULL, "s3:PutObject",
                &s3_upload_create, true},
        {"UploadPartCopy", "PUT", S3_OBJECT, "uploadId", "x-amz-copy-source", "s3:PutObject",
                &s3_part_copy, true},
        {"UploadPart", "PUT", S3_OBJECT, "uploadId", NULL, "s3:PutObject", &s3_part_put, true},
        {"CompleteMultipartUpload", "POST", S3_OBJECT, "uploadId", NULL, "s3:PutObject",
                &s3_upload_complete, true},
        {"AbortMultipartUpload", "DELETE", S3_OBJECT, "uploadId", NULL, "s3:AbortMultipartUpload",
                &s3_upload_abort, true},
        {"CopyObject", "PUT", S3_OBJECT, NULL, "x-amz-copy-source", "s3:PutObject", &s3_object_copy,
                true},
        {"GetObject", "GET", S3_OBJECT, NULL, NULL, "s3:GetObject", &s3_object_get, false},
        {"HeadObject", "HEAD", S3_OBJECT, NULL, NULL, "s3:GetObject", &s3_object_get, false},
        {"PutObject", "PUT", S3_OBJECT, NULL, NULL, "s3:PutObject", &s3_object_put, true},
        {"DeleteObject", "DELETE", S3_OBJECT, NULL, NULL, "s3:DeleteObject", &s3_object_delete,
                true},
};

/* A URL that was signed beforehand may say as a parameter what others say as a header. */
static bool has_header(
        const struct http_req *http, const struct query *query, const char *name, bool in_query)
{
	if (http_get(http, name))
		return true;
	for (unsigned i = 0; in_query && i < query->count; i++) {
		if (strcasecmp(query->pairs[i].name, name) == 0)
			return true;
	}
	return false;
}

const struct s3_operation *s3_operation_find(
        const struct http_req *http, const struct query *query, enum s3_level level)
{
	bool in_query = s3_sign_in_query(http);

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		const struct s3_operation *o = &table[i];
		if (o->level == level && strcmp(o->verb, http->method) == 0 &&
		        (!o->query || (query->count && query_get(query, o->query))) &&
		        (!o->header || has_header(http, query, o->header, in_query)))
			return o;
	}
	return NULL;
}

static const char *answered(const struct s3_operation *o)
{
	return !o->method                     ? "NotImplemented"
	       : o->method == &s3_select      ? "MethodNotAllowed"
	       : o->method == &s3_torrent     ? "NoSuchKey"
	       : o->method == &s3_restore     ? "InvalidObjectState"
	       : o->method == &s3_none_get    ? "that there is none"
	       : o->method == &s3_none_delete ? "that there is none"
	                                      : "yes";
}

void s3_operation_print(struct buf *out)
{
	static const char *const levels[] = {"/", "/bucket", "/bucket/key"};

	buf_str(out, "| operation | request | answered |\n|---|---|---|\n");
	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		const struct s3_operation *o = &table[i];
		buf_printf(out, "| %s | `%s %s%s%s`%s%s%s | %s |\n", o->name, o->verb,
		        levels[o->level], o->query ? "?" : "", o->query ? o->query : "",
		        o->header ? " with `" : "", o->header ? o->header : "",
		        o->header ? "`" : "", answered(o));
	}
}
