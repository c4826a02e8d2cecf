/* What is known of other nodes, as metrics. Of their rings only what is not as here is told: nodes
 * agree most of the time, and there may be many. */
#include "node/peers.h"

#include <stdio.h>

static void tell_peer(const struct peer *peer, uint64_t now, struct buf *out)
{
	char name[64];
	const uint16_t *program = peer->said.program;

	snprintf(name, sizeof(name), "%s:%u", peer->ip, peer->port);
	buf_printf(out,
	        "cairn_peer_up{peer=\"%s\"} %d\n"
	        "cairn_peer_since_seconds{peer=\"%s\"} %.3f\n"
	        "cairn_peer_skew_seconds{peer=\"%s\"} %.3f\n"
	        "cairn_peer_ring_mismatch{peer=\"%s\"} %d\n"
	        "cairn_peer_wire_version{peer=\"%s\"} %u\n",
	        name, peer_is_heard(peer, now), name, (double)peer->since_us / 1e6, name,
	        (double)peer->skew_us / 1e6, name, peer->mismatched, name, peer->wire_version);
	if (program[0] || program[1] || program[2])
		buf_printf(out, "cairn_peer_program{peer=\"%s\",version=\"%u.%u.%u\"} 1\n", name,
		        program[0], program[1], program[2]);
}

static void tell_move(const struct peer *peer, uint64_t now, struct buf *out)
{
	static const char *const names[] = {"work_done", "work_left", "to_go_seconds"};
	const uint64_t values[] = {peer->move.done, peer->move.left, peer->move.seconds};

	for (unsigned i = 0; i < COUNT_OF(names) && peer_is_heard(peer, now); i++)
		buf_printf(out, "cairn_peer_%s{peer=\"%s:%u\"} %llu\n", names[i], peer->ip,
		        peer->port, (unsigned long long)values[i]);
}

static bool same(const struct ring_word *a, const struct ring_word *b)
{
	return a->live.newest == b->live.newest && a->live.older == b->live.older &&
	       a->fenced == b->fenced && a->moved == b->moved && !gossip_differs(a, b);
}

static void tell_rings(const struct node *node, const struct peer *peer, const struct gossip *ours,
        struct buf *out)
{
	for (unsigned i = 0; peer->heard_us && i < ours->ring_count; i++) {
		const struct ring_word *own = &ours->rings[i],
		                       *w = gossip_ring(&peer->said, own->kind, own->policy);
		char labels[128];
		if (w && same(w, own))
			continue;
		snprintf(labels, sizeof(labels), "{peer=\"%s:%u\",ring=\"%s\"}", peer->ip,
		        peer->port, node->rings[i].name);
		if (!w) {
			buf_printf(out, "cairn_peer_ring_version%s 0\n", labels);
			continue;
		}
		buf_printf(out,
		        "cairn_peer_ring_version%s %llu\ncairn_peer_ring_fenced%s %llu\n"
		        "cairn_peer_ring_moved%s %llu\ncairn_peer_ring_differs%s %d\n",
		        labels, (unsigned long long)w->live.newest, labels,
		        (unsigned long long)w->fenced, labels, (unsigned long long)w->moved, labels,
		        gossip_differs(w, own));
	}
}

void node_peers_metrics(struct node *node, struct buf *out)
{
	static const char *const names[] = {"up", "since_seconds", "skew_seconds", "ring_mismatch",
	        "wire_version", "program", "ring_version", "ring_fenced", "ring_moved",
	        "ring_differs", "work_done", "work_left", "to_go_seconds"};
	uint64_t now = reactor_now_us(reactor_current());
	struct gossip ours = {0};

	node_ring_words(node, &ours);
	pthread_mutex_lock(&node->words_lock);
	for (unsigned i = 0; node->peers->count && i < COUNT_OF(names); i++)
		buf_printf(out, "# TYPE cairn_peer_%s gauge\n", names[i]);
	LIST_EACH (n, &node->peers->list) {
		const struct peer *peer = LIST_ENTRY(n, struct peer, link);
		if (!peer->in_rings && !peer_is_heard(peer, now))
			continue;
		tell_peer(peer, now, out);
		tell_move(peer, now, out);
		tell_rings(node, peer, &ours, out);
	}
	pthread_mutex_unlock(&node->words_lock);
}
