/* log: one line of logfmt to stderr: ts level event key=value...
 * Lines are written whole with one write(2), so threads may log freely. lib/ logs only at debug;
 * the function that decides what happens next logs, once. Never a token, key or password. */
#ifndef LIB_LOG_LOG_H
#define LIB_LOG_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);
bool log_wants(enum log_level level);

/* "error", "warn", "info", "debug"; false for any other word. */
bool log_level_parse(const char *text, enum log_level *ret_level);

/* `format` gives the key=value part; values with spaces are the caller's to quote with %s of
 * log_quote. */
void log_line(enum log_level level, const char *event, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* A value in double quotes with control bytes, quotes and backslashes escaped, cut at 400 bytes;
 * lives in a per-thread ring of 8 buffers. NULL reads "-". */
const char *log_quote(const char *value);

#define log_error(event, ...) log_line(LOG_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...)  log_line(LOG_WARN, event, __VA_ARGS__)
#define log_info(event, ...)  log_line(LOG_INFO, event, __VA_ARGS__)
#define log_debug(event, ...)                                                                      \
	do {                                                                                       \
		if (log_wants(LOG_DEBUG))                                                          \
			log_line(LOG_DEBUG, event, __VA_ARGS__);                                   \
	} while (0)

#endif
