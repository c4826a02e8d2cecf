#include "lib/log/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_int level_max = LOG_INFO;
static const char *const names[] = {"error", "warn", "info", "debug"};

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&level_max, (int)level, memory_order_relaxed);
}

bool log_wants(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&level_max, memory_order_relaxed);
}

bool log_level_parse(const char *text, enum log_level *ret_level)
{
	for (int i = LOG_ERROR; i <= LOG_DEBUG; i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret_level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

void log_line(enum log_level level, const char *event, const char *format, ...)
{
	char line[2048];
	struct timespec now;
	struct tm tm;

	if (!log_wants(level))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	size_t len = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
	len += (size_t)snprintf(line + len, sizeof(line) - len, ".%06ldZ %s %s ",
	        now.tv_nsec / 1000, names[level], event);
	va_list args;
	va_start(args, format);
	int more = vsnprintf(line + len, sizeof(line) - len - 1, format, args);
	va_end(args);
	if (more > 0)
		len += (size_t)more < sizeof(line) - len - 1 ? (size_t)more
		                                             : sizeof(line) - len - 2;
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return; /* nobody is left to tell */
}

const char *log_quote(const char *value)
{
	static _Thread_local char ring[8][1024];
	static _Thread_local unsigned turn;
	char *out = ring[turn++ % 8], *p = out;

	if (!value)
		return "-";
	*p++ = '"';
	for (size_t i = 0; value[i] && i < 400; i++) {
		unsigned char c = (unsigned char)value[i];
		if (c == '"' || c == '\\') {
			*p++ = '\\';
			*p++ = (char)c;
		} else if (c < 0x20 || c == 0x7f) {
			*p++ = '?';
		} else {
			*p++ = (char)c;
		}
	}
	*p++ = '"';
	*p = 0;
	return out;
}
