SRC += lib/crypto/md5.c lib/crypto/hmac.c lib/crypto/md5_lanes.c lib/crypto/sha256.c
SRC += lib/crypto/crc32c.c
