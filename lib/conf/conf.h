/* conf: INI files read into a struct by an option table. One table per daemon: from it come the
 * parser, --check, --print-config and the list in the man page. */
#ifndef LIB_CONF_CONF_H
#define LIB_CONF_CONF_H

#include "lib/base/buf.h"

enum conf_type {
	CONF_TEXT, /* const char * */
	CONF_U64,  /* uint64_t; K, M, G, T may follow (powers of 1024) */
	CONF_BOOL, /* bool; yes/no, true/false, on/off, 1/0 */
	CONF_LIST, /* struct conf_list; the key may be given many times */
};

enum conf_change { CONF_RESTART, CONF_RELOAD };

struct conf_list {
	const char **items; /* owned by the struct conf */
	unsigned count;
};

struct conf_option {
	const char *section, *key;
	enum conf_type type;
	size_t offset;        /* in the daemon's struct */
	const char *fallback; /* as it would stand in the file; NULL: none */
	uint64_t min, max;    /* CONF_U64 */
	enum conf_change change;
	const char *help; /* one sentence */
};

/* What a file was read into; owns the texts. */
struct conf;

/* Fills *values (zeroed by the caller) from the file, or from the fallbacks alone when path is
 * NULL. ERR_CONFIG: *error says "path:line: what is wrong"; ERR_NOT_FOUND and the like for the
 * file itself. The values live as long as *ret_conf. */
enum err conf_load(const char *path, const struct conf_option *options, unsigned count,
        void *values, struct buf *error, struct conf **ret_conf);
/* The line of the file that gave it; 0: none did. For who finds later that it is wrong. */
unsigned conf_line(const struct conf *conf, const char *section, const char *key);
void conf_free(struct conf *conf);

/* A commented file with every option at its fallback. */
void conf_print(struct buf *out, const struct conf_option *options, unsigned count);

#endif
