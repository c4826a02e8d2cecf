SRC += proxy/s3/access.c proxy/s3/answer.c proxy/s3/bucket.c proxy/s3/bucket_ops.c proxy/s3/chunked.c proxy/s3/delete.c proxy/s3/deletion.c proxy/s3/document.c proxy/s3/error.c proxy/s3/list.c proxy/s3/list_versions.c proxy/s3/login.c proxy/s3/object.c proxy/s3/operation.c proxy/s3/payload.c proxy/s3/s3.c proxy/s3/sign.c proxy/s3/version.c
UNIT += tests/unit/proxy/s3/test_sign.c
