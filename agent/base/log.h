/*
 * Log lines on stderr: human on a terminal, logfmt elsewhere.
 *
 * Names and paths from outside may stand in a line: control bytes are escaped before it leaves.
 */
#ifndef FLEETPROF_BASE_LOG_H
#define FLEETPROF_BASE_LOG_H

#include "agent/base/cleanup.h"

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

enum log_format {
	LOG_FORMAT_AUTO, /* human when stderr is a terminal */
	LOG_FORMAT_HUMAN,
	LOG_FORMAT_LOGFMT,
};

/* Program name (a string that outlives the process' use of the log), level and format. */
void log_init(const char *program, enum log_level level, enum log_format format);

/* One line, at most 2 KiB, cut with "…". */
void log_write(enum log_level level, const char *fmt, ...) _printf_(2, 3);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
