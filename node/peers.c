/* What nodes tell each other, once a second from reactor 0, and what follows from it: clocks are
 * brought together, newer rings fetched, fences set, old rings dropped (gossip.h).
 *
 * A newer ring of a peer: ask for its bytes, piece by piece -> adopt (on a pool thread). */
#include "node/peers.h"

#include "lib/base/mem.h"
#include "lib/crypto/md5.h"
#include "lib/log/log.h"
#include "node/replicate.h"
#include "node/secrets.h"
#include <endian.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_US    5000000
#define PEERS_MAX     4096
#define RING_PIECE    (256u << 10)
#define RING_FILE_TOP (256u << 20)
#define JOIN_TICKS    10       /* a new node waits so long for those it has not heard */
#define DRAIN_US      30000000 /* no client waits longer for a call, be its disk hung */

enum { CONTROL_GOSSIP = 1, CONTROL_RING, CONTROL_MOVE };

static struct node_reactor *here(struct node *node)
{
	return &node->reactors[0];
}

static uint64_t now_us(struct node *node)
{
	return reactor_now_us(here(node)->reactor);
}

static uint64_t wall_us(const struct node *node)
{
	const struct env *env = node->cluster.env;

	return env->wall_us(env);
}

static struct wire_client *client(struct peer *peer)
{
	return node_wire_client(here(peer->node), peer->ip, peer->port);
}

/* --- who there is --- */

static struct peer *find(struct peers *peers, const char *ip, uint32_t port)
{
	LIST_EACH (n, &peers->list) {
		struct peer *peer = LIST_ENTRY(n, struct peer, link);
		if (peer->port == port && strcmp(peer->ip, ip) == 0)
			return peer;
	}
	return NULL;
}

static void add_peer(struct node *node, const char *ip, uint32_t port)
{
	struct peers *peers = node->peers;

	if (find(peers, ip, port) || peers->count == PEERS_MAX)
		return;
	struct peer *peer = mem_zalloc(sizeof(*peer));
	peer->node = node;
	peer->ip = mem_strdup(ip);
	peer->port = port;
	peer->since_us = wall_us(node);
	peer->in_rings = true;
	pthread_mutex_lock(&node->words_lock);
	list_append(&peers->list, &peer->link);
	peers->count++;
	pthread_mutex_unlock(&node->words_lock);
}

static void look_for_peers(struct node *node)
{
	uint32_t members = atomic_load(&node->member_count);

	for (uint32_t i = 0; i < members; i++)
		add_peer(node, node->members[i]->ip, node->members[i]->port);
}

static struct peer *peer_of(struct node *node, uint32_t handle)
{
	const struct node_member *m = node_member(node, handle);

	return m ? find(node->peers, m->ip, m->port) : NULL;
}

/* --- rings that are newer elsewhere --- */

struct packed_request {
	uint8_t kind, policy, pad[6];
	uint64_t version, offset;
};

static void ask_piece(struct fetch *f);

static void end_fetch(struct fetch *f)
{
	buf_done(&f->file);
	f->file = (struct buf)BUF_NONE;
	f->busy = false;
}

static void adopt(struct work *work)
{
	struct fetch *f = CONTAINER_OF(work, struct fetch, work);
	AUTO(ring_ref) struct ring_ref ref = {NULL};
	uint8_t digest[16];

	md5_digest(f->file.data, f->file.len, digest);
	bool good = !f->announced || memcmp(digest, f->digest, 16) == 0;
	if (good && !ring_parse(f->file.data, f->file.len, &ref.ring) &&
	        ring_version(ref.ring) == f->version)
		node_ring_adopt(f->peer->node, f->ring, ref.ring);
	else
		log_error("ring-refused", "name=%s from=%s why=%s", f->ring->name, f->peer->ip,
		        log_quote("not the bytes that were announced"));
}

static void on_adopted(struct work *work)
{
	end_fetch(CONTAINER_OF(work, struct fetch, work));
}

static void on_piece(struct wire_ask *ask, enum err err, const void *data, size_t len)
{
	struct fetch *f = CONTAINER_OF(ask, struct fetch, ask);
	uint64_t total;

	if (err || len < sizeof(total)) {
		end_fetch(f);
		return;
	}
	memcpy(&total, data, sizeof(total));
	total = le64toh(total);
	buf_add(&f->file, (const char *)data + sizeof(total), len - sizeof(total));
	if (total > RING_FILE_TOP || f->file.len > total || len == sizeof(total)) {
		end_fetch(f);
	} else if (f->file.len < total) {
		ask_piece(f);
	} else {
		f->work = (struct work){.run = adopt, .done = on_adopted};
		if (work_submit(f->peer->node->pool, &f->work))
			end_fetch(f);
	}
}

