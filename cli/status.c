/* What /metrics says of a node and of those it knows, for people: problems first, with what to do
 * about them, then devices, peers and rings as tables that fit a terminal. */
#include "cli/status.h"

#include "lib/base/auto.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SKEW_S     0.5 /* a clock so far off is a problem */
#define PEERS_TOP  32  /* rows of peers that are well */
#define NAMES_TOP  2   /* in one cell */
#define NAME_BYTES 80

struct report {
	const char *text; /* the node's metrics; borrowed */
	struct buf problems, tables;
	unsigned devices, peers, up;
};

static const char *human(double bytes, char text[16])
{
	static const char units[] = " KMGTP";
	unsigned unit = 0;

	for (; bytes >= 1024 && unit < 5; unit++)
		bytes /= 1024;
	snprintf(text, 16, "%.1f%c", bytes, units[unit]);
	return text;
}

static const char *when(double wall_s, char text[32])
{
	time_t t = (time_t)wall_s;
	struct tm tm;

	strftime(text, 32, "%F %T", localtime_r(&t, &tm));
	return text;
}

/* --- reading metrics --- */

/* The value of `cairn_METRIC{LABELS} `, or `none`. */
static double value_of(const struct report *r, double none, const char *metric, const char *labels)
{
	char want[256];

	int len = snprintf(want, sizeof(want), "\ncairn_%s{%s} ", metric, labels);
	const char *at = strstr(r->text, want);
	return at ? atof(at + len) : none;
}

static double of_device(const struct report *r, const char *metric, unsigned id)
{
	char labels[32];

	snprintf(labels, sizeof(labels), "device=\"%u\"", id);
	return value_of(r, 0, metric, labels);
}

static double of_peer(const struct report *r, const char *metric, const char *peer)
{
	char labels[128];

	snprintf(labels, sizeof(labels), "peer=\"%s\"", peer);
	return value_of(r, 0, metric, labels);
}

static double of_ring(const struct report *r, const char *metric, const char *ring)
{
	char labels[128];

	snprintf(labels, sizeof(labels), "ring=\"%s\"", ring);
	return value_of(r, 0, metric, labels);
}

/* What a peer says of a ring. It is told only where this node says something else: `ours`. */
static double of_peers_ring(
        const struct report *r, double ours, const char *metric, const char *peer, const char *ring)
{
	char labels[192];

	snprintf(labels, sizeof(labels), "peer=\"%s\",ring=\"%s\"", peer, ring);
	return value_of(r, ours, metric, labels);
}

/* The next peer's name behind *at, which begins as the metrics' text. */
static bool next_peer(const char **at, char ret_name[NAME_BYTES])
{
	static const char start[] = "\ncairn_peer_up{peer=\"";
	const char *found = strstr(*at, start);

	if (!found || sscanf(found + strlen(start), "%79[^\"]", ret_name) != 1)
		return false;
	*at = found + 1;
	return true;
}

static void problem(struct report *r, const char *what, const char *next)
{
	buf_printf(&r->problems, "  %s\n      %s\n", what, next);
}

/* --- identity --- */

static void look_at_identity(struct report *r)
{
	if (strstr(r->text, "\ncairn_identity_fresh 0\n"))
		problem(r,
		        "there is no news from the identity service: its tokens are of no use here",
		        "see that it runs, and that identity_url and identity_key are right; the "
		        "log "
		        "says more");
}

/* --- devices --- */

static void look_at_device(struct report *r, unsigned id, bool up)
{
	char used[16], live[16], max[16], what[64];

	buf_printf(&r->tables, "%-7u %-7s %7.0f %8s %7s %7s\n", id,
	        !up                                      ? "FAILED"
	        : of_device(r, "device_filling", id) > 0 ? "filling"
	                                                 : "ok",
	        of_device(r, "device_objects", id),
	        human(of_device(r, "device_used_bytes", id), used),
	        human(of_device(r, "device_live_bytes", id), live),
	        human(of_device(r, "device_max_bytes", id), max));
	if (up)
		return;
	snprintf(what, sizeof(what), "device %u has failed, or does not answer", id);
	problem(r, what, "look at the disk (dmesg, log/node.log), then restart the node");
}

