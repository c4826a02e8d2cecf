SRC += proxy/access.c proxy/acl.c proxy/audit.c proxy/auth.c proxy/account.c proxy/body.c proxy/commit.c proxy/conditional.c \
	proxy/constraints.c proxy/container.c proxy/credit.c proxy/db.c proxy/dispersion.c proxy/drop.c proxy/ec_fetch.c proxy/ec_put.c proxy/ec_read.c proxy/ec_rebuild.c proxy/ec_sort.c proxy/error.c proxy/errand.c proxy/fan.c proxy/get.c proxy/gone.c proxy/grants.c proxy/hedge.c \
	proxy/info.c proxy/keystone.c proxy/listing.c proxy/manifest.c proxy/manifest_take.c proxy/mime.c proxy/operator.c proxy/pages.c proxy/params.c proxy/pipeline.c proxy/place.c proxy/post.c proxy/proxy.c proxy/put.c proxy/put_copy.c proxy/put_pieces.c proxy/quota.c \
	proxy/quick.c proxy/reader.c proxy/repair.c proxy/handoff.c proxy/request.c proxy/ranged.c proxy/ranges.c proxy/rows.c proxy/seal.c proxy/segments.c proxy/settle.c proxy/sub.c proxy/sync_queue.c proxy/tempauth.c proxy/unseal.c
UNIT += tests/unit/proxy/test_seal.c tests/unit/proxy/test_hedge.c tests/unit/proxy/test_credit.c
UNIT += tests/unit/proxy/test_commit.c tests/unit/proxy/test_drop.c tests/unit/proxy/test_listing.c tests/unit/proxy/test_place.c tests/unit/proxy/test_ranges.c
UNIT += tests/unit/proxy/test_manifest.c tests/unit/proxy/test_params.c tests/unit/proxy/test_gone.c tests/unit/proxy/test_ec.c tests/unit/proxy/test_commit_rows.c
UNIT += tests/unit/proxy/test_access.c tests/unit/proxy/test_sync_queue.c tests/unit/proxy/test_ec_sort.c tests/unit/proxy/test_ec_moved.c tests/unit/proxy/test_info.c
