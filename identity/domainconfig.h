/* domainconfig: settings of one domain, as its administrators write them over the API: how to reach
 * its directory (group "ldap"), and the driver it has ("identity"). A password is never shown. */
#ifndef IDENTITY_DOMAINCONFIG_H
#define IDENTITY_DOMAINCONFIG_H

#include "identity/manage.h"

enum err on_config_create(struct rest_req *req);
enum err on_config_show(struct rest_req *req);
enum err on_config_update(struct rest_req *req);
enum err on_config_delete(struct rest_req *req);
enum err on_config_default(struct rest_req *req);

#endif