static void look_at_devices(struct report *r)
{
	static const char start[] = "\ncairn_device_up{device=\"";
	unsigned id, up;

	buf_str(&r->tables, "device  state   entries     used    live     max\n");
	for (const char *p = r->text; (p = strstr(p, start)); p++) {
		if (sscanf(p + strlen(start), "%u\"} %u", &id, &up) != 2)
			continue;
		r->devices = id + 1;
		look_at_device(r, id, up);
	}
}

static void add_ago(struct buf *out, const char *what, double then)
{
	double ago = difftime(time(NULL), (time_t)then);

	if (then > 0)
		buf_printf(out, "%s %.0f s ago", what, ago > 0 ? ago : 0);
	else
		buf_printf(out, "%s not since the start", what);
}

static double of_all_devices(const struct report *r, const char *metric)
{
	double sum = 0;

	for (unsigned id = 0; id < r->devices; id++)
		sum += of_device(r, metric, id);
	return sum;
}

static double later(double a, double b)
{
	return a > b ? a : b;
}

/* Of all nodes that answer: what is left is that of all together, the time that of the slowest. */
static void look_at_move(struct report *r)
{
	double done = of_all_devices(r, "replicate_work_done"),
	       left = of_all_devices(r, "replicate_work_left"), to_go = 0;
	char peer[NAME_BYTES];

	for (unsigned id = 0; id < r->devices; id++)
		to_go = later(to_go, of_device(r, "replicate_to_go_seconds", id));
	for (const char *at = r->text; next_peer(&at, peer);) {
		done += of_peer(r, "peer_work_done", peer);
		left += of_peer(r, "peer_work_left", peer);
		to_go = later(to_go, of_peer(r, "peer_to_go_seconds", peer));
	}
	if (left <= 0)
		return;
	buf_printf(&r->tables, ";\n            of what all nodes have to do %.0f%% is done, ",
	        100 * done / (done + left));
	if (to_go > 0)
		buf_printf(&r->tables, "about %.0f s to go", to_go);
	else
		buf_str(&r->tables, "time to go not known yet");
}

static void look_at_progress(struct report *r)
{
	double waiting = of_all_devices(r, "replicate_waiting"),
	       forget = of_all_devices(r, "replicate_to_forget"),
	       rate = of_all_devices(r, "replicate_push_rate");

	if (waiting + forget + rate > 0)
		buf_printf(&r->tables,
		        ";\n            %.0f objects a second are brought or forgotten, at least "
		        "%.0f are lacking elsewhere",
		        rate, waiting);
	if (forget > 0)
		buf_printf(&r->tables, ", %.0f are to be forgotten here", forget);
	look_at_move(r);
}

/* The oldest of the devices' last rounds counts. */
static void look_at_replication(struct report *r)
{
	double complete = 0, equal = 0, parts = 0;
	AUTO(buf) struct buf lagging = BUF_NONE;

	for (unsigned id = 0; id < r->devices; id++) {
		double c = of_device(r, "replicate_complete_seconds", id);
		double e = of_device(r, "replicate_equal_seconds", id);
		complete = !id || c < complete ? c : complete;
		equal = !id || e < equal ? e : equal;
		parts += of_device(r, "replicate_partitions", id);
		if (of_device(r, "replicate_lagging", id) > 0)
			buf_printf(&lagging, " %u", id);
	}
	buf_str(&r->tables, "replication ");
	add_ago(&r->tables, "complete", complete);
	add_ago(&r->tables, ", all equal", equal);
	if (lagging.len)
		buf_printf(&r->tables,
		        ";\n            devices that could not reach all others, or wait for "
		        "them:%s",
		        buf_text(&lagging));
	if (parts > 0)
		buf_printf(&r->tables, ";\n            %.0f partitions differed in the last round",
		        parts);
	look_at_progress(r);
	buf_char(&r->tables, '\n');
}

