/* Managed policies that all accounts have, by the names that AWS's have. */
#include "identity/iam.h"

#include <string.h>

#define ALLOW(actions)                                                                             \
	"{\"Version\": \"2012-10-17\", \"Statement\": [{\"Effect\": \"Allow\", \"Action\": "       \
	"[" actions "], \"Resource\": \"*\"}]}"

static const struct iam_common all[] = {
        {"AdministratorAccess", "Everything.", ALLOW("\"*\"")},
        {"AmazonS3FullAccess", "All of S3.", ALLOW("\"s3:*\"")},
        {"AmazonS3ReadOnlyAccess", "Reading and listing in S3.",
                ALLOW("\"s3:Get*\", \"s3:List*\"")},
        {"IAMFullAccess", "All of IAM.", ALLOW("\"iam:*\"")},
        {"IAMReadOnlyAccess", "Reading and listing in IAM.", ALLOW("\"iam:Get*\", \"iam:List*\"")},
};

const struct iam_common *iam_common_at(unsigned i)
{
	return i < COUNT_OF(all) ? &all[i] : NULL;
}

const struct iam_common *iam_common_find(const char *name)
{
	for (unsigned i = 0; i < COUNT_OF(all); i++) {
		if (strcmp(all[i].name, name) == 0)
			return &all[i];
	}
	return NULL;
}
