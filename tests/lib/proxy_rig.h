/* proxy_rig: a proxy over three devices that answer as the test says. Included by one test program
 * each. */
#ifndef TESTS_LIB_PROXY_RIG_H
#define TESTS_LIB_PROXY_RIG_H

#include "proxy/proxy.h"
#include "tests/lib/rings_rig.h"

#define DEVICES 3

static struct env_fake env;
static struct hlc hlc;
static struct cluster cluster;
static struct reactor *reactor;
static struct proxy proxy;
static struct backend backend;

static void rig_init(void (*send)(struct backend *backend, struct backend_call *call))
{
	env_fake_init(&env, 1);
	env.wall_us = 1700000000000000;
	hlc_init(&hlc, &env.env);
	cluster = (struct cluster){.env = &env.env, .hlc = &hlc};
	cluster.account_rings = rig_rings(4, 3, DEVICES);
	cluster.container_rings = rig_rings(4, 3, DEVICES);
	cluster.policies[0] = (struct policy){.name = "p", .rings = rig_rings(4, 3, DEVICES)};
	backend.send = send;
	assert_int_equal(reactor_new(&env.env, 64, &reactor), ERR_OK);
	reactor_turn(reactor, false);
	assert_int_equal(proxy_init(&proxy, &cluster, reactor, &backend, 0, 1 << 20), ERR_OK);
}

static int rig_done(void **state)
{
	(void)state;
	proxy_done(&proxy);
	ring_set_free(cluster.account_rings);
	ring_set_free(cluster.container_rings);
	ring_set_free(cluster.policies[0].rings);
	reactor_free(reactor);
	return 0;
}

/* Until it is set. */
static void rig_wait(const bool *ended)
{
	for (unsigned turns = 0; !*ended && turns < 1000; turns++) {
		env.mono_us += 1000;
		reactor_turn(reactor, false);
	}
	assert_true(*ended);
}

#endif