static double done_by_rules(const struct report *r, const char *what)
{
	double all = 0;
	char labels[64];

	for (unsigned id = 0; id < r->devices; id++) {
		snprintf(labels, sizeof(labels), "device=\"%u\",what=\"%s\"", id, what);
		all += value_of(r, 0, "lifecycle", labels);
	}
	return all;
}

/* What rules of S3's buckets, and the sweep of their parts, came to since the start. */
static void look_at_lifecycle(struct report *r)
{
	double walks = 0, walking = 0, failed = done_by_rules(r, "failed");

	for (unsigned id = 0; id < r->devices; id++) {
		walks += of_device(r, "lifecycle_walks", id);
		walking += of_device(r, "lifecycle_walking", id);
	}
	if (walks + walking <= 0)
		return;
	buf_printf(&r->tables,
	        "lifecycle   %.0f buckets walked, %.0f at it; %.0f objects and %.0f versions "
	        "expired, %.0f uploads ended, %.0f parts swept",
	        walks, walking, done_by_rules(r, "expired"),
	        done_by_rules(r, "noncurrent") + done_by_rules(r, "markers"),
	        done_by_rules(r, "aborted"), done_by_rules(r, "swept"));
	if (failed > 0)
		buf_printf(&r->tables,
		        ";\n            %.0f failed, which the next walk tries again", failed);
	buf_char(&r->tables, '\n');
}

/* Targets of buckets' notifications that take nothing. */
static void look_at_notify(struct report *r)
{
	static const char start[] = "\ncairn_notify_failing{target=\"";
	char target[80], what[160];
	int failing;

	for (const char *p = r->text; (p = strstr(p, start)); p++) {
		if (sscanf(p + strlen(start), "%79[^\"]\"} %d", target, &failing) != 2 || !failing)
			continue;
		snprintf(what, sizeof(what), "notify: the target %s takes nothing, its events wait",
		        target);
		problem(r, what, "look at it, and at [s3] notify; the node's log says why");
	}
}

/* --- peers --- */

static bool is_up(const struct report *r, const char *peer)
{
	return of_peer(r, "peer_up", peer) > 0;
}

static void add_program(const struct report *r, const char *peer, struct buf *out)
{
	char want[160], version[16] = "?";

	snprintf(want, sizeof(want), "\ncairn_peer_program{peer=\"%s\",version=\"", peer);
	const char *at = strstr(r->text, want);
	if (at)
		sscanf(at + strlen(want), "%15[^\"]", version);
	buf_printf(out, "  %s\n", version);
}

static void add_peer(const struct report *r, const char *peer, struct buf *out)
{
	bool up = is_up(r, peer);
	double wire = of_peer(r, "peer_wire_version", peer);
	char since[32];

	buf_printf(out, "%-28s %-5s %s  ", peer, up ? "up" : "DOWN",
	        when(of_peer(r, "peer_since_seconds", peer), since));
	if (up)
		buf_printf(out, "%+9.3f s", of_peer(r, "peer_skew_seconds", peer));
	else
		buf_printf(out, "%11s", "-");
	if (wire > 0)
		buf_printf(out, "  %4.0f", wire);
	else
		buf_printf(out, "  %4s", "-");
	add_program(r, peer, out);
}

/* Clocks of others that are off, to one side. */
static unsigned skewed(const struct report *r, double sign)
{
	char peer[NAME_BYTES];
	unsigned n = 0;

	for (const char *at = r->text; next_peer(&at, peer);)
		n += is_up(r, peer) && of_peer(r, "peer_skew_seconds", peer) * sign > SKEW_S;
	return n;
}

#define SAME_TIME "let all machines follow the same time server"

