#include "proxy/unit/ratelimit.h"

#include "proxy/pipeline.h"
#include "proxy/unit/marks.h"

#include "lib/base/mem.h"
#include "lib/log/log.h"
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SETS          4096
#define WAYS          4
#define TOLERANCE_US  10000
#define BLACKLISTS_US 1000000
#define LIMITS        4 /* that one request may meet */

/* When the last request that counted is due. The one that is longest past gives way. */
struct slot {
	uint64_t hash;
	int64_t due_us;
};

struct ratelimit {
	double account_rate;
	int64_t max_sleep_us, log_sleep_us, buffer_us;
	const char *whitelist, *blacklist; /* borrowed */
	struct rates writes, listings;
	pthread_mutex_t lock;
	struct slot slots[SETS][WAYS]; /* under the lock */
};

/* --- rates --- */

bool rates_parse(const char *text, struct rates *ret_rates)
{
	struct rates rates = {0};
	char *end;

	for (text += strspn(text, " "); *text; text = end + strspn(end, " ")) {
		unsigned n = rates.count;
		if (n == RATE_SIZES || strspn(text, "0123456789") == 0)
			return false;
		rates.at[n].size = strtoull(text, &end, 10);
		if (*end != '=' || (n && rates.at[n].size <= rates.at[n - 1].size))
			return false;
		text = end + 1;
		rates.at[n].rate = strtod(text, &end);
		if (end == text || (*end && *end != ' ') || !isfinite(rates.at[n].rate) ||
		        rates.at[n].rate < 0)
			return false;
		rates.count++;
	}
	*ret_rates = rates;
	return true;
}

double rates_of(const struct rates *rates, uint64_t size)
{
	unsigned i = 0;

	while (i < rates->count && rates->at[i].size <= size)
		i++;
	if (!size || !i)
		return 0;
	double rate = rates->at[i - 1].rate;
	if (i == rates->count)
		return rate;
	double part = (double)(size - rates->at[i - 1].size) /
	              (double)(rates->at[i].size - rates->at[i - 1].size);
	return rate + (rates->at[i].rate - rate) * part;
}

static bool seconds(const char *text, double *ret)
{
	char *end;

	*ret = strtod(text, &end);
	return end != text && !*end && isfinite(*ret) && *ret >= 0 && *ret < 1e9;
}

enum err ratelimit_new(
        const struct unit_options *o, struct ratelimit **ret_ratelimit, const char **ret_why)
{
	struct ratelimit *limit = mem_zalloc(sizeof(*limit));
	double max_sleep = 0, log_sleep = 0;

	*ret_why = !seconds(o->ratelimit_account, &limit->account_rate)   ? "account_ratelimit"
	           : !seconds(o->ratelimit_max_sleep, &max_sleep)         ? "max_sleep_time_seconds"
	           : !seconds(o->ratelimit_log_sleep, &log_sleep)         ? "log_sleep_time_seconds"
	           : !rates_parse(o->ratelimit_container, &limit->writes) ? "container_ratelimit"
	           : !rates_parse(o->ratelimit_listing, &limit->listings)
	                   ? "container_listing_ratelimit"
	                   : NULL;
	if (*ret_why) {
		free(limit);
		return ERR_CONFIG;
	}
	limit->max_sleep_us = (int64_t)(max_sleep * 1e6);
	limit->log_sleep_us = (int64_t)(log_sleep * 1e6);
	limit->buffer_us = (int64_t)o->ratelimit_buffer_s * 1000000;
	limit->whitelist = o->ratelimit_whitelist;
	limit->blacklist = o->ratelimit_blacklist;
	pthread_mutex_init(&limit->lock, NULL);
	*ret_ratelimit = limit;
	return ERR_OK;
}

static struct slot *slot_of(struct ratelimit *limit, const char *key)
{
	uint64_t hash = hash_bytes(key, strlen(key), 3) | 1;
	struct slot *set = limit->slots[(hash >> 1) % SETS], *oldest = set;

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].hash == hash)
			return &set[i];
		if (set[i].due_us < oldest->due_us)
			oldest = &set[i];
	}
	*oldest = (struct slot){.hash = hash};
	return oldest;
}

int64_t ratelimit_take(struct ratelimit *limit, const char *key, double rate, uint64_t now_us)
{
	int64_t each = rate > 1e-6 ? (int64_t)(1e6 / rate) : (int64_t)1e12, now = (int64_t)now_us,
	        wait = 0;

	pthread_mutex_lock(&limit->lock);
	struct slot *slot = slot_of(limit, key);
	if (now - slot->due_us - each > limit->buffer_us) {
		slot->due_us = now + each;
	} else {
		wait = slot->due_us > now ? slot->due_us - now : 0;
		if (limit->max_sleep_us - wait <= TOLERANCE_US)
			wait = -1;
		else
			slot->due_us += each;
	}
	pthread_mutex_unlock(&limit->lock);
	return wait;
}

/* --- the unit --- */

struct waiting {
	struct request_end end;
	struct patience sleep;
	bool sleeps, blacklisted;
	const char *keys[LIMITS];
	double rates[LIMITS];
	unsigned count, at;
};

static void waiting_end(struct request_end *end)
{
	patience_done(&CONTAINER_OF(end, struct waiting, end)->sleep);
}

static void sleep_for(struct request *request, struct waiting *w, int64_t us)
{
	w->sleeps = true;
	w->sleep = (struct patience){0};
	patience_start_for(&w->sleep, &request->op, (uint64_t)us);
}

