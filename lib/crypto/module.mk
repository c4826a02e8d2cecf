SRC += lib/crypto/md5.c