/* When more than one and most are off to one side, it is this node that is. */
static bool is_skewed_itself(struct report *r)
{
	char peer[NAME_BYTES], what[128];

	for (int sign = -1; sign <= 1; sign += 2) {
		unsigned n = skewed(r, sign);
		if (n < 2 || n <= r->up / 2)
			continue;
		double least = 1e9;
		for (const char *at = r->text; next_peer(&at, peer);) {
			double off = sign * of_peer(r, "peer_skew_seconds", peer);
			least = is_up(r, peer) && off > SKEW_S && off < least ? off : least;
		}
		snprintf(what, sizeof(what), "the clock of this node is %.1f s %s %u others", least,
		        sign < 0 ? "ahead of" : "behind", n);
		problem(r, what, SAME_TIME);
		return true;
	}
	return false;
}

static void look_at_clock(struct report *r, const char *peer)
{
	double skew = of_peer(r, "peer_skew_seconds", peer);
	char what[192];

	if (skew <= SKEW_S && skew >= -SKEW_S)
		return;
	snprintf(what, sizeof(what), "the clock of %s is %.1f s %s", peer, skew < 0 ? -skew : skew,
	        skew < 0 ? "behind" : "ahead");
	problem(r, what, SAME_TIME);
}

static void look_whether_down(struct report *r, const char *peer)
{
	char what[192], since[32];

	if (is_up(r, peer))
		return;
	snprintf(what, sizeof(what), "%s is down since %s", peer,
	        when(of_peer(r, "peer_since_seconds", peer), since));
	problem(r, what,
	        "start it, or mend the network; if it will not come back: remove its devices from "
	        "the rings");
}

/* Those that are down first; of the others not more than fit. */
static void list_peers(struct report *r)
{
	char peer[NAME_BYTES];
	unsigned listed = 0;

	buf_printf(&r->tables, "\n%-28s %-5s %-19s  %11s  wire  program\n", "peer", "state",
	        "since", "clock");
	for (const char *at = r->text; next_peer(&at, peer);) {
		if (!is_up(r, peer))
			add_peer(r, peer, &r->tables);
	}
	for (const char *at = r->text; next_peer(&at, peer);) {
		if (is_up(r, peer) && listed++ < PEERS_TOP)
			add_peer(r, peer, &r->tables);
	}
	if (listed > PEERS_TOP)
		buf_printf(&r->tables, "and %u more that are up\n", listed - PEERS_TOP);
}

static void look_at_peers(struct report *r)
{
	char peer[NAME_BYTES];

	for (const char *at = r->text; next_peer(&at, peer);) {
		r->peers++;
		r->up += is_up(r, peer);
		look_whether_down(r, peer);
	}
	if (!r->peers)
		return;
	bool itself = is_skewed_itself(r);
	for (const char *at = r->text; !itself && next_peer(&at, peer);) {
		if (is_up(r, peer))
			look_at_clock(r, peer);
	}
	list_peers(r);
}

/* --- rings --- */

/* How many nodes have come so far with a ring's newest version, and who has not. */
struct stage {
	unsigned done, missing;
	struct buf names;
};

static void count(struct stage *s, bool done, const char *name)
{
	s->done += done;
	if (!done && s->missing++ < NAMES_TOP)
		buf_printf(&s->names, "%s%s", s->missing > 1 ? ", " : "", name);
}

static struct stage stage_of(
        const struct report *r, const char *ring, const char *own, const char *peers)
{
	double newest = of_ring(r, "ring_version", ring), ours = of_ring(r, own, ring);
	struct stage s = {0};
	char peer[NAME_BYTES];

	count(&s, ours >= newest, "this node");
	for (const char *at = r->text; next_peer(&at, peer);)
		count(&s, of_peers_ring(r, ours, peers, peer, ring) >= newest, peer);
	return s;
}