static bool has_name(const char *list, const char *name)
{
	size_t name_len = strlen(name);

	for (list += strspn(list, ", "); *list; list += strspn(list, ", ")) {
		size_t len = strcspn(list, ", ");
		if (len == name_len && strncmp(list, name, len) == 0)
			return true;
		list += len;
	}
	return false;
}

static void add(struct waiting *w, const char *key, double rate)
{
	if (rate <= 0)
		return;
	w->keys[w->count] = key;
	w->rates[w->count++] = rate;
}

/* Which limits does it meet? */
static void plan(
        struct request *request, const struct ratelimit *limit, struct waiting *w, const char *mark)
{
	struct arena *arena = request_arena(request);
	const char *method = request->http->method, *a = request->account,
	           *c = request->container ? request->container : "";
	uint64_t size = request->container_info.info ? request->container_info.info->objects : 0;
	bool puts = strcmp(method, "PUT") == 0 || strcmp(method, "DELETE") == 0;
	bool writes = puts || strcmp(method, "POST") == 0 || strcmp(method, "COPY") == 0;
	char *end;

	if (puts && *c && !request->object)
		add(w, arena_printf(arena, "ratelimit/%s", a), limit->account_rate);
	if (writes && request->object)
		add(w, arena_printf(arena, "ratelimit/%s/%s", a, c),
		        rates_of(&limit->writes, size));
	if (strcmp(method, "GET") == 0 && *c && !request->object)
		add(w, arena_printf(arena, "ratelimit_listing/%s/%s", a, c),
		        rates_of(&limit->listings, size));
	double all = writes && mark && *mark ? strtod(mark, &end) : 0;
	if (all > 0 && !*end && isfinite(all))
		add(w, arena_printf(arena, "ratelimit/global-write/%s", a), all);
}

/* Facts of the account, and of the container where its size counts. False: wait. */
static bool known(struct request *request, const struct ratelimit *limit)
{
	bool wants_size =
	        request->object ? limit->writes.count : request->container && limit->listings.count;
	bool all = info_get(
	        &request->account_info, &request->op, request->proxy, request->account, NULL);

	if (wants_size)
		all &= info_get(&request->container_info, &request->op, request->proxy,
		        request->account, request->container);
	return all;
}

static enum step begin(struct request *request, struct ratelimit *limit)
{
	struct waiting *w = arena_zalloc(request_arena(request), sizeof(*w));
	const char *mark = info_header(request->account_info.info, MARK_WRITE_RATELIMIT);

	request->unit_own = w;
	w->end.run = waiting_end;
	request_at_end(request, &w->end);
	if (has_name(limit->whitelist, request->account) ||
	        (mark && strcmp(mark, "WHITELIST") == 0))
		return STEP_NEXT;
	if (has_name(limit->blacklist, request->account) ||
	        (mark && strcmp(mark, "BLACKLIST") == 0)) {
		log_warn("ratelimit-blacklisted", "account=%s trans=%s",
		        log_quote(request->account), request->trans_id);
		w->blacklisted = true;
		sleep_for(request, w, BLACKLISTS_US);
		return STEP_WAIT;
	}
	plan(request, limit, w, mark);
	return STEP_NEXT;
}

static enum step refuse(struct request *request)
{
	log_warn("ratelimit-refused", "method=%s path=%s trans=%s", request->http->method,
	        log_quote(request->path), request->trans_id);
	return request_fail_html(request, 498, "Slow down");
}

static enum step enter(struct request *request)
{
	struct ratelimit *limit = request_cluster(request)->ratelimit;
	struct waiting *w = request->unit_own;

	if (!limit || request->trusted || !request->account || marks_changed(request))
		return STEP_NEXT;
	if (!w) {
		if (!known(request, limit))
			return STEP_WAIT;
		enum step step = begin(request, limit);
		if (step != STEP_NEXT)
			return step;
		w = request->unit_own;
	}
	if (w->sleeps && !w->sleep.over)
		return STEP_WAIT;
	if (w->blacklisted)
		return request_fail_html(request, 497, "Your account has been blacklisted");
	while (w->at < w->count) {
		const struct env *env = request_cluster(request)->env;
		int64_t wait =
		        ratelimit_take(limit, w->keys[w->at], w->rates[w->at], env->wall_us(env));
		w->at++;
		if (wait < 0)
			return refuse(request);
		if (limit->log_sleep_us && wait > limit->log_sleep_us)
			log_warn("ratelimit-sleep", "ms=%lld path=%s trans=%s",
			        (long long)(wait / 1000), log_quote(request->path),
			        request->trans_id);
		if (wait) {
			sleep_for(request, w, wait);
			return STEP_WAIT;
		}
	}
	return STEP_NEXT;
}

static void tell_rates(struct buf *out, const char *name, const struct rates *rates)
{
	buf_printf(out, ", \"%s\": [", name);
	for (unsigned i = 0; i < rates->count; i++)
		buf_printf(out, "%s[%llu, %g]", i ? ", " : "",
		        (unsigned long long)rates->at[i].size, rates->at[i].rate);
	buf_char(out, ']');
}

static bool tell(const struct cluster *cluster, struct buf *out)
{
	const struct ratelimit *limit = cluster->ratelimit;

	if (!limit)
		return false;
	buf_printf(out, "\"account_ratelimit\": %g, \"max_sleep_time_seconds\": %g",
	        limit->account_rate, (double)limit->max_sleep_us / 1e6);
	tell_rates(out, "container_ratelimits", &limit->writes);
	tell_rates(out, "container_listing_ratelimits", &limit->listings);
	return true;
}

const struct unit unit_ratelimit = {.name = "ratelimit", .enter = enter, .info = tell};
