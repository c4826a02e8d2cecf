#include "proxy/access.h"

#include "proxy/proxy.h"

#include "lib/base/mem.h"
#include "lib/crypto/md5.h"
#include "lib/log/log.h"
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PENDING_MAX (4u << 20)
#define WRITE_MAX   4096 /* bytes that reach a pipe whole */
#define DATAGRAM    1400
#define GATHER_NS   20000000
#define TOKENS      64

enum field {
	LITERAL,
	CLIENT_IP,
	REMOTE_ADDR,
	END_TIME,
	START_TIME,
	METHOD,
	DOMAIN,
	PATH,
	PROTOCOL,
	STATUS,
	WIRE_STATUS,
	REFERER,
	USER_AGENT,
	AUTH_TOKEN,
	BYTES_RECVD,
	BYTES_SENT,
	CLIENT_ETAG,
	TRANS_ID,
	REQUEST_TIME,
	POLICY,
	USER,
	ACCOUNT,
	CONTAINER,
	OBJECT,
	PID,
	NOTHING, /* Swift's fields that we have nothing for */
};

static const struct {
	const char *name;
	enum field field;
} fields[] = {{"client_ip", CLIENT_IP}, {"remote_addr", REMOTE_ADDR}, {"end_time", END_TIME},
        {"start_time", START_TIME}, {"method", METHOD}, {"domain", DOMAIN}, {"path", PATH},
        {"protocol", PROTOCOL}, {"status_int", STATUS}, {"wire_status_int", WIRE_STATUS},
        {"referer", REFERER}, {"user_agent", USER_AGENT}, {"auth_token", AUTH_TOKEN},
        {"bytes_recvd", BYTES_RECVD}, {"bytes_sent", BYTES_SENT}, {"client_etag", CLIENT_ETAG},
        {"transaction_id", TRANS_ID}, {"request_time", REQUEST_TIME}, {"policy_index", POLICY},
        {"access_user_id", USER}, {"account", ACCOUNT}, {"container", CONTAINER},
        {"object", OBJECT}, {"pid", PID}, {"headers", NOTHING}, {"source", NOTHING},
        {"log_info", NOTHING}, {"ttfb", NOTHING}};

enum form { PLAIN, DATETIME, ISO8601, ASCTIME, ANONYMIZED, WHOLE, MS, US, NS };

static const struct {
	const char *name;
	enum form form;
} forms[] = {{"datetime", DATETIME}, {"iso8601", ISO8601}, {"asctime", ASCTIME},
        {"anonymized", ANONYMIZED}, {"s", WHOLE}, {"ms", MS}, {"us", US}, {"ns", NS}};

struct token {
	enum field field;
	enum form form;
	const char *text; /* of a literal, borrowed */
	size_t len;
};

struct access_log {
	bool lines;
	struct token tokens[TOKENS];
	unsigned token_count, reveal;
	int pid;
	int statsd;         /* a socket, or -1 */
	const char *prefix; /* of metrics, borrowed */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* Under the lock. */
	struct buf pending, metrics;
	uint64_t dropped;
	bool idle, started, stopping;
};

/* --- configuration --- */

static bool field_parse(const char *text, size_t len, struct token *ret)
{
	const char *dot = memchr(text, '.', len);
	size_t name_len = dot ? (size_t)(dot - text) : len;

	for (unsigned i = 0; i < COUNT_OF(fields); i++) {
		if (strlen(fields[i].name) != name_len ||
		        strncmp(fields[i].name, text, name_len) != 0)
			continue;
		*ret = (struct token){.field = fields[i].field};
		if (!dot)
			return true;
		bool time = ret->field == START_TIME || ret->field == END_TIME;
		for (unsigned f = 0; f < COUNT_OF(forms); f++) {
			size_t n = len - name_len - 1;
			if (strlen(forms[f].name) == n && strncmp(forms[f].name, dot + 1, n) == 0) {
				ret->form = forms[f].form;
				return time != (ret->form == ANONYMIZED);
			}
		}
	}
	return false;
}

