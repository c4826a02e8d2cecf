#include "proxy/operator.h"

#include "lib/base/auto.h"
#include "lib/base/hex.h"
#include "lib/crypto/hmac.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void operator_sign(const uint8_t secret[32], const char *what, const char *target, const char *time,
        char ret_sign[65])
{
	AUTO(buf) struct buf text = BUF_NONE;
	uint8_t mac[32];

	buf_printf(&text, "%s\n%s\n%s", what, time, target);
	hmac_sha256(secret, 32, text.data, text.len, mac);
	hex_encode(mac, sizeof(mac), ret_sign);
}

bool operator_signed(struct request *request, const char *what, const char *target)
{
	const struct cluster *cluster = request_cluster(request);
	const char *time = http_get(request->http, OPERATOR_TIME);
	const char *sign = http_get(request->http, OPERATOR_SIGN);
	uint64_t now = cluster->env->wall_us(cluster->env) / 1000000;
	char wanted[65];

	if (!time || !sign || strlen(time) > 20 || strlen(sign) != 64)
		return false;
	uint64_t then = strtoull(time, NULL, 10);
	if (then > now + OPERATOR_SKEW_S || then < now - OPERATOR_SKEW_S)
		return false;
	operator_sign(cluster->token_secret, what, target, time, wanted);
	return hmac_equal(sign, wanted, 64);
}
