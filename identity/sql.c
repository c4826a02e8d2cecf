#include "identity/sql.h"

#include <string.h>

struct db_query sql_query(
        struct db_tx *tx, const char *sql, unsigned count, const char *const *texts)
{
	struct db_query q = db_query(tx, sql);

	for (unsigned i = 0; i < count; i++)
		db_bind_text(&q, texts[i]);
	return q;
}

enum err sql_run(struct db_tx *tx, const char *sql, unsigned *ret_changed, unsigned count,
        const char *const *texts)
{
	struct db_query q = sql_query(tx, sql, count, texts);

	return db_exec(&q, ret_changed);
}

enum err sql_int(struct db_tx *tx, const char *sql, int64_t *ret_number, unsigned count,
        const char *const *texts)
{
	struct db_query q = sql_query(tx, sql, count, texts);

	*ret_number = db_step(&q) ? db_int(&q, 0) : 0;
	return db_end(&q);
}

enum err sql_text(struct db_tx *tx, const char *sql, struct arena *arena, const char **ret_text,
        unsigned count, const char *const *texts)
{
	struct db_query q = sql_query(tx, sql, count, texts);

	*ret_text = db_step(&q) && !db_is_null(&q, 0) ? arena_strdup(arena, db_text(&q, 0)) : NULL;
	return db_end(&q);
}

enum err sql_texts(
        struct db_query *q, struct arena *arena, const char ***ret_texts, unsigned *ret_count)
{
	unsigned count = 0, room = 16;
	const char **texts = arena_alloc(arena, room * sizeof(*texts));

	while (db_step(q)) {
		if (count == room) {
			const char **more = arena_alloc(arena, 2 * room * sizeof(*more));
			memcpy(more, texts, room * sizeof(*more));
			texts = more;
			room *= 2;
		}
		texts[count++] = arena_strdup(arena, db_text(q, 0));
	}
	*ret_texts = texts;
	*ret_count = count;
	return db_end(q);
}