static bool template_parse(struct access_log *access, const char *text)
{
	while (*text) {
		if (access->token_count == TOKENS)
			return false;
		struct token *token = &access->tokens[access->token_count++];
		size_t len = strcspn(text, "{}");
		if (len) {
			*token = (struct token){.text = text, .len = len};
			text += len;
			continue;
		}
		const char *end = *text == '{' ? strchr(text, '}') : NULL;
		if (!end || !field_parse(text + 1, (size_t)(end - text - 1), token))
			return false;
		text = end + 1;
	}
	return true;
}

static bool statsd_connect(struct access_log *access, const struct unit_options *o)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_family = AF_UNSPEC};
	struct addrinfo *found;
	char port[8];

	snprintf(port, sizeof(port), "%u", (unsigned)o->statsd_port);
	if (getaddrinfo(o->statsd_host, port, &hints, &found))
		return false;
	access->statsd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (access->statsd >= 0 && connect(access->statsd, found->ai_addr, found->ai_addrlen)) {
		close(access->statsd);
		access->statsd = -1;
	}
	freeaddrinfo(found);
	return access->statsd >= 0;
}

enum err access_new(
        const struct unit_options *options, struct access_log **ret_access, const char **ret_why)
{
	bool metrics = *options->statsd_host;

	*ret_access = NULL;
	if (!options->access_log && !metrics)
		return ERR_OK;
	struct access_log *access = mem_zalloc(sizeof(*access));
	access->lines = options->access_log;
	access->reveal = (unsigned)options->access_reveal;
	access->pid = getpid();
	access->statsd = -1;
	access->prefix = options->statsd_prefix;
	*ret_why = !template_parse(access, options->access_template)
	                   ? "[access_log] log_msg_template"
	           : metrics && !statsd_connect(access, options) ? "[statsd] host"
	                                                         : NULL;
	if (*ret_why) {
		free(access);
		return ERR_CONFIG;
	}
	pthread_mutex_init(&access->lock, NULL);
	pthread_cond_init(&access->wake, NULL);
	*ret_access = access;
	return ERR_OK;
}

/* --- the thread that writes --- */

/* Whole lines, as many as go out in one piece of at most `max` bytes; at least one. */
static size_t piece_of(const char *text, size_t len, size_t max)
{
	const char *end = len > max ? memrchr(text, '\n', max) : text + len - 1;

	if (!end)
		end = memchr(text, '\n', len);
	return end ? (size_t)(end - text) + 1 : len;
}

static void write_lines(const struct buf *lines)
{
	for (size_t at = 0; at < lines->len;) {
		size_t n = piece_of(lines->data + at, lines->len - at, WRITE_MAX);
		ssize_t wrote = write(STDERR_FILENO, lines->data + at, n);
		if (wrote < 0)
			return; /* nobody is left to tell */
		at += (size_t)wrote;
	}
}

