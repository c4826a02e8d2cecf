/* fields: one table tells all of a resource that is the same for every resource: what its members
 * are called and checked by, which may be given when it is made or changed, which are shown, and
 * the columns they are kept in. Its struct is plain C; a service's rules read and write that.
 *
 * Texts belong to the arena that a call is given. */
#ifndef LIB_REST_FIELDS_H
#define LIB_REST_FIELDS_H

#include "lib/base/arena.h"
#include "lib/db/db.h"
#include "lib/json/jout.h"
#include "lib/json/jread.h"

enum field_type {
	FIELD_TEXT, /* const char *; NULL: null */
	FIELD_INT,  /* int64_t */
	FIELD_BOOL, /* bool */
	FIELD_JSON, /* const char *: JSON of an object, or of whatever FIELD_ANY allows; NULL: null
	             */
};

enum {
	FIELD_CREATE = 1,    /* may be given when the resource is made */
	FIELD_UPDATE = 2,    /* and changed */
	FIELD_REQUIRED = 4,  /* must be given when it is made */
	FIELD_NULL = 8,      /* may be given as null */
	FIELD_HIDDEN = 16,   /* not shown */
	FIELD_UNSTORED = 32, /* has no column */
	FIELD_FILTER = 64,   /* lists may be asked for those of a value, or of a part of it */
	FIELD_ANY = 128,     /* JSON of any type */
	FIELD_SAME = 256,    /* may be given as it is when the rest is changed; texts and bools */
};

struct field {
	const char *name;
	enum field_type type;
	size_t offset; /* in the struct */
	unsigned flags;
	int64_t min, max; /* of a text in characters, of a number its value; both 0: no bounds */
	const char *const *among; /* the values it may have, then NULL; or NULL: any */
};

/* The struct begins with a struct record. */
struct fields {
	const char *name, *plural; /* "user", "users" */
	const char *table;
	const struct field *items;
	unsigned count;
	bool extra; /* members that are not in the table are kept */
};

struct record {
	uint64_t given;    /* a bit for each field that a request named */
	const char *extra; /* JSON object of the other members; NULL: none */
};

static inline bool field_given(const void *record, unsigned field)
{
	return ((const struct record *)record)->given >> field & 1;
}

enum fields_for { FOR_CREATE, FOR_UPDATE };

/* Fills what `object` names; the rest of the struct stays. ERR_BAD_REQUEST: *error names the member
 * and says what it wants. */
enum err fields_read(const struct fields *fields, const struct jval *object, enum fields_for what,
        struct arena *arena, void *record, struct buf *error);

/* The members, without the braces. */
void fields_show(const struct fields *fields, const void *record, struct jout *out);

/* --- rows --- */

/* "id, name, ..., extra" */
void fields_columns(const struct fields *fields, const char *prefix, struct buf *sql);
/* Of a row that begins with these columns. */
void fields_load(
        const struct fields *fields, struct db_query *query, struct arena *arena, void *record);
enum err fields_insert(const struct fields *fields, struct db_tx *tx, const void *record);
/* Writes all columns of the row with that value in its first column. ERR_NOT_FOUND. */
enum err fields_update(const struct fields *fields, struct db_tx *tx, const void *record);
/* The row with that value in its first column. ERR_NOT_FOUND. */
enum err fields_find(const struct fields *fields, struct db_tx *tx, const char *id,
        struct arena *arena, void *record);
enum err fields_delete(const struct fields *fields, struct db_tx *tx, const char *id);

#endif
