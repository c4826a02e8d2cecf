/* resource: what REST calls on a table of resources have in common: a member shown alone or in a
 * list, with its links; lists with filters and pages. Rules are the service's.
 *
 * A list takes as parameters each field with FIELD_FILTER, as it is or with __contains,
 * __startswith,
 * __endswith behind it (__icontains and so on: without case), limit, and marker, the last id of the
 * page before; it is in the order of ids. */
#ifndef LIB_REST_RESOURCE_H
#define LIB_REST_RESOURCE_H

#include "lib/rest/fields.h"
#include "lib/rest/rest.h"

struct resource {
	const struct fields *fields;
	size_t size;                  /* of the struct */
	const char *path;             /* "/v3/users" */
	void (*loaded)(void *record); /* makes of what a row says what is shown; NULL: it is that */
	/* Reads what is kept in other tables; NULL: nothing. */
	enum err (*load)(struct rest_req *req, struct db_tx *tx, void *record);
	/* Members of the answer that are not fields; NULL: none. */
	void (*show)(struct rest_req *req, const void *record, struct jout *out);
};

#define RESOURCE_WHERE_MAX 96
#define RESOURCE_PAGE_MAX  1000

/* Conditions of a list. */
struct resource_where {
	struct buf sql; /* owned: "a = ? AND ..." */
	const char *texts[RESOURCE_WHERE_MAX];
	int64_t numbers[RESOURCE_WHERE_MAX];
	unsigned count;
};
void resource_where_done(struct resource_where *where);
AUTO_DEFINE(resource_where, resource_where_done);

/* `condition` has one `?`, for the text (borrowed), or for the number when the text is NULL. */
void resource_where(
        struct resource_where *where, const char *condition, const char *text, int64_t number);
/* One that has as many `?` as there are texts. */
void resource_where_texts(struct resource_where *where, const char *condition, unsigned count,
        const char *const *texts);

/* {"user": {...}} */
void resource_show(struct rest_req *req, const struct resource *resource, const void *record);

/* The member alone, with that name (NULL: in an array). */
void resource_show_in(struct rest_req *req, const struct resource *resource, const void *record,
        const char *name, struct jout *out);

/* {"users": [...], "links": {...}}: those of the table (its columns have the prefix "t.") that meet
 * `where`, what the query asks for, and `from`, which follows the table's name in the FROM clause
 * (" JOIN ..."; NULL: nothing). ERR_BAD_REQUEST. */
enum err resource_list(struct rest_req *req, struct db_tx *tx, const struct resource *resource,
        const char *from, struct resource_where *where);

/* "?name", "?name=1": not there, "0" and "false" are false. */
bool resource_flag(const struct rest_req *req, const char *name);

/* The member in the body under the resource's name, read into the record. */
enum err resource_read(
        struct rest_req *req, const struct resource *resource, enum fields_for what, void *record);

/* "http://host:port": as the client reached us, or as the configuration says. */
const char *resource_base(const struct rest_req *req);

/* A new id: 32 hexadecimal digits of a random UUID; of the arena. */
const char *resource_new_id(struct arena *arena);

#endif
