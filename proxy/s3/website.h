/* website: buckets as web sites. What PutBucketWebsite takes and what it says about a request is
 * here, pure; serving it is in website_serve.c: requests to BUCKET.NAME of [s3] website_domains.
 *
 * Source: "Hosting a static website using Amazon S3", Amazon S3 User Guide. */
#ifndef PROXY_S3_WEBSITE_H
#define PROXY_S3_WEBSITE_H

#include "lib/base/buf.h"
#include "lib/xml/xml.h"
#include "proxy/s3/error.h"

struct request;

#define S3_WEBSITE "X-Container-Sysmeta-S3-Website" /* XML, as it was sent */
/* Of an object: where its requests are sent to, as PutObject takes it. */
#define S3_REDIRECT        "X-Object-Sysmeta-S3-Website-Redirect"
#define S3_REDIRECT_HEADER "x-amz-website-redirect-location"

enum s3_error s3_website_good(const struct xml *root, struct arena *arena, const char **ret_text);
void s3_website_tell(const char *kept, struct buf *out);
bool s3_website_location_good(const char *location);

/* Where a request for a key is sent by RedirectAllRequestsTo (from the root), or by the first of
 * the routing rules that is for what it was answered (status 0: nothing yet). False: nowhere.
 * Appends the URL; protocol and host are those of the request. */
struct s3_website_asked {
	const char *key, *protocol, *host;
	int status;
};
bool s3_website_redirect(const struct xml *root, const struct s3_website_asked *asked,
        struct buf *ret_url, int *ret_status);

/* The key that stands for a folder: "" or one that ends in a slash. NULL: the key is no folder. */
const char *s3_website_index(const struct xml *root, struct arena *arena, const char *key);

/* --- website_serve.c --- */

struct s3_site;

/* Of a request whose bucket and key are split: its method, NULL: a site has none such. */
const struct method *s3_site_route(struct request *request);
void s3_site_done(struct s3_site *site);
/* Appends the page for an error of which the site has none. */
void s3_site_error(struct request *request, enum s3_error error, int status, const char *text,
        struct buf *out);

#endif
