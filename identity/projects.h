/* projects: projects and domains, their tags, and who has a role where. */
#ifndef IDENTITY_PROJECTS_H
#define IDENTITY_PROJECTS_H

#include "identity/manage.h"

enum err on_project_show(struct rest_req *req); /* with its parents and what is below it */

/* --- tags.c --- */

/* Fills the project's `tags`. */
enum err tags_load(struct rest_req *req, struct db_tx *tx, void *project);
/* In place of those that are there. ERR_BAD_REQUEST with a text. */
enum err tags_write(
        struct rest_req *req, struct db_tx *tx, const char *id, const struct jval *tags);
/* tags, tags-any, not-tags, not-tags-any of a list's query. */
void tags_where(struct rest_req *req, struct resource_where *where);

enum err on_tags(struct rest_req *req);
enum err on_tags_set(struct rest_req *req);
enum err on_tags_clear(struct rest_req *req);
enum err on_tag(struct rest_req *req);
enum err on_tag_add(struct rest_req *req);
enum err on_tag_drop(struct rest_req *req);

/* --- mine.c --- */

/* Has the user a role on the project, be it inherited? */
enum err mine_is(struct db_tx *tx, const char *user_id, const char *project_id, bool *ret_mine);

#endif
