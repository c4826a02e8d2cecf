#include "proxy/s3/access.h"

#include "proxy/s3/s3.h"

#include <string.h>

enum s3_error s3_may(struct request *request, bool *ret_wait)
{
	const struct s3 *s3 = request->s3;
	struct access access = {
	        .account = request->account,
	        .container = request->container,
	        .object = request->object,
	        .reads = !s3->operation->writes,
	        .deletes = strcmp(request->http->method, "DELETE") == 0,
	};

	*ret_wait = false;
	if (!s3->caller.account)
		return S3_AccessDenied;
	if (s3->operation->method == &s3_bucket_create)
		access.account = s3->caller.account;
	else if (s3->found == S3_OTHERS)
		return S3_AccessDenied;
	enum err err = request_authorize(request, &access, NULL, &request->account_info, ret_wait);
	return err == ERR_UNAVAILABLE ? S3_ServiceUnavailable : err ? S3_AccessDenied : S3_OK;
}
