#include "proxy/ec_put.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#define DEADLINE_MS 30000

uint64_t ec_indices(
        const struct ring_set *rings, const struct place *place, uint8_t ret_index[PLACE_MAX])
{
	uint64_t seen = 0, moved = 0;
	uint32_t ids[REPLICAS_MAX];

	memset(ret_index, 0, PLACE_MAX);
	for (unsigned r = 0; r < rings->count; r++) { /* the newest last: it decides */
		struct ring *ring = rings->rings[r];
		unsigned n =
		        ring_primaries(ring, ring_partition(ring, place->key), ids, REPLICAS_MAX);
		for (unsigned i = 0; i < n; i++) {
			uint64_t bit = place_bit(place, rings->handles[r][ids[i]]);
			if (!bit)
				continue;
			uint8_t *index = &ret_index[__builtin_ctzll(bit)];
			moved |= seen & bit && *index != i ? bit : 0;
			seen |= bit;
			*index = (uint8_t)i;
		}
	}
	return moved;
}

uint8_t ec_fragment_of(
        const struct ring_set *rings, uint64_t prefix, unsigned bits, uint32_t device)
{
	uint8_t index[PLACE_MAX], key[16] = {0};
	struct place place;

	for (unsigned i = 0; rings && i < rings->count; i++) {
		if (ring_part_power(rings->rings[i]) > bits)
			return 0;
	}
	prefix = htobe64(prefix);
	memcpy(key, &prefix, sizeof(prefix));
	place_of_key(rings, key, &place);
	uint64_t bit = place_bit(&place, device);
	if (!bit)
		return 0;
	ec_indices(rings, &place, index);
	return index[__builtin_ctzll(bit)] + 1;
}

void ec_put_start(struct ec_put *put, struct op *op, struct proxy *proxy, unsigned policy,
        const struct place *place, const char *account, const char *container, const char *object,
        uint64_t stage)
{
	const struct ring_set *rings = proxy_rings(proxy->cluster, BACKEND_OBJECT, policy);

	put->ec = proxy->cluster->policies[policy].ec;
	if (!put->ec || !rings)
		return;
	put->op = op;
	put->proxy = proxy;
	put->policy = policy;
	put->place = place;
	put->account = account;
	put->container = container;
	put->object = object;
	put->stage = stage;
	ec_indices(rings, place, put->index);
}

bool ec_put_room(struct ec_put *put, uint64_t rest, enum err *ret_err)
{
	struct ec_segment *s = &put->segments[put->filling];
	unsigned k = put->ec->k, n = k + put->ec->m;
	struct budget *budget = &put->proxy->budget;

	*ret_err = ERR_OK;
	if (s->staged.count)
		return false;
	/* All of a segment at once: who holds a part of one and waits for more holds up others. */
	uint64_t bytes = rest < (uint64_t)k * EC_PIECE ? rest : (uint64_t)k * EC_PIECE;
	size_t wants = (size_t)(bytes / k * n + EC_ALIGN * n);
	if (wants > budget->max / 2)
		wants = budget->max / 2;
	return s->count || credit_take(&s->credit, budget, put->op, wants, ret_err);
}

static void empty(struct ec_segment *s)
{
	for (unsigned i = 0; i < s->count; i++)
		bytes_unref(s->data[i]);
	fan_done(&s->staged);
	credit_give(&s->credit);
	*s = (struct ec_segment){0};
}

static struct backend_msg *message(const struct ec_put *put, enum backend_op op)
{
	struct backend_msg *msg = backend_msg_new(op, BACKEND_OBJECT);

	backend_msg_path(msg, put->account, put->container, put->object);
	place_address(put->place, msg);
	msg->policy = (uint8_t)put->policy;
	msg->stage = put->stage;
	return msg;
}

static void send(struct ec_put *put, struct ec_segment *s, struct bytes *const *fragments)
{
	struct backend_msg *msgs[PLACE_MAX];

	for (unsigned d = 0; d < put->place->count; d++) {
		msgs[d] = message(put, BACKEND_OBJECT_STAGE);
		msgs[d]->offset = put->archive;
		msgs[d]->body = bytes_ref(fragments[put->index[d]]);
	}
	put->staging = true;
	put->archive += fragments[0]->len;
	fan_start_each(&s->staged, put->op, put->proxy, msgs, put->place->devices,
	        put->place->count, DEADLINE_MS);
	put->filling ^= 1;
}

static void drop(struct bytes **fragments, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		bytes_unref(fragments[i]);
}

/* New fragments from..k+m of len bytes; false when memory is out. */
static bool make_room(
        const struct ec_put *put, struct bytes **fragments, unsigned from, uint32_t len)
{
	unsigned n = put->ec->k + put->ec->m;

	for (unsigned i = from; i < n; i++) {
		fragments[i] = bytes_new(len);
		if (!fragments[i]) {
			drop(fragments, from, i);
			return false;
		}
		fragments[i]->len = len;
	}
	return true;
}

