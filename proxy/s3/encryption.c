#include "proxy/s3/encryption.h"

#include "proxy/s3/s3.h"

#include <string.h>
#include <strings.h>

static const char *kept_blocks(const struct xml *rule, enum s3_error *ret_error)
{
	const struct xml *blocked = xml_child(rule, "BlockedEncryptionTypes");
	const char *kept = "";

	for (const struct xml *t = xml_child(blocked, "EncryptionType"); t; t = xml_next(t)) {
		if (strcmp(t->text, S3_BLOCKS_SSEC) == 0)
			kept = " " S3_BLOCKS_SSEC;
		else if (strcmp(t->text, "NONE") != 0)
			*ret_error = S3_MalformedXML;
	}
	return kept;
}

enum s3_error s3_encryption_read(
        const struct xml *root, struct arena *arena, const char **ret_kept, const char **ret_text)
{
	const struct xml *rule = xml_child(root, "Rule"),
	                 *by_default = xml_child(rule, "ApplyServerSideEncryptionByDefault");
	const char *method = xml_text(by_default, "SSEAlgorithm"),
	           *key = xml_text(by_default, "KMSMasterKeyID"),
	           *cache = xml_text(rule, "BucketKeyEnabled");
	enum s3_error error = S3_OK;

	if (!rule || xml_next(rule) || (by_default && !method) ||
	        (cache && strcasecmp(cache, "true") != 0 && strcasecmp(cache, "false") != 0))
		return S3_MalformedXML;
	const char *blocks = kept_blocks(rule, &error);
	if (error || (!method && !*blocks && !xml_child(rule, "BlockedEncryptionTypes")))
		return S3_MalformedXML;
	bool kms = method && strcmp(method, S3_SSE_KMS) == 0;
	if (method && !kms && strcmp(method, S3_SSE_ROOT) != 0)
		return S3_MalformedXML;
	if (key && !kms) {
		*ret_text = "a KMSMasterKeyID is not applicable if the default sse algorithm is "
		            "not aws:kms or aws:kms:dsse";
		return S3_InvalidArgument;
	}
	if (key && (!*key || strlen(key) > S3_KMS_ID_MAX || strpbrk(key, " \t\r\n")))
		return S3_InvalidArgument;
	*ret_kept = arena_printf(arena, "%s %s %s%s", method ? method : "-",
	        cache && strcasecmp(cache, "true") == 0 ? "true" : "false", key ? key : "-",
	        blocks);
	return S3_OK;
}

void s3_encryption_tell(const char *kept, struct buf *out)
{
	AUTO(buf) struct buf text = BUF_NONE;
	char *save = NULL;

	buf_add(&text, kept, strlen(kept) + 1);
	const char *method = strtok_r(text.data, " ", &save), *cache = strtok_r(NULL, " ", &save),
	           *key = strtok_r(NULL, " ", &save), *blocks = strtok_r(NULL, " ", &save);
	s3_xml_begin(out, "ServerSideEncryptionConfiguration");
	buf_str(out, "<Rule>");
	if (method && strcmp(method, "-") != 0) {
		buf_str(out, "<ApplyServerSideEncryptionByDefault>");
		s3_xml_text(out, "SSEAlgorithm", method);
		if (key && strcmp(key, "-") != 0)
			s3_xml_text(out, "KMSMasterKeyID", key);
		buf_str(out, "</ApplyServerSideEncryptionByDefault>");
	}
	s3_xml_bool(out, "BucketKeyEnabled", cache && strcmp(cache, "true") == 0);
	if (blocks) {
		buf_str(out, "<BlockedEncryptionTypes>");
		s3_xml_text(out, "EncryptionType", blocks);
		buf_str(out, "</BlockedEncryptionTypes>");
	}
	buf_str(out, "</Rule></ServerSideEncryptionConfiguration>");
}
