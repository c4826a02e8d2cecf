#pragma GCC target("avx2")
#define MD5_LANES  8
#define MD5_KERNEL md5_blocks_avx2
#include "lib/crypto/md5_kernel.inc"
