/* The client against a server that says what the test wants, byte by byte. */
#include "tests/lib/test.h"

#include "lib/base/kv.h"
#include "lib/http/fetch.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

/* One connection: reads until `until` was seen, then says `answer` and closes. */
struct server {
	int fd;
	uint16_t port;
	pthread_t thread;
	const char *until, *answer;
	bool silent; /* says nothing until the client goes */
	char got[65536];
	atomic_size_t got_len;
};

static struct server server;
static struct client *client;
static struct exchange x;
static struct buf headers, body;
static char url[64];
static const char *sent;
static size_t sent_at;
static bool done, holding;
static enum err outcome;
static unsigned heads, pauses;

static void *serve(void *arg)
{
	struct server *s = arg;
	int fd = accept(s->fd, NULL, NULL);

	while (!s->got_len || !strstr(s->got, s->until)) {
		ssize_t n = read(fd, s->got + s->got_len, sizeof(s->got) - 1 - s->got_len);
		if (n <= 0)
			break;
		s->got_len += (size_t)n;
	}
	if (s->silent) {
		char byte;
		while (read(fd, &byte, 1) > 0)
			;
	} else if (write(fd, s->answer, strlen(s->answer)) < 0) {
		perror("write");
	}
	close(fd);
	return NULL;
}

static void start_server(const char *until, const char *answer)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(at);

	memset(&server, 0, sizeof(server));
	server.until = until;
	server.answer = answer;
	server.silent = !answer;
	server.fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(server.fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(server.fd, 4), 0);
	assert_int_equal(getsockname(server.fd, (struct sockaddr *)&at, &len), 0);
	server.port = ntohs(at.sin_port);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/a/../b", server.port);
	assert_int_equal(pthread_create(&server.thread, NULL, serve, &server), 0);
}

static void on_head(struct exchange *exchange)
{
	(void)exchange;
	heads++;
}

static bool on_push(struct exchange *exchange, const void *data, size_t len)
{
	(void)exchange;
	if (holding) {
		pauses++;
		return false;
	}
	buf_add(&body, data, len);
	return true;
}

static size_t on_pull(struct exchange *exchange, void *into, size_t room)
{
	size_t left = strlen(sent) - sent_at, n = left < 3 ? left : 3;

	(void)exchange;
	(void)room;
	if (holding) {
		pauses++;
		return EXCHANGE_PAUSE;
	}
	memcpy(into, sent + sent_at, n);
	sent_at += n;
	return n;
}

static void on_done(struct exchange *exchange, enum err err)
{
	(void)exchange;
	done = true;
	outcome = err;
}

static enum err start(const char *method)
{
	x.method = method;
	x.url = url;
	x.headers = headers.data;
	x.headers_len = headers.len;
	return exchange_start(client, &x);
}

static void finish(void)
{
	while (!done)
		client_turn(client, 100);
}

static int setup(void **state)
{
	(void)state;
	headers = body = BUF_NONE;
	x = (struct exchange){.head = on_head, .push = on_push, .pull = on_pull, .done = on_done};
	sent = "";
	sent_at = 0;
	done = holding = false;
	heads = pauses = 0;
	return client_new(1000, true, &client);
}

static int teardown(void **state)
{
	(void)state;
	exchange_release(&x);
	buf_done(&headers);
	buf_done(&body);
	client_free(client);
	pthread_join(server.thread, NULL);
	close(server.fd);
	return 0;
}

static void test_a_question(void **state)
{
	(void)state;
	start_server("\r\n\r\n",
	        "HTTP/1.1 200 OK\r\nX-A:  b c \r\nEmpty:\r\nContent-Length: 5\r\n\r\nhello");
	kv_add(&headers, "X-Ours", "1");
	kv_add(&headers, "X-None", "");
	assert_int_equal(start("GET"), ERR_OK);
	finish();
	assert_int_equal(outcome, ERR_OK);
	assert_int_equal(x.status, 200);
	assert_int_equal(heads, 1);
	assert_string_equal(buf_text(&body), "hello");
	assert_string_equal(exchange_header(&x, "x-a"), "b c");
	assert_string_equal(exchange_header(&x, "Empty"), "");
	assert_non_null(strstr(server.got, "GET /a/../b HTTP/1.1\r\n")); /* as it is */
	assert_non_null(strstr(server.got, "\r\nX-Ours: 1\r\n"));
	assert_non_null(strstr(server.got, "\r\nX-None:\r\n"));
	assert_null(strstr(server.got, "Accept"));
}

static void test_an_upload_of_known_length(void **state)
{
	(void)state;
	start_server("body!", "HTTP/1.1 100 Continue\r\nNot: this\r\n\r\nHTTP/1.1 201 "
	                      "Created\r\nContent-Length: 0\r\n\r\n");
	sent = "the body!";
	x.body_len = (int64_t)strlen(sent);
	assert_int_equal(start("PUT"), ERR_OK);
	finish();
	assert_int_equal(outcome, ERR_OK);
	assert_int_equal(x.status, 201);
	assert_int_equal(heads, 1);
	assert_null(exchange_header(&x, "Not"));
	assert_non_null(strstr(server.got, "\r\nContent-Length: 9\r\n"));
	assert_non_null(strstr(server.got, "\r\n\r\nthe body!"));
}