static void ask_piece(struct fetch *f)
{
	struct packed_request request = {
	        .kind = (uint8_t)f->ring->kind,
	        .policy = (uint8_t)f->ring->policy,
	        .version = htole64(f->version),
	        .offset = htole64(f->file.len),
	};

	f->ask.done = on_piece;
	wire_ask(client(f->peer), &f->ask, CONTROL_RING, &request, sizeof(request), TIMEOUT_US);
}

/* The oldest ring that lives with the peer and should with us: one after the other, so that what we
 * count always meets what they count. What is before our oldest has settled, unless we are new. */
static uint64_t missing(struct node *node, const struct node_ring *r, const struct ring_word *w)
{
	struct ring_versions ours = node_ring_versions(r);
	uint64_t list[RINGS_MAX], own[RINGS_MAX];
	unsigned n = ring_versions_list(w->live, list);

	/* With no room for one more ours settle first. */
	if (ring_versions_list(ours, own) == RINGS_MAX)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		bool settled = atomic_load(&node->joined) && list[i] < ring_versions_oldest(ours);
		if (!settled && !ring_versions_hold(ours, list[i]))
			return list[i];
	}
	return 0;
}

/* True when nothing misses. */
static bool fetch_missing(struct node *node, struct peer *peer)
{
	struct fetch *f = &node->peers->fetch;
	bool complete = true;

	for (unsigned i = 0; i < peer->said.ring_count; i++) {
		const struct ring_word *w = &peer->said.rings[i];
		struct node_ring *ring = node_ring_find(node, w->kind, w->policy);
		uint64_t version = ring ? missing(node, ring, w) : 0;
		if (!version)
			continue;
		complete = false;
		if (f->busy)
			continue;
		f->busy = true;
		f->peer = peer;
		f->ring = ring;
		f->version = version;
		f->announced = version == w->live.newest;
		memcpy(f->digest, w->digest, sizeof(f->digest));
		ask_piece(f);
	}
	return complete;
}

static enum err answer_ring(struct node *node, const void *data, size_t len, struct buf *ret_answer)
{
	struct packed_request request;

	if (len != sizeof(request))
		return ERR_FORMAT;
	memcpy(&request, data, sizeof(request));
	if (request.kind > BACKEND_OBJECT)
		return ERR_FORMAT;
	struct node_ring *ring = node_ring_find(node, request.kind, request.policy);
	AUTO(buf) struct buf file = BUF_NONE;
	uint64_t offset = le64toh(request.offset);
	if (!ring || node_ring_file(ring, le64toh(request.version), &file) || offset >= file.len)
		return ERR_NOT_FOUND;
	uint64_t total = htole64(file.len), left = file.len - offset;
	buf_add(ret_answer, &total, sizeof(total));
	buf_add(ret_answer, file.data + offset, left < RING_PIECE ? left : RING_PIECE);
	return ERR_OK;
}

static bool knows_newer(struct node *node, const struct gossip *theirs)
{
	for (unsigned i = 0; i < node->ring_count; i++) {
		const struct node_ring *r = &node->rings[i];
		const struct ring_word *w = gossip_ring(theirs, r->kind, r->policy);
		if (w && w->live.newest > atomic_load(&r->newest))
			return true;
	}
	return false;
}

/* --- words --- */

static void our_words(struct node *node, struct buf *bytes)
{
	struct gossip g = {.clock = hlc_now(&node->hlc), .wall_us = wall_us(node)};

	sscanf(CAIRN_VERSION, "%hu.%hu.%hu", &g.program[0], &g.program[1], &g.program[2]);
	g.joined = atomic_load(&node->joined);
	g.port = (uint32_t)node->conf.wire_port;
	if (g.port)
		snprintf(g.ip, sizeof(g.ip), "%s", node->conf.wire_ip);
	node_ring_words(node, &g);
	gossip_encode(&g, bytes);
}

