/* methods: the operations of S3, one file for those that belong together. */
#ifndef PROXY_S3_METHODS_H
#define PROXY_S3_METHODS_H

#include "proxy/proxy.h"

extern const struct method s3_list_buckets, s3_bucket_create, s3_bucket_head, s3_bucket_delete,
        s3_bucket_location;                                      /* bucket_ops.c */
extern const struct method s3_list_objects;                      /* list.c */
extern const struct method s3_object_get, s3_object_put;         /* object.c */
extern const struct method s3_object_post;                       /* post.c */
extern const struct method s3_website;                           /* website_serve.c */
extern const struct method s3_object_delete, s3_objects_delete;  /* delete.c */
extern const struct method s3_list_versions;                     /* list_versions.c */
extern const struct method s3_object_copy, s3_part_copy;         /* copy.c */
extern const struct method s3_object_attributes;                 /* attributes.c */
extern const struct method s3_upload_create, s3_upload_abort;    /* upload.c */
extern const struct method s3_upload_complete;                   /* complete.c */
extern const struct method s3_upload_list;                       /* upload_listing.c */
extern const struct method s3_part_put, s3_part_list;            /* part.c */
extern const struct method s3_versioning_get, s3_versioning_put; /* versioning.c */

extern const struct method s3_bucket_acl_get, s3_bucket_acl_put, s3_object_acl_get,
        s3_object_acl_put; /* acl_ops.c */
extern const struct method s3_object_tags_get, s3_object_tags_put, s3_object_tags_delete,
        s3_bucket_tags_get, s3_bucket_tags_put, s3_bucket_tags_delete; /* tag_ops.c */
extern const struct method s3_bucket_lock_get, s3_bucket_lock_put, s3_retention_get,
        s3_retention_put, s3_legal_hold_get, s3_legal_hold_put; /* lock_ops.c */
extern const struct method s3_config_get, s3_config_put, s3_config_delete,
        s3_policy_status;                                  /* config.c */
extern const struct method s3_logging_get, s3_logging_put; /* logging.c */
extern const struct method s3_action;                      /* action.c */
extern const struct method s3_preflight;                   /* cors.c */
extern const struct method s3_none_get, s3_none_delete, s3_torrent, s3_select,
        s3_restore; /* off.c */

#endif
