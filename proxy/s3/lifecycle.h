/* lifecycle: what a bucket's rules say of its objects and uploads: how they are read, checked and
 * written (lifecycle.c), what they mean for an object (lifecycle_due.c). Pure, but for what answers
 * a request. Who does what they say: lifecycle_walk.h.
 *
 * Source: "Lifecycle configuration elements", Amazon S3 User Guide. */
#ifndef PROXY_S3_LIFECYCLE_H
#define PROXY_S3_LIFECYCLE_H

#include "lib/base/buf.h"
#include "lib/xml/xml.h"
#include "proxy/s3/error.h"

#include <stdbool.h>
#include <stdint.h>

struct request;

#define S3_LIFECYCLE           "X-Container-Sysmeta-S3-Lifecycle" /* XML, as lifecycle_write makes it */
#define S3_TRANSITION_MIN      "X-Container-Sysmeta-S3-Transition-Min" /* one of these, or empty: */
#define S3_TRANSITION_MIN_SAID "x-amz-transition-default-minimum-object-size"
#define S3_TRANSITION_ALL_128K "all_storage_classes_128K"
#define S3_TRANSITION_VARIES   "varies_by_storage_class"
#define S3_TRANSITION_SIZE_MIN (128u << 10)

#define LIFECYCLE_RULES 1000
#define LIFECYCLE_BYTES (1u << 20)  /* of a document */
#define LIFECYCLE_KEPT  (40u << 10) /* as it is kept: all that a container keeps is 64 KiB */

struct lifecycle_tag {
	const char *key, *value;
};

/* When; and for a transition, to which class. */
struct lifecycle_action {
	bool set, dated;
	uint64_t days, date; /* date in ticks of 10 us */
	uint64_t newer;      /* noncurrent versions that are spared; 0: none */
	const char *class;
};

struct lifecycle_rule {
	const char *id; /* NULL: none was given */
	bool enabled;
	bool bare;          /* the prefix stands in the rule itself, as of old */
	const char *prefix; /* NULL: none is said */
	struct lifecycle_tag *tags;
	unsigned tag_count;
	bool has_greater, has_less;
	uint64_t greater, less;
	struct lifecycle_action expiration, noncurrent, abort;
	bool markers; /* ExpiredObjectDeleteMarker; then `tells_markers`, too */
	bool tells_markers;
	struct lifecycle_action *moves, *noncurrent_moves;
	unsigned move_count, noncurrent_move_count;
};

struct lifecycle {
	struct lifecycle_rule *rules;
	unsigned count;
	uint64_t least; /* the caller's: smaller objects are moved only by rules that ask for sizes
	                 */
};

/* root: a <LifecycleConfiguration>. *ret_text: why not, or NULL: the error's own. */
enum s3_error lifecycle_read(const struct xml *root, struct arena *arena,
        struct lifecycle *ret_lifecycle, const char **ret_text);
/* As it is kept. False: it has gone bad, or there is none. */
bool lifecycle_parse(const char *kept, struct arena *arena, struct lifecycle *ret_lifecycle);
/* The whole document; ids that are missing are left out. */
void lifecycle_write(const struct lifecycle *lifecycle, struct buf *out);

/* --- what they mean --- */

struct lifecycle_object {
	const char *key;
	const char *tags;  /* as proxy/s3/tags.h keeps them; NULL: none */
	bool any_tags;     /* they are not known: it may have those that are asked for */
	const char *class; /* storage class; NULL: STANDARD */
	uint64_t size;
	uint64_t ts; /* when it was made; of a noncurrent version: when it became that */
};

#define LIFECYCLE_DAY   86400
#define LIFECYCLE_NEVER UINT64_MAX

bool lifecycle_concerns(const struct lifecycle_rule *rule, const struct lifecycle_object *object);
/* Does a rule ask for tags? These are known by looking at each object. */
bool lifecycle_wants_tags(const struct lifecycle *lifecycle);
/* When it is time for an action (of something of that time), in ticks. day_s: the length of a day;
 * of true days it is the midnight that comes then. */
uint64_t lifecycle_due(const struct lifecycle_action *action, uint64_t ts, uint64_t day_s);
/* When a current version expires, and by which rule. */
uint64_t lifecycle_expires(const struct lifecycle *lifecycle, const struct lifecycle_object *object,
        uint64_t day_s, const struct lifecycle_rule **ret_rule);

/* The same of a noncurrent version that so many newer noncurrent ones are there of; of a delete
 * marker with nothing behind it; of an upload that is under way. */
uint64_t lifecycle_noncurrent_expires(const struct lifecycle *lifecycle,
        const struct lifecycle_object *object, uint64_t newer, uint64_t day_s);
uint64_t lifecycle_marker_expires(
        const struct lifecycle *lifecycle, const struct lifecycle_object *object, uint64_t day_s);
uint64_t lifecycle_upload_ends(
        const struct lifecycle *lifecycle, const struct lifecycle_object *upload, uint64_t day_s);

/* To which class it is to be moved by now: that of the transition that was due last. NULL: it stays
 * where it is, as it does where a transition still to come would bring it. With any_tags it may
 * have to be moved, and the class is one of those. newer: of a noncurrent version; of a current one
 * LIFECYCLE_CURRENT. */
#define LIFECYCLE_CURRENT UINT64_MAX
const char *lifecycle_moves(const struct lifecycle *lifecycle,
        const struct lifecycle_object *object, uint64_t newer, uint64_t now, uint64_t day_s);

/* x-amz-expiration of an object that is told of, or made: size and tags as request->s3 has them. */
void lifecycle_answer(struct request *request, int status, struct buf *out);

#endif
