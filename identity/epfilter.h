/* epfilter: which endpoints a project's catalog has: those it is associated with, one by one or by
 * groups of them; all, when it is with none. */
#ifndef IDENTITY_EPFILTER_H
#define IDENTITY_EPFILTER_H

#include "identity/manage.h"

/* A common table allowed(id) for a statement: the endpoints of a project, whose id stands for both
 * `?`; none for a project that sees all. */
#define EPFILTER_ALLOWED                                                                           \
	"WITH allowed (id) AS (SELECT x.endpoint_id FROM project_endpoint x WHERE x.project_id = " \
	"? UNION SELECT f.id FROM endpoint f JOIN endpoint_group g ON (g.service_id IS NULL OR "   \
	"g.service_id = f.service_id) AND (g.region_id IS NULL OR g.region_id = f.region_id) AND " \
	"(g.interface IS NULL OR g.interface = f.interface) JOIN project_endpoint_group y ON "     \
	"y.group_id = g.id WHERE y.project_id = ?) "

enum err on_epfilter_set(struct rest_req *req);
enum err on_epfilter_check(struct rest_req *req);
enum err on_epfilter_clear(struct rest_req *req);
enum err on_epfilter_projects(struct rest_req *req);  /* of an endpoint, or of a group */
enum err on_epfilter_endpoints(struct rest_req *req); /* of a project, or of a group */
enum err on_epfilter_groups(struct rest_req *req);    /* of a project */

#endif