static void test_an_upload_that_pauses(void **state)
{
	(void)state;
	start_server("\r\n0\r\n\r\n", "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
	sent = "abcdef";
	x.body_len = EXCHANGE_CHUNKED;
	x.once = true;
	holding = true;
	assert_int_equal(start("PUT"), ERR_OK);
	while (!pauses)
		client_turn(client, 100);
	client_turn(client, 0);
	holding = false;
	exchange_go_on(&x);
	finish();
	assert_int_equal(outcome, ERR_OK);
	assert_non_null(strstr(server.got, "Transfer-Encoding: chunked"));
	assert_non_null(strstr(server.got, "3\r\nabc\r\n3\r\ndef\r\n0\r\n"));
}

static void test_an_answer_that_pauses(void **state)
{
	(void)state;
	start_server("\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
	holding = true;
	assert_int_equal(start("GET"), ERR_OK);
	while (!pauses)
		client_turn(client, 100);
	client_turn(client, 0);
	assert_int_equal(body.len, 0);
	holding = false;
	exchange_go_on(&x);
	finish();
	assert_int_equal(outcome, ERR_OK);
	assert_string_equal(buf_text(&body), "hello");
}

static void test_an_answer_that_is_cut_off(void **state)
{
	(void)state;
	start_server("\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello");
	assert_int_equal(start("GET"), ERR_OK);
	finish();
	assert_int_equal(outcome, ERR_UNAVAILABLE);
}

static void test_what_is_no_http(void **state)
{
	(void)state;
	start_server("\r\n\r\n", "what do you want\r\n\r\n");
	assert_int_equal(start("GET"), ERR_OK);
	finish();
	assert_int_equal(outcome, ERR_UNAVAILABLE);
	assert_int_equal(heads, 0);
}

static void test_headers_without_end(void **state)
{
	static char answer[400000] = "HTTP/1.1 200 OK\r\n";
	size_t len = strlen(answer);

	(void)state;
	while (len < sizeof(answer) - 1000) {
		memset(answer + len, 'a', 900);
		memcpy(answer + len, "X:", 2);
		memcpy(answer + len + 898, "\r\n", 2);
		len += 900;
	}
	start_server("\r\n\r\n", answer);
	assert_int_equal(start("GET"), ERR_OK);
	finish();
	assert_true(outcome == ERR_TOO_LARGE || outcome == ERR_UNAVAILABLE);
	assert_int_equal(heads, 0);
	assert_true(x.answer.len <= CLIENT_HEAD_MAX);
}

static void test_a_refusal_before_the_body_is_sent(void **state)
{
	static char large[1 << 20];

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	start_server("\r\n\r\n", "HTTP/1.1 412 Precondition Failed\r\nContent-Length: "
	                         "0\r\nConnection: close\r\n\r\n");
	sent = large;
	x.body_len = EXCHANGE_CHUNKED;
	x.once = true;
	assert_int_equal(start("PUT"), ERR_OK);
	finish();
	/* Told, unless the reset that our bytes met came first. */
	assert_true(outcome == ERR_OK ? x.status == 412 : outcome == ERR_UNAVAILABLE);
}

static void test_time_is_up(void **state)
{
	(void)state;
	start_server("\r\n\r\n", NULL);
	x.timeout_ms = 50;
	assert_int_equal(start("GET"), ERR_OK);
	finish();
	assert_int_equal(outcome, ERR_DEADLINE);
}

static void test_after_an_abort_nothing_is_said(void **state)
{
	(void)state;
	start_server("\r\n\r\n", NULL);
	assert_int_equal(start("GET"), ERR_OK);
	while (!server.got_len)
		client_turn(client, 10);
	exchange_abort(&x);
	assert_false(client_turn(client, 0));
	assert_false(done);
}

static void test_no_line_breaks_in_headers(void **state)
{
	(void)state;
	start_server("\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	kv_add(&headers, "X-A", "1\r\nX-B: 2");
	assert_int_equal(start("GET"), ERR_BAD_REQUEST);
	assert_false(done);
	headers.len = 0;
	assert_int_equal(start("GET"), ERR_OK);
	finish();
	assert_int_equal(outcome, ERR_OK);
}

/* --- waited for: fetch.h --- */

static enum err fetched(struct fetch *fetch, const char *answer, const char *until)
{
	start_server(until, answer);
	fetch->url = url;
	return fetch_run(client, fetch);
}

static void test_fetch_waits_for_the_whole_answer(void **state)
{
	(void)state;
	AUTO(fetch) struct fetch fetch = {.method = "POST", .text = "{\"a\": 1}"};

	kv_add(&fetch.headers, "Content-Type", "application/json");
	assert_int_equal(
	        fetched(&fetch,
	                "HTTP/1.1 201 Made\r\nX-Word: well\r\nContent-Length: 4\r\n\r\nbody",
	                "{\"a\": 1}"),
	        ERR_OK);
	assert_int_equal(fetch.status, 201);
	assert_string_equal(fetch_header(&fetch, "x-word"), "well");
	assert_null(fetch_header(&fetch, "x-other"));
	assert_string_equal(buf_text(&fetch.body), "body");
	assert_non_null(strstr(server.got, "Content-Type: application/json\r\n"));
	assert_non_null(strstr(server.got, "Content-Length: 8\r\n"));
}

static void test_fetch_takes_no_more_than_it_may(void **state)
{
	(void)state;
	AUTO(fetch) struct fetch fetch = {.method = "GET", .body_max = 3};

	assert_int_equal(
	        fetched(&fetch, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", "\r\n\r\n"),
	        ERR_TOO_LARGE);
	assert_true(fetch.body.len <= 3);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	        T(test_a_question),
	        T(test_an_upload_of_known_length),
	        T(test_an_upload_that_pauses),
	        T(test_an_answer_that_pauses),
	        T(test_an_answer_that_is_cut_off),
	        T(test_what_is_no_http),
	        T(test_headers_without_end),
	        T(test_a_refusal_before_the_body_is_sent),
	        T(test_time_is_up),
	        T(test_after_an_abort_nothing_is_said),
	        T(test_no_line_breaks_in_headers),
	        T(test_fetch_waits_for_the_whole_answer),
	        T(test_fetch_takes_no_more_than_it_may),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
