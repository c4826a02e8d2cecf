/* S3's older signature, for the operations that only S3 has. */
#include "tests/sim/sim.h"

#include "lib/base/base64.h"
#include "lib/crypto/hmac.h"
#include <stdio.h>
#include <string.h>

void sim_sign(unsigned node, const char *method, const char *amz, const char *path,
        struct sim_signature *ret)
{
	struct env *env = &world.nodes[node].env.env;
	AUTO(buf) struct buf text = BUF_NONE, mac64 = BUF_NONE;
	uint8_t mac[20];

	http_date_format((int64_t)(env->wall_us(env) / SIM_S), ret->date);
	buf_printf(&text, "%s\n\n\n%s\n%s\n%s", method, ret->date, amz, path);
	hmac_sha1("testing", 7, text.data, text.len, mac);
	base64_encode(mac, sizeof(mac), &mac64);
	snprintf(ret->authorization, sizeof(ret->authorization), "AWS test:tester:%s",
	        buf_text(&mac64));
}