static void mind_the_clock(struct peer *peer, uint64_t clock)
{
	bool skewed = !hlc_see(&peer->node->hlc, clock) || llabs(peer->skew_us) > PEER_SKEW_US;

	if (skewed && !peer->skewed)
		log_warn("clock-skew", "peer=%s ms=%lld next=%s", peer->ip,
		        (long long)peer->skew_us / 1000,
		        log_quote("let both machines follow the same time server"));
	peer->skewed = skewed;
}

/* A ring of our version that is another: who of us is right nobody can say. */
static void mind_the_rings(struct peer *peer)
{
	struct gossip ours = {0};
	bool mismatched = false;

	node_ring_words(peer->node, &ours);
	for (unsigned i = 0; i < ours.ring_count; i++) {
		const struct ring_word *w =
		        gossip_ring(&peer->said, ours.rings[i].kind, ours.rings[i].policy);
		mismatched |= w && gossip_differs(w, &ours.rings[i]);
	}
	if (mismatched && !peer->mismatched)
		log_error("ring-mismatch", "peer=%s next=%s", peer->ip,
		        log_quote("a ring there has the version of ours and other content; make "
		                  "one more with `cairn ring`, from the right builder"));
	peer->mismatched = mismatched;
}

/* --- how far it is --- */

static void our_move(const struct node *node, struct buf *bytes)
{
	struct move_word w = {0};

	for (unsigned i = 0; i < node->device_count; i++) {
		const struct node_device *d = &node->devices[i];
		uint64_t seconds = atomic_load(&d->seen.to_go_s);
		w.done += atomic_load(&d->seen.work_done);
		w.left += atomic_load(&d->seen.work_left);
		w.seconds = seconds > w.seconds ? seconds : w.seconds;
	}
	gossip_move_encode(&w, bytes);
}

/* One that does not know the question yet says nothing of it. */
static void on_move(struct wire_ask *ask, enum err err, const void *data, size_t len)
{
	struct peer *peer = CONTAINER_OF(ask, struct peer, ask);
	struct move_word move = {0};

	peer->asking = false;
	if (!err)
		err = gossip_move_decode(data, len, &move);
	pthread_mutex_lock(&peer->node->words_lock);
	peer->move = move;
	pthread_mutex_unlock(&peer->node->words_lock);
}

static void ask_move(struct peer *peer)
{
	peer->asking = true;
	peer->ask.done = on_move;
	wire_ask(client(peer), &peer->ask, CONTROL_MOVE, "", 0, TIMEOUT_US);
}

/* --- words of clocks and rings --- */

static void on_words(struct wire_ask *ask, enum err err, const void *data, size_t len)
{
	struct peer *peer = CONTAINER_OF(ask, struct peer, ask);
	struct node *node = peer->node;
	struct gossip said;

	peer->asking = false;
	if (err || gossip_decode(data, len, &said))
		return;
	uint64_t now = now_us(node);
	pthread_mutex_lock(&node->words_lock);
	peer->said = said;
	peer->heard = true;
	peer->heard_us = now;
	peer->skew_us = (int64_t)(said.wall_us + (now - peer->asked_us) / 2 - wall_us(node));
	pthread_mutex_unlock(&node->words_lock);
	mind_the_clock(peer, said.clock);
	mind_the_rings(peer);
	fetch_missing(node, peer);
	ask_move(peer);
}

static void ask_words(struct peer *peer)
{
	AUTO(buf) struct buf bytes = BUF_NONE;

	our_words(peer->node, &bytes);
	peer->asking = true;
	peer->asked_us = now_us(peer->node);
	peer->ask.done = on_words;
	wire_ask(client(peer), &peer->ask, CONTROL_GOSSIP, bytes.data, bytes.len, TIMEOUT_US);
}

/* A node that none of our rings names yet has a newer one: we ask it for that. */
struct introduction {
	struct task task;
	struct node *node;
	char ip[46];
	uint32_t port;
};

static void on_introduction(struct task *task)
{
	struct introduction *i = CONTAINER_OF(task, struct introduction, task);

	add_peer(i->node, i->ip, i->port);
	free(i);
}

static void introduce(struct node *node, const struct gossip *theirs)
{
	struct introduction *i = mem_zalloc(sizeof(*i));

	i->task.run = on_introduction;
	i->node = node;
	i->port = theirs->port;
	memcpy(i->ip, theirs->ip, sizeof(i->ip));
	reactor_post(here(node)->reactor, &i->task);
}

