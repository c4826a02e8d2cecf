/* config: what is set for a whole bucket about access. */
#ifndef PROXY_S3_CONFIG_H
#define PROXY_S3_CONFIG_H

#include <stdbool.h>

struct info;

#define S3_BUCKET_POLICY "X-Container-Sysmeta-S3-Policy"        /* JSON, as it was sent */
#define S3_POLICY_HARD   "X-Container-Sysmeta-S3-Policy-Hard"   /* "true": binds its owner, too */
#define S3_PUBLIC_ACCESS "X-Container-Sysmeta-S3-Public-Access" /* "set", what is on */
#define S3_OWNERSHIP     "X-Container-Sysmeta-S3-Ownership"     /* one of these: */
#define S3_ENCRYPTION    "X-Container-Sysmeta-S3-Encryption"    /* as encryption.h has it */
#define S3_PAYER         "X-Container-Sysmeta-S3-Payer"         /* who pays; one of these: */
#define S3_ACCELERATE    "X-Container-Sysmeta-S3-Accelerate"    /* "Suspended" */
#define S3_CORS          "X-Container-Sysmeta-S3-Cors"          /* XML, as it was sent */

#define S3_BUCKET_OWNER_PAYS "BucketOwner"
#define S3_REQUESTER         "Requester"

#define S3_OWNER_ENFORCED  "BucketOwnerEnforced"
#define S3_OWNER_PREFERRED "BucketOwnerPreferred"
#define S3_OBJECT_WRITER   "ObjectWriter"
bool s3_ownership_good(const char *text);
bool s3_owner_enforced(const struct info *info);

#define S3_BLOCK_PUBLIC_ACLS       "BlockPublicAcls"
#define S3_IGNORE_PUBLIC_ACLS      "IgnorePublicAcls"
#define S3_BLOCK_PUBLIC_POLICY     "BlockPublicPolicy"
#define S3_RESTRICT_PUBLIC_BUCKETS "RestrictPublicBuckets"
bool s3_blocks(const struct info *info, const char *what);

#endif
