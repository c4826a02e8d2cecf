/* Bucket policies, and access control lists as they are kept: whatever is taken can be decided by,
 * and printed again. */
#include "lib/auth/aws_policy.h"
#include "proxy/s3/acl.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *value(void *arg, const char *key, unsigned n)
{
	(void)arg;
	return n < 2 && strcmp(key, "s3:prefix") != 0 ? "127.0.0.1" : NULL;
}

static void use_policy(const uint8_t *data, size_t size)
{
	AUTO(jroot) struct jroot root = JROOT_NONE;
	const struct s3_policy_ask ask = {.action = "s3:GetObject",
	        .resource = "bucket/key",
	        .account = "account",
	        .id = "id",
	        .user = "user",
	        .value = value};

	if (jread_parse(data, size, &root))
		return;
	s3_policy_check(root.value, "bucket");
	/* What another version has taken is met as well. */
	enum s3_verdict verdict = s3_policy_decide(root.value, &ask);
	if (verdict != s3_policy_decide(root.value, &ask))
		abort();
	s3_policy_is_public(root.value);
	s3_policy_check_attached(root.value);
	s3_policy_check_trust(root.value);
	const struct s3_policy_ask role = {.action = "sts:AssumeRole",
	        .arn = "arn:aws:iam::account:role/name",
	        .account = "account",
	        .role = "role",
	        .session = "session",
	        .attached = size % 2,
	        .value = value};
	s3_policy_decide(root.value, &role);
}

static void use_list(const char *text)
{
	AUTO(buf) struct buf one = BUF_NONE, two = BUF_NONE, xml = BUF_NONE;
	struct arena arena;
	struct s3_acl acl, again;

	arena_init(&arena);
	if (s3_acl_read(text, &arena, &acl)) {
		s3_acl_print(&acl, &one);
		if (!s3_acl_read(buf_text(&one), &arena, &again))
			abort();
		s3_acl_print(&again, &two);
		if (strcmp(buf_text(&one), buf_text(&two)) != 0)
			abort();
		s3_acl_tell(&acl, &xml);
		s3_acl_gives(&acl, "id", S3_READ, true);
	}
	arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 65536)
		return 0;
	char *text = malloc(size + 1);
	memcpy(text, data, size);
	text[size] = 0;
	use_policy(data, size);
	use_list(text);
	free(text);
	return 0;
}
