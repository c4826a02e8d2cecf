#include "node/gossip.h"

#include "lib/base/auto.h"
#include <endian.h>
#include <string.h>

#define MAGIC   0x476e7243u /* "CrnG" */
#define VERSION 1

/* The bytes, little-endian (docs/formats/wire.md). */
struct __attribute__((packed)) packed_head {
	uint32_t magic;
	uint8_t version, ring_count, joined, pad;
	uint64_t clock, wall_us;
	char ip[46];
	uint16_t program[3];
	uint32_t port;
};
struct __attribute__((packed)) packed_ring {
	uint8_t kind, policy, pad[6];
	uint64_t newest, older, fenced, moved;
	uint8_t digest[16];
};

void gossip_encode(const struct gossip *g, struct buf *bytes)
{
	struct packed_head head = {
	        .magic = htole32(MAGIC),
	        .version = VERSION,
	        .ring_count = (uint8_t)g->ring_count,
	        .clock = htole64(g->clock),
	        .wall_us = htole64(g->wall_us),
	        .joined = g->joined,
	        .port = htole32(g->port),
	};

	memcpy(head.ip, g->ip, sizeof(head.ip));
	for (unsigned i = 0; i < 3; i++)
		head.program[i] = htole16(g->program[i]);
	buf_add(bytes, &head, sizeof(head));
	for (unsigned i = 0; i < g->ring_count; i++) {
		const struct ring_word *r = &g->rings[i];
		struct packed_ring packed = {
		        .kind = r->kind,
		        .policy = r->policy,
		        .newest = htole64(r->live.newest),
		        .older = htole64(r->live.older),
		        .fenced = htole64(r->fenced),
		        .moved = htole64(r->moved),
		};
		memcpy(packed.digest, r->digest, sizeof(packed.digest));
		buf_add(bytes, &packed, sizeof(packed));
	}
}

enum err gossip_decode(const void *data, size_t len, struct gossip *ret_gossip)
{
	struct gossip g = {0};
	struct packed_head head;

	if (len < sizeof(head))
		return ERR_FORMAT;
	memcpy(&head, data, sizeof(head));
	if (le32toh(head.magic) != MAGIC || head.version != VERSION ||
	        head.ring_count > GOSSIP_RINGS_MAX || head.ip[sizeof(head.ip) - 1] ||
	        len != sizeof(head) + head.ring_count * sizeof(struct packed_ring))
		return ERR_FORMAT;
	g.clock = le64toh(head.clock);
	g.wall_us = le64toh(head.wall_us);
	g.joined = head.joined;
	g.port = le32toh(head.port);
	memcpy(g.ip, head.ip, sizeof(g.ip));
	for (unsigned i = 0; i < 3; i++)
		g.program[i] = le16toh(head.program[i]);
	for (const char *at = (const char *)data + sizeof(head); g.ring_count < head.ring_count;
	        at += sizeof(struct packed_ring)) {
		struct ring_word *r = &g.rings[g.ring_count++];
		struct packed_ring packed;
		memcpy(&packed, at, sizeof(packed));
		if (packed.kind > BACKEND_OBJECT || packed.policy >= BACKEND_POLICIES)
			return ERR_FORMAT;
		r->kind = packed.kind;
		r->policy = packed.policy;
		r->live.newest = le64toh(packed.newest);
		r->live.older = le64toh(packed.older);
		r->fenced = le64toh(packed.fenced);
		r->moved = le64toh(packed.moved);
		memcpy(r->digest, packed.digest, sizeof(r->digest));
	}
	*ret_gossip = g;
	return ERR_OK;
}

void gossip_move_encode(const struct move_word *w, struct buf *bytes)
{
	const uint64_t packed[] = {htole64(w->done), htole64(w->left), htole64(w->seconds)};

	buf_add(bytes, packed, sizeof(packed));
}

enum err gossip_move_decode(const void *data, size_t len, struct move_word *ret_word)
{
	uint64_t packed[3];

	if (len != sizeof(packed))
		return ERR_FORMAT;
	memcpy(packed, data, sizeof(packed));
	*ret_word = (struct move_word){le64toh(packed[0]), le64toh(packed[1]), le64toh(packed[2])};
	return ERR_OK;
}

const struct ring_word *gossip_ring(const struct gossip *g, enum backend_kind kind, unsigned policy)
{
	for (unsigned i = 0; i < g->ring_count; i++) {
		if (g->rings[i].kind == kind && g->rings[i].policy == policy)
			return &g->rings[i];
	}
	return NULL;
}

bool gossip_differs(const struct ring_word *a, const struct ring_word *b)
{
	return a->live.newest == b->live.newest &&
	       memcmp(a->digest, b->digest, sizeof(a->digest)) != 0;
}

/* How many of a partition's devices meet each of its write quorums. */
static unsigned wanted(const struct ring_set *set, unsigned devices)
{
	unsigned half = devices / 2 + 1;
	unsigned need = set->need ? set->need : half;
	unsigned meets = devices >= need ? devices - need + 1 : devices;

	return meets > half ? meets : half;
}

bool gossip_settled(
        const struct ring_set *set, bool (*has_moved)(void *owner, uint32_t device), void *owner)
{
	uint32_t ids[RING_ROWS_MAX];

	for (unsigned r = 0; r + 1 < set->count; r++) {
		const struct ring *ring = set->rings[r];
		for (uint32_t part = 0; part < ring_parts(ring); part++) {
			unsigned n = ring_primaries(ring, part, ids, COUNT_OF(ids)), moved = 0;
			for (unsigned i = 0; i < n; i++)
				moved += has_moved(owner, set->handles[r][ids[i]]);
			if (moved < wanted(set, n))
				return false;
		}
	}
	return true;
}