static void send_metrics(int fd, const struct buf *metrics)
{
	for (size_t at = 0; at < metrics->len;) {
		size_t n = piece_of(metrics->data + at, metrics->len - at, DATAGRAM);
		(void)!send(fd, metrics->data + at, n - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		at += n;
	}
}

static void *run_writer(void *arg)
{
	const struct timespec gather = {0, GATHER_NS};
	struct access_log *access = arg;
	struct buf lines = BUF_NONE, metrics = BUF_NONE;
	bool stopping = false;

	while (!stopping) {
		pthread_mutex_lock(&access->lock);
		access->idle = true;
		while (!access->pending.len && !access->metrics.len && !access->stopping)
			pthread_cond_wait(&access->wake, &access->lock);
		access->idle = false;
		stopping = access->stopping;
		pthread_mutex_unlock(&access->lock);
		if (!stopping)
			nanosleep(&gather, NULL);
		pthread_mutex_lock(&access->lock);
		struct buf swap = access->pending, swap_metrics = access->metrics;
		access->pending = lines;
		access->metrics = metrics;
		lines = swap;
		metrics = swap_metrics;
		uint64_t dropped = access->dropped;
		access->dropped = 0;
		pthread_mutex_unlock(&access->lock);
		write_lines(&lines);
		send_metrics(access->statsd, &metrics);
		buf_reset(&lines);
		buf_reset(&metrics);
		if (dropped)
			log_warn("access-dropped", "lines=%llu", (unsigned long long)dropped);
	}
	buf_done(&lines);
	buf_done(&metrics);
	return NULL;
}

void access_start(struct access_log *access)
{
	if (access)
		access->started = pthread_create(&access->thread, NULL, run_writer, access) == 0;
}

void access_stop(struct access_log *access)
{
	if (!access || !access->started)
		return;
	pthread_mutex_lock(&access->lock);
	access->stopping = true;
	pthread_cond_signal(&access->wake);
	pthread_mutex_unlock(&access->lock);
	pthread_join(access->thread, NULL);
	access->started = false;
}

static void hand_over(struct access_log *access, const struct buf *line, const struct buf *metrics)
{
	pthread_mutex_lock(&access->lock);
	if (access->pending.len + line->len > PENDING_MAX ||
	        access->metrics.len + metrics->len > PENDING_MAX) {
		access->dropped++;
	} else {
		buf_add(&access->pending, line->data, line->len);
		buf_add(&access->metrics, metrics->data, metrics->len);
	}
	bool wake = access->idle;
	access->idle = false;
	pthread_mutex_unlock(&access->lock);
	if (wake)
		pthread_cond_signal(&access->wake);
}

/* --- a line --- */

static bool is_secret(const char *quoted, size_t quoted_len)
{
	static const char *const names[] = {"temp_url_sig", "X-Amz-Signature", "Signature",
	        "signature", "X-Amz-Security-Token"};

	struct arena arena;
	bool found = false;
	size_t len;

	arena_init(&arena);
	const char *name = url_unquote_plus(&arena, quoted, quoted_len, &len);
	for (unsigned i = 0; i < COUNT_OF(names); i++)
		found |= strcmp(names[i], name) == 0;
	arena_done(&arena);
	return found;
}

void access_target(struct buf *out, const char *target, unsigned reveal)
{
	const char *p = target + strcspn(target, "?");

	buf_add(out, target, (size_t)(p - target));
	while (*p) {
		size_t len = 1 + strcspn(p + 1, "&;"), name_len = strcspn(p + 1, "=&;");
		size_t value_at = name_len + 2;
		if (is_secret(p + 1, name_len) && len > value_at + reveal) {
			buf_add(out, p, value_at + reveal);
			buf_str(out, "...");
		} else {
			buf_add(out, p, len);
		}
		p += len;
	}
}

/* As Python's quote() with ":/{}" left as they are; nothing is "-". */
static void add_quoted(struct buf *out, const char *text, size_t len)
{
	static const char safe[256] = {['_'] = 1,
	        ['.'] = 1,
	        ['-'] = 1,
	        ['~'] = 1,
	        [':'] = 1,
	        ['/'] = 1,
	        ['{'] = 1,
	        ['}'] = 1};
	char *p = buf_reserve(out, 3 * len + 1);

	if (!p)
		return;
	char *begin = p;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i], lower = c | 0x20;
		if ((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || safe[c]) {
			*p++ = (char)c;
		} else {
			*p++ = '%';
			*p++ = "0123456789ABCDEF"[c >> 4];
			*p++ = "0123456789ABCDEF"[c & 15];
		}
	}
	if (!len)
		*p++ = '-';
	*p = 0;
	out->len += (size_t)(p - begin);
}

static void add_text(struct buf *out, const char *text, enum form form)
{
	char hex[40] = "{MD5}";
	uint8_t digest[16];

	if (form == ANONYMIZED && text && *text) {
		md5_digest(text, strlen(text), digest);
		md5_hex(digest, hex + 5);
		text = hex;
	}
	add_quoted(out, text ? text : "", text ? strlen(text) : 0);
}

static void add_number(struct buf *out, uint64_t number)
{
	if (number)
		buf_u64(out, number);
	else
		buf_char(out, '-');
}

/* With zeros in front. */
static void add_digits(struct buf *out, unsigned number, unsigned digits)
{
	char *p = buf_reserve(out, digits + 1);

	if (!p)
		return;
	p[digits] = 0;
	out->len += digits;
	for (; digits; number /= 10)
		p[--digits] = (char)('0' + number % 10);
}