static void look_who_differs(struct report *r, const char *ring)
{
	double newest = of_ring(r, "ring_version", ring);
	char peer[NAME_BYTES], what[192];

	for (const char *at = r->text; next_peer(&at, peer);) {
		if (!(of_peers_ring(r, 0, "peer_ring_differs", peer, ring) > 0))
			continue;
		snprintf(what, sizeof(what), "ring %s: %s has another ring of version %.0f", ring,
		        peer, newest);
		problem(r, what,
		        "make one more with `cairn ring`, from the right builder, and give it to "
		        "one node");
	}
}

/* Where it waits, while partitions move; and who is ahead. */
static void add_waiting(struct report *r, const char *ring, const struct stage *stages)
{
	static const char *const waits[] = {"used", "fenced", "moved"};
	double newest = of_ring(r, "ring_version", ring);
	char peer[NAME_BYTES];

	for (unsigned i = 0; i < COUNT_OF(waits); i++) {
		if (!stages[i].missing)
			continue;
		buf_printf(&r->tables, "            not %s yet by %s", waits[i],
		        buf_text(&stages[i].names));
		if (stages[i].missing > NAMES_TOP)
			buf_printf(&r->tables, " and %u more", stages[i].missing - NAMES_TOP);
		buf_char(&r->tables, '\n');
		break;
	}
	if (of_ring(r, "ring_waiting", ring) > 0)
		buf_printf(&r->tables,
		        "            version %.0f waits until what is there has moved\n",
		        of_ring(r, "ring_waiting", ring));
	for (const char *at = r->text; next_peer(&at, peer);) {
		double theirs = of_peers_ring(r, newest, "peer_ring_version", peer, ring);
		if (theirs > newest)
			buf_printf(&r->tables,
			        "            %s has version %.0f, which is not used here yet\n",
			        peer, theirs);
	}
}

static void look_at_ring(struct report *r, const char *ring, const char *live, const char *digest)
{
	unsigned nodes = r->peers + 1;
	struct stage stages[] = {
	        stage_of(r, ring, "ring_version", "peer_ring_version"),
	        stage_of(r, ring, "ring_fenced", "peer_ring_fenced"),
	        stage_of(r, ring, "ring_moved", "peer_ring_moved"),
	};

	buf_printf(&r->tables, "%-11s %-19s %.8s ", ring, live, digest);
	for (unsigned i = 0; i < COUNT_OF(stages); i++) {
		char cell[24];
		snprintf(cell, sizeof(cell), "%u/%u", stages[i].done, nodes);
		buf_printf(&r->tables, i + 1 < COUNT_OF(stages) ? " %-8s" : " %s\n", cell);
	}
	look_who_differs(r, ring);
	add_waiting(r, ring, stages);
	for (unsigned i = 0; i < COUNT_OF(stages); i++)
		buf_done(&stages[i].names);
}

static void look_at_rings(struct report *r)
{
	static const char start[] = "\ncairn_ring_info{ring=\"";
	char ring[32], live[64], digest[40];

	buf_str(&r->tables,
	        "\nring        live                digest    adopted  fenced   moved\n");
	for (const char *p = r->text; (p = strstr(p, start)); p++) {
		if (sscanf(p + strlen(start), "%31[^\"]\",live=\"%63[^\"]\",digest=\"%39[^\"]",
		            ring, live, digest) == 3)
			look_at_ring(r, ring, live, digest);
	}
}

bool status_print(const struct state *state)
{
	AUTO(buf) struct buf body = BUF_NONE;
	struct report r = {0};

	if (state->tls) {
		printf("devices     curl -k https://%s:%d/metrics\n", state->address, state->port);
		return true;
	}
	if (!state_get(state, "/metrics", "", &body))
		return false;
	r.text = buf_text(&body);
	look_at_identity(&r);
	look_at_devices(&r);
	look_at_replication(&r);
	look_at_lifecycle(&r);
	look_at_notify(&r);
	look_at_peers(&r);
	look_at_rings(&r);
	if (r.problems.len)
		printf("\nPROBLEMS\n%s\n", buf_text(&r.problems));
	fputs(buf_text(&r.tables), stdout);
	buf_done(&r.problems);
	buf_done(&r.tables);
	return true;
}
