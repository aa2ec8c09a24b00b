/* Log lines on stderr. */
#include "agent/base/log.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

#define LINE_MAX_BYTES 2048

static const char *log_program = "fleetprof";
static enum log_level log_max = LOG_LEVEL_INFO;
static enum log_format log_form = LOG_FORMAT_LOGFMT;

void log_init(const char *program, enum log_level level, enum log_format format)
{
	log_program = program;
	log_max = level;
	log_form = format;
	if (format == LOG_FORMAT_AUTO)
		log_form = isatty(STDERR_FILENO) ? LOG_FORMAT_HUMAN : LOG_FORMAT_LOGFMT;
}

static bool is_enabled(enum log_level level)
{
	return level <= log_max;
}

/* Copies text into out, escaping control bytes (and quotes for logfmt); returns the bytes used. */
static size_t escape(char *out, size_t size, const char *text, bool quote)
{
	size_t n = 0;

	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (n + 5 > size)
			break;
		if (*p < 0x20 || *p == 0x7f)
			n += (size_t)snprintf(out + n, size - n, "\\x%02x", *p);
		else if (quote && (*p == '"' || *p == '\\'))
			n += (size_t)snprintf(out + n, size - n, "\\%c", *p);
		else
			out[n++] = (char)*p;
	}
	out[n] = '\0';
	return n;
}

static size_t timestamp(char *out, size_t size)
{
	struct timespec ts;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
	return n + (size_t)snprintf(out + n, size - n, ".%03ldZ", ts.tv_nsec / 1000000);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	char text[LINE_MAX_BYTES], safe[LINE_MAX_BYTES], line[2 * LINE_MAX_BYTES], when[40];
	va_list ap;
	int n;

	if (!is_enabled(level))
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(text))
		memcpy(text + sizeof(text) - 4, "…", 4);
	escape(safe, sizeof(safe), text, log_form == LOG_FORMAT_LOGFMT);
	if (log_form == LOG_FORMAT_HUMAN) {
		n = snprintf(line, sizeof(line), "%s: %s%s\n", log_program,
			     level == LOG_LEVEL_ERROR  ? "error: "
			     : level == LOG_LEVEL_WARN ? "warning: "
						       : "",
			     safe);
	} else {
		timestamp(when, sizeof(when));
		n = snprintf(line, sizeof(line), "time=%s level=%s program=%s msg=\"%s\"\n", when,
			     names[level], log_program, safe);
	}
	/* One write per line, so that lines of several processes do not mix. */
	if (write(STDERR_FILENO, line, (size_t)MIN(n, (int)sizeof(line) - 1)) < 0)
		return;
}