static void add_time(struct buf *out, uint64_t us, enum form form)
{
	static const char *const formats[] = {[DATETIME] = "%d/%b/%Y/%H/%M/%S",
	        [ISO8601] = "%Y-%m-%dT%H:%M:%S",
	        [ASCTIME] = "%a%%20%b%%20%e%%20%H:%M:%S%%20%Y"};
	time_t seconds = (time_t)(us / 1000000);
	unsigned rest = (unsigned)(us % 1000000);
	/* The last one made, by form: most are of the same second. */
	static _Thread_local struct {
		time_t seconds;
		size_t len;
		char text[64];
	} made[ASCTIME + 1];
	struct tm tm;

	if (form == PLAIN || form == WHOLE) {
		buf_u64(out, (uint64_t)seconds);
		if (form == PLAIN) {
			buf_char(out, '.');
			add_digits(out, rest, 6);
			buf_add(out, "000", 3);
		}
	} else if (form >= MS) {
		add_digits(out, form == MS ? rest / 1000 : rest, form == MS ? 3 : 6);
		if (form == NS)
			buf_add(out, "000", 3);
	} else {
		if (made[form].seconds != seconds || !made[form].len) {
			gmtime_r(&seconds, &tm);
			made[form].seconds = seconds;
			made[form].len = strftime(
			        made[form].text, sizeof(made[form].text), formats[form], &tm);
		}
		buf_add(out, made[form].text, made[form].len);
	}
}

static const char *client_of(struct request *request)
{
	const char *given = http_get(request->http, "X-Cluster-Client-Ip");

	if (given && *given)
		return given;
	given = http_get(request->http, "X-Forwarded-For");
	if (!given)
		return request->http->remote;
	given += strspn(given, " ");
	size_t len = strcspn(given, ",");
	while (len && given[len - 1] == ' ')
		len--;
	return len ? arena_strndup(request_arena(request), given, len) : request->http->remote;
}

static const char *token_of(struct request *request, unsigned reveal)
{
	const char *token = http_get(request->http, "X-Auth-Token");

	return token && strlen(token) > reveal
	               ? arena_printf(request_arena(request), "%.*s...", (int)reveal, token)
	               : token;
}

static const char *domain_of(struct request *request)
{
	const char *host = http_get(request->http, "Host"),
	           *colon = host ? strrchr(host, ':') : NULL;

	return colon ? arena_strndup(request_arena(request), host, (size_t)(colon - host)) : host;
}

static int status_of(const struct request *request)
{
	return request->http->gone ? 499 : request->http->status;
}

static void add_field(struct buf *out, struct request *request, const struct token *token,
        const struct access_log *access, uint64_t start_us, uint64_t end_us)
{
	const struct http_req *http = request->http;
	AUTO(buf) struct buf target = BUF_NONE;

	switch (token->field) {
	case LITERAL:
		buf_add(out, token->text, token->len);
		break;
	case CLIENT_IP:
		add_text(out, client_of(request), token->form);
		break;
	case REMOTE_ADDR:
		add_text(out, http->remote, token->form);
		break;
	case END_TIME:
	case START_TIME:
		add_time(out, token->field == END_TIME ? end_us : start_us, token->form);
		break;
	case METHOD:
		add_text(out, http->method, token->form);
		break;
	case DOMAIN:
		add_text(out, domain_of(request), token->form);
		break;
	case PATH:
		if (strchr(http->target, '?'))
			access_target(&target, http->target, access->reveal);
		add_text(out, target.len ? buf_text(&target) : http->target, token->form);
		break;
	case PROTOCOL:
		buf_str(out, http->http_1_0 ? "HTTP/1.0" : "HTTP/1.1");
		break;
	case STATUS:
		add_number(out, (uint64_t)status_of(request));
		break;
	case WIRE_STATUS:
		add_number(out, (uint64_t)http->status);
		break;
	case REFERER:
		add_text(out, http_get(http, "Referer"), token->form);
		break;
	case USER_AGENT:
		add_text(out, http_get(http, "User-Agent"), token->form);
		break;
	case AUTH_TOKEN:
		add_text(out, token_of(request, access->reveal), token->form);
		break;
	case BYTES_RECVD:
		add_number(out, http->bytes_in);
		break;
	case BYTES_SENT:
		add_number(out, http->bytes_out);
		break;
	case CLIENT_ETAG:
		add_text(out, http_get(http, "Etag"), token->form);
		break;
	case TRANS_ID:
		add_text(out, request->trans_id, token->form);
		break;
	case REQUEST_TIME:
		buf_u64(out, (end_us - start_us) / 1000000);
		buf_char(out, '.');
		add_digits(out, (unsigned)((end_us - start_us) % 1000000 / 100), 4);
		break;
	case POLICY:
		if (request->policy_known)
			buf_u64(out, request->policy);
		else
			buf_char(out, '-');
		break;
	case USER:
		add_text(out, request->identity.user, token->form);
		break;
	case ACCOUNT:
		add_text(out, request->account, token->form);
		break;
	case CONTAINER:
		add_text(out, request->container, token->form);
		break;
	case OBJECT:
		add_text(out, request->object, token->form);
		break;
	case PID:
		buf_u64(out, (uint64_t)access->pid);
		break;
	case NOTHING:
		buf_char(out, '-');
		break;
	}
}

