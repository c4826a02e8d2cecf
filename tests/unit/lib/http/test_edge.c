/* The edge on a real socket: its life and what it tells of it. */
#include "tests/lib/test.h"

#include "lib/http/edge.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static struct reactor *reactor;
static struct edge *edge;
static uint16_t port;
static struct http_req *kept; /* at the handler */
static unsigned gone;

static void begin(struct http_req *req)
{
	kept = req;
}

static void on_body(struct http_req *req, struct bytes *piece, bool last)
{
	(void)req;
	(void)last;
	bytes_unref(piece);
}

static void on_room(struct http_req *req)
{
	(void)req;
}

static void on_gone(struct http_req *req)
{
	(void)req;
	gone++;
}

static const struct http_handler handler = {begin, on_body, on_room, on_gone, NULL};

static void open_edge(void)
{
	struct edge_options options = {
	        .bind_ip = "127.0.0.1",
	        .connections_max = 64,
	        .idle_timeout_s = 60,
	        .drain_bytes_max = 1 << 20,
	        .handler = &handler,
	};

	kept = NULL;
	gone = 0;
	assert_int_equal(edge_open(reactor, &options, &port, &edge), ERR_OK);
}

static int setup(void **state)
{
	(void)state;
	return reactor_new(env_real(), 256, &reactor);
}

static int teardown(void **state)
{
	(void)state;
	reactor_free(reactor);
	return 0;
}

static int connected(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static int ask(void)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	int fd = connected();

	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	while (!kept)
		reactor_turn(reactor, false);
	return fd;
}

static void run(void)
{
	for (int quiet = 0; quiet < 3; quiet++) {
		while (reactor_turn(reactor, false))
			quiet = 0;
	}
}

static void a_closed_edge_is_gone_from_its_loop(void **state)
{
	(void)state;
	/* More often than a loop has room for. */
	for (unsigned i = 0; i < 20; i++) {
		open_edge();
		int fd = ask();
		http_reply_text(kept, 200, "hello");
		http_done(kept);
		run();
		edge_close(edge);
		run();
		close(fd);
	}
}

static void an_edge_can_close_under_a_request(void **state)
{
	(void)state;
	open_edge();
	int fd = ask();
	edge_close(edge);
	run();
	assert_int_equal(gone, 1);
	http_reply_text(kept, 200, "nobody reads it");
	http_done(kept);
	run();
	close(fd);
}

static void what_is_not_sent_yet_is_counted(void **state)
{
	char data[65536];
	size_t len = 64u << 20;

	(void)state;
	open_edge();
	int fd = ask();
	struct bytes *body = bytes_new(len);
	memset(body->data, 'x', len);
	http_reply(kept, 200, body, 0, len);
	http_done(kept);
	run();
	assert_int_equal(edge_held(edge), len);
	for (size_t left = len; left;) {
		ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
		if (n > 0)
			left -= (size_t)n < left ? (size_t)n : left;
		else
			reactor_turn(reactor, false);
	}
	run();
	assert_int_equal(edge_held(edge), 0);
	edge_close(edge);
	run();
	close(fd);
}

static void a_port_is_taken_while_an_edge_is_open(void **state)
{
	(void)state;
	open_edge();
	assert_int_equal(edge_try("127.0.0.1", port), ERR_BUSY);
	assert_int_equal(edge_try("0.0.0.0", port), ERR_BUSY);
	edge_close(edge);
	for (unsigned i = 0; i < 100 && reactor_turn(reactor, false); i++)
		;
	assert_int_equal(edge_try("127.0.0.1", port), ERR_OK);
	assert_int_equal(edge_try("192.0.2.1", port), ERR_NOT_FOUND);
	assert_int_equal(edge_try("localhost", port), ERR_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(
	                a_closed_edge_is_gone_from_its_loop, setup, teardown),
	        cmocka_unit_test_setup_teardown(an_edge_can_close_under_a_request, setup, teardown),
	        cmocka_unit_test_setup_teardown(what_is_not_sent_yet_is_counted, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                a_port_is_taken_while_an_edge_is_open, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
