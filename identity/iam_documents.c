/* All policies that count for somebody: their own, their groups', and what is attached to these. */
#include "identity/iam.h"

#include "identity/sql.h"
#include "lib/auth/aws_policy.h"

/* The document of an attached policy is that of its default version; NULL: one that all have. */
#define ATTACHED(table, owner)                                                                     \
	"SELECT a.policy_id, v.document FROM " table " a LEFT JOIN iam_policy p ON p.id = "        \
	"a.policy_id LEFT JOIN iam_policy_version v ON v.policy_id = p.id AND v.version = "        \
	"p.version WHERE " owner

#define MY_GROUPS "a.owner_id IN (SELECT group_id FROM iam_member WHERE user_id = ?)"

static struct db_query of_user(struct db_tx *tx, const char *user_id, const char *project_id)
{
	return sql_query(tx,
	        "SELECT '', a.document FROM iam_user_policy a WHERE a.owner_id = ? AND "
	        "a.project_id "
	        "= ? UNION ALL SELECT '', a.document FROM iam_group_policy a WHERE " MY_GROUPS
	        " AND a.project_id = ? UNION ALL " ATTACHED("iam_user_attached",
	                "a.owner_id = ?") " AND a.project_id = ? UNION ALL " ATTACHED("iam_group_"
	                                                                              "attached",
	                MY_GROUPS) " AND a.project_id = ?",
	        TEXTS(user_id, project_id, user_id, project_id, user_id, project_id, user_id,
	                project_id));
}

static struct db_query of_role(struct db_tx *tx, const char *role_id)
{
	return sql_query(tx,
	        "SELECT '', a.document FROM iam_role_policy a WHERE a.owner_id = ? UNION "
	        "ALL " ATTACHED("iam_role_attached", "a.owner_id = ?"),
	        TEXTS(role_id, role_id));
}

/* Of a row's policy: its document, or that of one that all accounts have. */
static const char *text_of(struct db_query *q)
{
	const struct iam_common *common = db_is_null(q, 1) ? iam_common_find(db_text(q, 0)) : NULL;

	return common ? common->document : db_text(q, 1);
}

static void add(struct jout *out, const char *text, bool denials, unsigned *count)
{
	AUTO(buf) struct buf kept = BUF_NONE;

	if (denials && !s3_policy_denials(text, &kept))
		return;
	jout_text(out, NULL, denials ? buf_text(&kept) : text);
	++*count;
}

enum err iam_documents(struct db_tx *tx, const char *user_id, const char *project_id,
        const char *role_id, bool denials, struct jout *out, unsigned *count)
{
	struct db_query q = role_id ? of_role(tx, role_id) : of_user(tx, user_id, project_id);

	while (db_step(&q)) {
		const char *text = text_of(&q);
		if (text)
			add(out, text, denials, count);
	}
	return db_end(&q);
}

/* One whose document is not there allows nothing. */
enum err iam_boundaries(struct db_tx *tx, const char *user_id, const char *project_id,
        const char *role_id, struct jout *out, unsigned *count)
{
	struct db_query q = role_id ? sql_query(tx, ATTACHED("iam_role_boundary", "a.owner_id = ?"),
	                                      TEXTS(role_id))
	                            : sql_query(tx,
	                                      ATTACHED("iam_user_boundary",
	                                              "a.owner_id = ? AND a.project_id = ?"),
	                                      TEXTS(user_id, project_id));

	for (; db_step(&q); ++*count) {
		const char *text = text_of(&q);
		jout_text(out, NULL, text ? text : "{}");
	}
	return db_end(&q);
}
