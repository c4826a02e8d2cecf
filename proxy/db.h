/* db: what account and container requests share: listing through a majority of replicas, and
 * writes to a majority of them. */
#ifndef PROXY_DB_H
#define PROXY_DB_H

#include "lib/backend/points.h"
#include "proxy/listing.h"
#include "proxy/proxy.h"
#include "proxy/rows.h"

/* A listing (or HEAD) under way. */
struct db_read {
	struct op *op; /* db_read sets these; all borrowed */
	struct proxy *proxy;
	const char *account, *container;
	const char *of_account, *of_container; /* of a range: whose it is; else NULL */
	struct place place;
	struct fan list, heads; /* one replica lists, others say their hash */
	struct fan all;         /* when those disagree, or do not answer */
	struct fan names;       /* what those whose pages count know of disputed names */
	struct listing_pages pages;
	struct buf bring;       /* rows that must reach a majority before they are told */
	struct row_put *brings; /* owned */
	unsigned bring_count, brought;
	struct patience patience;
	const struct backend_reply *reply; /* whose totals and headers count */
	const struct buf *rows;
	struct buf merged;
	const uint8_t *known; /* hash of a kept page: ask for hashes only, as long as it holds */
	enum err err;         /* OK, NOT_FOUND, UNAVAILABLE */
	bool started, second, collected, brings_sent, done;
	struct buf points; /* that any of them told: lib/backend/points.h */
	bool exact;        /* the rows are those of the hash, and no others */
};

/* Call from a state until it returns true. listing NULL: HEAD. container NULL: an account. */
bool db_read(struct db_read *read, struct request *request, const struct listing *listing);
/* The same of another path: op, proxy, account and container are set. list NULL: HEAD. */
bool db_read_of(struct db_read *read, const struct backend_list *list);
void db_read_done(struct db_read *read);

/* Sends one message to all replicas. */
void db_write(struct fan *fan, struct request *request, enum backend_op op, const char *container,
        const struct buf *headers, unsigned policy);

/* The outcome once it is sure, else *ret_open. ERR_OK when created (or done), ERR_EXISTS when it
 * was there, ERR_NOT_FOUND, ERR_CONFLICT, ERR_UNAVAILABLE. */
enum err db_outcome(const struct fan *fan, bool *ret_open);

/* User and system metadata of a request as header updates: type is "account" or "container". */
void db_headers(struct request *request, const char *type, struct buf *block);

/* Stored headers as answer headers, but for those that only owners may see. */
void db_answer_headers(struct request *request, const struct backend_reply *reply);

#endif