enum err node_control(
        void *owner, uint32_t kind, const void *data, size_t len, struct buf *ret_answer)
{
	struct node *node = ((struct node_reactor *)owner)->node;
	struct gossip theirs;

	if (kind == CONTROL_RING)
		return answer_ring(node, data, len, ret_answer);
	if (kind == CONTROL_MOVE) {
		our_move(node, ret_answer);
		return ERR_OK;
	}
	if (kind != CONTROL_GOSSIP)
		return ERR_UNSUPPORTED;
	if (gossip_decode(data, len, &theirs))
		return ERR_FORMAT;
	hlc_see(&node->hlc, theirs.clock);
	if (theirs.port && knows_newer(node, &theirs))
		introduce(node, &theirs);
	our_words(node, ret_answer);
	return ERR_OK;
}

/* --- fences, and the end of old rings --- */

static bool is_heard(struct node *node, const struct peer *peer)
{
	return peer_is_heard(peer, now_us(node));
}

/* Everybody who answers uses the newest, and the same one. */
static bool adopted(struct node *node, const struct node_ring *r)
{
	struct gossip ours = {0};

	node_ring_words(node, &ours);
	const struct ring_word *own = gossip_ring(&ours, r->kind, r->policy);
	LIST_EACH (n, &node->peers->list) {
		const struct peer *peer = LIST_ENTRY(n, struct peer, link);
		const struct ring_word *w = gossip_ring(&peer->said, r->kind, r->policy);
		if (is_heard(node, peer) &&
		        (!w || w->live.newest < own->live.newest || gossip_differs(w, own)))
			return false;
	}
	return true;
}

/* What had passed the fence ends, or is given up by who sent it. When that is found its time is
 * that of a turn later: the clock stands still during one, and what ended may have ended in this
 * one. */
static void mind_drain(struct node *node, struct node_ring *r)
{
	uint64_t now = now_us(node);

	if (!r->fence && r->drained_us == UINT64_MAX)
		r->drained_us = now;
	else if (r->fence && (node_local_drained(node, r->fence) || now > r->fenced_us + DRAIN_US))
		r->fence = 0;
}

/* All that our devices held when they still took what older rings alone had placed is where the
 * newest wants it. */
static bool moved(struct node *node, const struct node_ring *r)
{
	for (unsigned i = 0; i < node->device_count; i++) {
		if (replicate_moved_us(&node->devices[i], r->kind, r->policy) <= r->drained_us ||
		        atomic_load(&node->devices[i].filling))
			return false;
	}
	return true;
}

static bool has_moved(void *owner, uint32_t device)
{
	const struct chore *c = owner;

	return device < c->handles && c->moved[device];
}

static void run_chore(struct work *work)
{
	struct chore *c = CONTAINER_OF(work, struct chore, work);

	if (c->version)
		node_ring_fence(c->node, c->ring, c->version);
	else
		node_ring_settle(c->node, c->ring, has_moved, c);
}

static void on_chore(struct work *work)
{
	struct chore *c = CONTAINER_OF(work, struct chore, work);

	if (c->version) {
		c->ring->fence = atomic_fetch_add(&c->node->fences, 1) + 1;
		c->ring->fenced_us = now_us(c->node);
		c->ring->drained_us = UINT64_MAX;
	}
	free(c->moved);
	c->moved = NULL;
	c->busy = false;
}

static void start_chore(struct node *node, struct node_ring *r, uint64_t version)
{
	struct chore *c = &node->peers->chore;

	c->node = node;
	c->ring = r;
	c->version = version;
	c->work = (struct work){.run = run_chore, .done = on_chore};
	c->busy = work_submit(node->pool, &c->work) == ERR_OK;
	if (!c->busy)
		free(TAKE(c->moved));
}

/* Whose devices have moved, by what their nodes said. */
static void settle(struct node *node, struct node_ring *r)
{
	struct chore *c = &node->peers->chore;
	uint64_t newest = atomic_load(&r->newest);

	c->handles = node->device_count + atomic_load(&node->member_count);
	c->moved = mem_zalloc(c->handles + 1);
	for (uint32_t i = 0; i < c->handles; i++) {
		struct peer *peer = peer_of(node, i);
		const struct ring_word *w =
		        peer ? gossip_ring(&peer->said, r->kind, r->policy) : NULL;
		c->moved[i] = peer ? w && w->live.newest == newest && w->moved >= newest
		                   : atomic_load(&r->moved) >= newest;
	}
	start_chore(node, r, 0);
}

