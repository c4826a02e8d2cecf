/* pipeline: what every request passes, unit after unit, in the order of the table in pipeline.c.
 *
 * A unit is one feature of Swift's (mostly one of its middlewares). It may look at a request twice,
 * and at its answer:
 *
 *   enter   before it is known who asks: what reads signatures, rewrites paths, limits rates
 *   pass    it is known who asks, they may, and the container's facts are there
 *   answer  the answer's headers (http->out) are set and go out next
 *
 * enter and pass return STEP_NEXT (on to the next unit), STEP_WAIT (call again), or STEP_DONE
 * (answered). A unit that does more than look gives the request another method by request_become
 * and returns what that returns: the request goes through the units after it, and then starts in
 * that method's states. A request that another request makes (sub.h) starts behind the unit that
 * made it. */
#ifndef PROXY_PIPELINE_H
#define PROXY_PIPELINE_H

#include "proxy/proxy.h"

struct unit {
	const char *name; /* as Swift's filter is called, and in /info */
	enum step (*enter)(struct request *request);
	enum step (*pass)(struct request *request);
	void (*answer)(struct request *request, int status);
	/* Appends what /info says of it: the members of a JSON object, without the braces. False,
	 * or no such function: it is not in /info. */
	bool (*info)(const struct cluster *cluster, struct buf *out);
};

extern const struct unit *const pipeline[]; /* NULL-terminated */

extern const struct unit unit_gatekeeper;                            /* unit/gatekeeper.c */
extern const struct unit unit_tempurl, unit_tempurl_end;             /* unit/tempurl.c */
extern const struct unit unit_cname_lookup;                          /* unit/cname.c */
extern const struct unit unit_domain_remap;                          /* unit/host.c */
extern const struct unit unit_name_check;                            /* unit/name_check.c */
extern const struct unit unit_ratelimit;                             /* unit/ratelimit.c */
extern const struct unit unit_read_only;                             /* unit/read_only.c */
extern const struct unit unit_formpost;                              /* unit/formpost.c */
extern const struct unit unit_s3api;                                 /* s3/s3.c */
extern const struct unit unit_crossdomain;                           /* quick.c */
extern const struct unit unit_tempauth;                              /* tempauth.c */
extern const struct unit unit_etag_quoter;                           /* get.c */
extern const struct unit unit_container_sync;                        /* unit/container_sync.c */
extern const struct unit unit_bulk_upload;                           /* unit/bulk_upload.c */
extern const struct unit unit_bulk_delete;                           /* unit/bulk_delete.c */
extern const struct unit unit_container_quotas, unit_account_quotas; /* quota.c */
extern const struct unit unit_slo;                                   /* unit/slo.c */
extern const struct unit unit_dlo;                                   /* body.c */
extern const struct unit unit_staticweb;                             /* unit/staticweb.c */
extern const struct unit unit_copy;                                  /* unit/copy.c */
extern const struct unit unit_versioned_writes;                      /* unit/legacy_versions.c */
extern const struct unit unit_object_versioning;                     /* unit/versions.c */
extern const struct unit unit_symlink;                               /* unit/symlink.c */

/* The steps of a request: called again until they return other than STEP_WAIT. STEP_NEXT, too, when
 * it has another method now: that one's first state comes next. */
enum step pipeline_enter(struct request *request);
enum step pipeline_pass(struct request *request);
void pipeline_answer(struct request *request, int status);
/* Appends ", \"name\": {...}" for each unit that says something. */
void pipeline_info(const struct cluster *cluster, struct buf *out);

/* The place behind a unit; 0 for NULL. */
unsigned pipeline_behind(const struct unit *unit);

#endif
