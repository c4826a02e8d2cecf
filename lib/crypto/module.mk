SRC += lib/crypto/md5.c lib/crypto/hmac.c lib/crypto/md5_lanes.c lib/crypto/md5_blocks.c lib/crypto/md5_avx2.c \
	lib/crypto/md5_avx512.c lib/crypto/sha256.c
SRC += lib/crypto/aead.c lib/crypto/checksum.c lib/crypto/crc32c.c lib/crypto/crc64.c
UNIT += tests/unit/lib/crypto/test_aead.c tests/unit/lib/crypto/test_md5_lanes.c
UNIT += tests/unit/lib/crypto/test_checksum.c tests/unit/lib/crypto/test_hmac.c
