/* versions_steps: what a request does about versions, step by step; versions.c says in which order.
 * Each step is called until it returns other than STEP_WAIT; STEP_DONE: it has answered. */
#ifndef PROXY_UNIT_VERSIONS_STEPS_H
#define PROXY_UNIT_VERSIONS_STEPS_H

#include "proxy/unit/versions.h"

#include <string.h>

/* request->versions->step: the one that comes next. */
enum {
	LOCKS,
	LOCK_SEEN,
	LOOK,
	LOOKED,
	COPIED,
	SWAP,
	MARKED,
	UNLINKED,
	FOUND,
	RELINKED,
	POSTED,
	COUNT,
	PASSED
};

#define VERSIONS_TRIES 8
#define VERSIONS_GONE_TEXT                                                                         \
	"The versions container does not exist. You may want to re-enable object versioning."

static inline bool is_method(const struct request *request, const char *method)
{
	return strcmp(request->http->method, method) == 0;
}

static inline bool is_read(const struct request *request)
{
	return is_method(request, "GET") || request->head;
}

const char *versions_id_text(struct request *request, uint64_t id);

/* HEAD of an object, itself, not what it links to. */
void versions_look(struct request *request, const char *container, const char *object);
/* Answers with what went wrong with a request of ours. */
enum step versions_failed(struct request *request);
/* Facts of where the versions are; true when they are there. */
bool versions_know_hidden(struct request *request);
/* From here on the request is about a version. */
enum step versions_swap(struct request *request);
uint64_t versions_new_id(struct request *request);

/* PUT and DELETE where versions are kept. */
enum step versions_prepare_put(struct request *request);
enum step versions_looked(struct request *request); /* at the current object */
enum step versions_copied(struct request *request);
void versions_mark(struct request *request);

/* A version that is named. */
enum step versions_delete(struct request *request);
enum step versions_unlinked(struct request *request);
enum step versions_find(struct request *request);
enum step versions_found_version(struct request *request);
enum step versions_relinked(struct request *request);

enum step versions_post(struct request *request);
enum step versions_posted(struct request *request);

#endif