static void go_on(struct node *node, struct node_ring *r)
{
	uint64_t newest = atomic_load(&r->newest);

	if (node->peers->chore.busy || atomic_load(&r->oldest) == newest)
		return;
	if (atomic_load(&r->fenced) < newest) {
		if (adopted(node, r))
			start_chore(node, r, newest);
		return;
	}
	mind_drain(node, r);
	if (atomic_load(&r->moved) < newest && moved(node, r)) {
		atomic_store(&r->moved, newest);
		log_info("ring-moved", "name=%s version=%llu", r->name, (unsigned long long)newest);
	}
	settle(node, r);
}

/* --- joining --- */

/* A node that starts for the first time knows one ring of each kind, and others may still hold to
 * older ones. It has joined when one that has joined says so of the same rings; when everybody is
 * new; or when more than half have been heard, and it has waited for the rest. */
static bool may_join(struct node *node)
{
	unsigned heard = 0;

	LIST_EACH (n, &node->peers->list) {
		struct peer *peer = LIST_ENTRY(n, struct peer, link);
		if (!peer->heard)
			continue;
		heard++;
		if (!fetch_missing(node, peer))
			return false;
	}
	if (heard == node->peers->count)
		return true;
	return heard + 1 > (node->peers->count + 1) / 2 && node->peers->ticks > JOIN_TICKS;
}

static void join(struct node *node)
{
	for (unsigned i = 0; i < node->ring_count; i++)
		node_ring_begin(node, &node->rings[i]);
	atomic_store(&node->joined, true);
}

static void try_to_join(struct node *node)
{
	char path[PATH_MAX];

	if (!may_join(node))
		return;
	snprintf(path, sizeof(path), "%s/ring/live/joined", node->conf.state_dir);
	if (file_save(path, "", 0))
		return;
	join(node);
	if (node->peers->count)
		log_info("joined", "peers=%u", node->peers->count);
}

void node_peers_init(struct node *node)
{
	char path[PATH_MAX];

	node->peers = mem_zalloc(sizeof(*node->peers));
	list_init(&node->peers->list);
	snprintf(path, sizeof(path), "%s/ring/live/joined", node->conf.state_dir);
	if (node->wire.key_count)
		look_for_peers(node);
	if (access(path, F_OK) == 0)
		join(node);
	else if (!node->peers->count)
		try_to_join(node);
}

/* A node whose devices were all taken out of the rings is nobody's concern any more. */
static void look_who_is_in_rings(struct node *node)
{
	LIST_EACH (n, &node->peers->list)
		LIST_ENTRY(n, struct peer, link)->named = false;
	for (unsigned i = 0; i < node->ring_count; i++) {
		const struct ring_set *set = atomic_load(node->rings[i].set);
		for (unsigned j = 0; j < set->count; j++) {
			for (uint32_t id = 0; id < ring_dev_limit(set->rings[j]); id++) {
				struct peer *peer = ring_dev(set->rings[j], id)
				                            ? peer_of(node, set->handles[j][id])
				                            : NULL;
				if (peer)
					peer->named = true;
			}
		}
	}
}

/* For other threads. */
static void take_stock(struct node *node)
{
	struct wire_client_stats stats;

	look_who_is_in_rings(node);
	pthread_mutex_lock(&node->words_lock);
	LIST_EACH (n, &node->peers->list) {
		struct peer *peer = LIST_ENTRY(n, struct peer, link);
		bool up = is_heard(node, peer);
		if (peer->up != up)
			peer->since_us = wall_us(node);
		peer->up = up;
		peer->in_rings = peer->named;
		if (client(peer)) {
			wire_client_stats(client(peer), &stats);
			peer->wire_version = stats.version;
		}
	}
	pthread_mutex_unlock(&node->words_lock);
}

void node_peers_tick(struct node *node)
{
	if (node->wire.key_count)
		look_for_peers(node);
	take_stock(node);
	LIST_EACH (n, &node->peers->list) {
		struct peer *peer = LIST_ENTRY(n, struct peer, link);
		if (!peer->asking && client(peer)) /* none: what it said is no address */
			ask_words(peer);
	}
	node->peers->ticks++;
	if (!atomic_load(&node->joined))
		try_to_join(node);
	/* One chore at a time: another ring comes first each time. */
	for (unsigned i = 0; i < node->ring_count && atomic_load(&node->joined); i++)
		go_on(node, &node->rings[(node->peers->ticks + i) % node->ring_count]);
}
