#pragma GCC target("avx512f,avx512bw,avx512vl")
#define MD5_LANES  16
#define MD5_KERNEL md5_blocks_avx512
#include "lib/crypto/md5_kernel.inc"