/* --- metrics --- */

static const char *metric_method(const char *method)
{
	static const char *const known[] = {
	        "GET", "HEAD", "POST", "PUT", "DELETE", "COPY", "OPTIONS", "UPDATE"};

	for (unsigned i = 0; i < COUNT_OF(known); i++) {
		if (strcmp(method, known[i]) == 0)
			return known[i];
	}
	return "BAD_METHOD";
}

static void add_metrics(
        struct buf *out, struct request *request, const struct access_log *access, uint64_t took_us)
{
	const char *type = request->object      ? "object"
	                   : request->container ? "container"
	                   : request->account   ? "account"
	                                        : "UNKNOWN";
	const char *method = metric_method(request->http->method), *prefix = access->prefix;
	uint64_t bytes = request->http->bytes_in + request->http->bytes_out;

	for (unsigned i = 0; i < (request->object && request->policy_known ? 2 : 1); i++) {
		size_t begin = out->len;
		buf_str(out, prefix);
		buf_str(out, *prefix ? ".proxy-server." : "proxy-server.");
		buf_str(out, type);
		if (i) {
			buf_str(out, ".policy.");
			buf_u64(out, request->policy);
		}
		buf_char(out, '.');
		buf_str(out, method);
		buf_char(out, '.');
		buf_u64(out, (uint64_t)status_of(request));
		size_t len = out->len - begin;
		buf_str(out, ".timing:");
		buf_u64(out, took_us / 1000);
		buf_char(out, '.');
		add_digits(out, (unsigned)(took_us % 1000), 3);
		buf_str(out, "|ms\n");
		if (buf_reserve(out, len + 1))
			buf_add(out, out->data + begin, len);
		buf_str(out, ".xfer:");
		buf_u64(out, bytes);
		buf_str(out, "|c\n");
	}
}

/* Who watches us is no client. */
static bool counts(const struct request *request)
{
	return strcmp(request->path, "/healthcheck") != 0 &&
	       strcmp(request->path, "/metrics") != 0 && strncmp(request->path, "/recon/", 7) != 0;
}

void access_note(struct request *request)
{
	struct proxy *proxy = request->proxy;
	struct cluster *cluster = request_cluster(request);
	struct access_log *access = cluster->access;

	if (!access || !counts(request))
		return;
	uint64_t took_us = reactor_now_us(proxy->reactor) - request->http->start_us;
	uint64_t end_us = cluster->env->wall_us(cluster->env), start_us = end_us - took_us;
	struct buf *line = &proxy->access_line, *metrics = &proxy->access_metrics;
	buf_reset(line);
	buf_reset(metrics);
	if (access->lines) {
		add_time(line, end_us, ISO8601);
		buf_char(line, '.');
		add_digits(line, (unsigned)(end_us % 1000000), 6);
		buf_str(line, "Z info access ");
		for (unsigned i = 0; i < access->token_count; i++)
			add_field(line, request, &access->tokens[i], access, start_us, end_us);
		buf_char(line, '\n');
	}
	if (access->statsd >= 0)
		add_metrics(metrics, request, access, took_us);
	hand_over(access, line, metrics);
}