static void encode(const struct ec_put *put, struct bytes *const *fragments)
{
	uint8_t *at[EC_N_MAX];

	for (unsigned i = 0; i < put->ec->k + put->ec->m; i++)
		at[i] = fragments[i]->data;
	ec_encode(put->ec, fragments[0]->len, at, at + put->ec->k);
}

/* A whole segment: its pieces are the data fragments as they are. */
static void send_whole(struct ec_put *put, struct ec_segment *s)
{
	struct bytes *fragments[EC_N_MAX];

	memcpy(fragments, s->data, put->ec->k * sizeof(*fragments));
	if (!make_room(put, fragments, put->ec->k, EC_PIECE)) {
		put->failed = true;
		return;
	}
	encode(put, fragments);
	send(put, s, fragments);
	drop(fragments, put->ec->k, put->ec->k + put->ec->m);
}

/* The bytes of the segment one after the other into fragments of len bytes, and zeros behind. */
static void cut(
        const struct ec_segment *s, struct bytes *const *fragments, unsigned k, uint32_t len)
{
	uint64_t at = 0;

	for (unsigned i = 0; i < s->count; i++) {
		for (size_t done = 0; done < s->data[i]->len;) {
			uint32_t to = (uint32_t)(at % len);
			size_t n = s->data[i]->len - done;
			if (n > len - to)
				n = len - to;
			memcpy(fragments[at / len]->data + to, s->data[i]->data + done, n);
			done += n;
			at += n;
		}
	}
	for (; at < (uint64_t)k * len; at = (at / len + 1) * len)
		memset(fragments[at / len]->data + at % len, 0, len - at % len);
}

static void send_tail(struct ec_put *put, struct ec_segment *s)
{
	struct bytes *fragments[EC_N_MAX];
	unsigned n = put->ec->k + put->ec->m;
	uint32_t len = fragment_len(put->ec->k, s->bytes);

	if (!make_room(put, fragments, 0, len)) {
		put->failed = true;
		return;
	}
	cut(s, fragments, put->ec->k, len);
	encode(put, fragments);
	if (!put->archive && len <= EC_INLINE_MAX) {
		memcpy(put->small, fragments, n * sizeof(*fragments));
		put->archive = len;
		empty(s);
		return;
	}
	send(put, s, fragments);
	drop(fragments, 0, n);
}

void ec_put_add(struct ec_put *put, struct bytes *piece)
{
	struct ec_segment *s = &put->segments[put->filling];

	assert(s->count < put->ec->k && !s->staged.count);
	s->data[s->count++] = bytes_ref(piece);
	s->bytes += piece->len;
	put->size += piece->len;
	if (s->bytes == (uint64_t)put->ec->k * EC_PIECE)
		send_whole(put, s);
}

void ec_put_end(struct ec_put *put)
{
	struct ec_segment *s = &put->segments[put->filling];

	if (s->count && !s->staged.count)
		send_tail(put, s);
}

bool ec_put_idle(struct ec_put *put)
{
	bool idle = true;

	for (unsigned i = 0; i < COUNT_OF(put->segments); i++) {
		struct ec_segment *s = &put->segments[i];
		if (!s->staged.count)
			continue;
		if (fan_open(&s->staged)) {
			idle = false;
			continue;
		}
		put->full |= fan_with(&s->staged, ERR_NO_SPACE) > 0;
		put->lost |= place_all(put->place) & ~fan_mask(&s->staged, put->place, ERR_OK);
		empty(s);
	}
	return idle;
}

void ec_put_messages(
        struct ec_put *put, struct backend_msg *msg, struct backend_msg *ret_msgs[PLACE_MAX])
{
	for (unsigned d = 0; d < put->place->count; d++) {
		struct backend_msg *to = ret_msgs[d] = backend_msg_at(msg, msg->ts);
		to->size = put->archive;
		to->fragment = (struct fragment){.k = (uint8_t)put->ec->k,
		        .m = (uint8_t)put->ec->m,
		        .index = put->index[d],
		        .size = put->size};
		memcpy(to->fragment.etag, msg->etag, sizeof(msg->etag));
		to->draft = true;
		if (put->staging)
			to->stage = put->stage;
		else if (put->archive)
			to->body = bytes_ref(put->small[put->index[d]]);
	}
}

void ec_put_done(struct ec_put *put)
{
	if (!put->ec)
		return;
	for (unsigned i = 0; i < COUNT_OF(put->segments); i++)
		empty(&put->segments[i]);
	drop(put->small, 0, put->ec->k + put->ec->m);
	memset(put->small, 0, sizeof(put->small));
}
