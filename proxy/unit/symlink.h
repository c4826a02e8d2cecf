/* symlink: objects that stand for others. A link is an empty object whose system metadata names its
 * target; GET and HEAD go there, by the rights that the client has there. A static link also says
 * which etag the target must have. */
#ifndef PROXY_UNIT_SYMLINK_H
#define PROXY_UNIT_SYMLINK_H

#include "proxy/proxy.h"

struct body;

/* What is stored of a link. */
#define LINK_TARGET  "X-Object-Sysmeta-Symlink-Target" /* container/object, quoted */
#define LINK_ACCOUNT "X-Object-Sysmeta-Symlink-Target-Account"
#define LINK_ETAG    "X-Object-Sysmeta-Symlink-Target-Etag"
#define LINK_BYTES   "X-Object-Sysmeta-Symlink-Target-Bytes"
/* Only those of our own making: this link does not count in a chain; its target may have a
 * reserved name, and is open to who may read the link; it is the current one of many versions. */
#define LINK_EXTENDS  "X-Object-Sysmeta-Symloop-Extend"
#define LINK_RESERVED "X-Object-Sysmeta-Allow-Reserved-Names"
#define LINK_VERSION  "X-Object-Sysmeta-Versions-Symlink"

#define ROW_ETAG  "X-Object-Sysmeta-Container-Update-Override-Etag"
#define EMPTY_MD5 "d41d8cd98f00b204e9800998ecf8427e"

/* A body's way from the object that was asked for to the one that it is. In its struct body. */
struct link_walk {
	bool raw;             /* the caller's: a link itself is wanted */
	uint64_t offset, len; /* the first bytes that were asked for */
	bool open;            /* a target is being opened */
	bool done;
	unsigned links;                        /* followed, of those that count */
	const char *etag;                      /* that the link before wants, or NULL */
	const char *account;                   /* of the object at hand; NULL: as asked for */
	const char *container, *object;        /* of the target being opened */
	const char *location;                  /* path of the last target, quoted, or NULL */
	const char *refusal;                   /* text of a 409 */
	struct info_fetch info, authorization; /* of the target's container; of its account */
	bool reserved, version;                /* the last link was to one */
};

/* Call until it returns true; then the body's head is the object's that counts, or body->err or
 * refusal says why there is none. */
bool link_ready(struct body *body);
void link_done(struct link_walk *walk);

/* Splits "container/object" of a header, unquoted; false when it is none. */
bool link_split(struct arena *arena, const char *value, const char **ret_container,
        const char **ret_object);

/* Headers of an answer that tells of a link itself. */
void link_answer(struct request *request, const struct backend_reply *link);

/* A POST has been applied to this object: answers when it is a link, STEP_NEXT when it is none. */
enum step link_posted(struct request *request, const struct backend_reply *object);

/* Of the headers of an object about to be stored: what its row says in place of an etag, where it
 * is a link. */
void link_stored(struct request *request, struct buf *headers);

#endif
