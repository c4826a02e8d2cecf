/* assign: roles that are granted to users and groups, on projects, domains and the system; who is
 * in which group. */
#ifndef IDENTITY_ASSIGN_H
#define IDENTITY_ASSIGN_H

#include "identity/identity.h"

/* What a route's path says of a grant. */
struct grant_place {
	const char *kind;  /* "project", "domain", "system" */
	const char *actor; /* "user", "group" */
	bool inherited;
};

enum err on_grant_list(struct rest_req *req);
enum err on_grant_create(struct rest_req *req);
enum err on_grant_check(struct rest_req *req);
enum err on_grant_revoke(struct rest_req *req);

enum err on_member_add(struct rest_req *req);
enum err on_member_check(struct rest_req *req);
enum err on_member_remove(struct rest_req *req);
enum err on_members(struct rest_req *req); /* users of a group, or groups of a user */

enum err on_assignments(
        struct rest_req *req); /* assignments.c: all grants, or what they amount to */

/* --- implied.c --- */

enum err on_implied_show(struct rest_req *req);
enum err on_implied_list(struct rest_req *req);
enum err on_implied_create(struct rest_req *req);
enum err on_implied_delete(struct rest_req *req);
enum err on_inferences(struct rest_req *req);

/* --- mine.c: where somebody has roles --- */

enum err on_my_projects(struct rest_req *req);
enum err on_my_domains(struct rest_req *req);
enum err on_my_system(struct rest_req *req);
enum err on_users_projects(struct rest_req *req);

#endif
