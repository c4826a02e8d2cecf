SRC += proxy/unit/endpoints.c proxy/unit/host.c proxy/unit/marks.c proxy/unit/name_check.c proxy/unit/read_only.c
SRC += proxy/unit/bulk_delete.c proxy/unit/bulk_upload.c proxy/unit/deleter.c proxy/unit/gather.c proxy/unit/gatekeeper.c proxy/unit/report.c proxy/unit/reserved.c proxy/unit/shown.c proxy/unit/slo.c proxy/unit/slo_copy.c proxy/unit/slo_delete.c proxy/unit/slo_put.c proxy/unit/symlink.c
SRC += proxy/unit/formpost.c proxy/unit/multipart.c
SRC += proxy/unit/ratelimit.c proxy/unit/signature.c
UNIT += tests/unit/proxy/unit/test_ratelimit.c
SRC += proxy/unit/tempurl.c
UNIT += tests/unit/proxy/unit/test_multipart.c
SRC += proxy/unit/copy.c proxy/unit/legacy_versions.c proxy/unit/versions.c proxy/unit/versions_container.c proxy/unit/versions_list.c
