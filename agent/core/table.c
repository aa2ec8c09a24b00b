/* Lines and columns in a terminal. */
#include "agent/core/table.h"
#include "agent/base/text.h"

#include <inttypes.h>
#include <sys/ioctl.h>

#define TERMINAL_MIN 40 /* below, it is no terminal that a person reads */

void table_style(struct table *t, const char *sgr)
{
	if (t->colour)
		buf_addf(t->out, "\033[%sm", sgr);
}

void table_heading(struct table *t, const char *text)
{
	buf_addc(t->out, '\n');
	table_style(t, "1");
	text_for_terminal(t->out, text, t->width);
	table_style(t, "0");
	buf_addc(t->out, '\n');
}

size_t table_columns(struct table *t, const char *fmt, ...)
{
	size_t before = t->out->len;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(t->out, fmt, ap);
	va_end(ap);
	return t->out->len - before;
}

void table_finish(struct table *t, const char *name, size_t used)
{
	text_for_terminal(t->out, name, t->width - MIN(used, t->width));
	table_style(t, "0");
	buf_addc(t->out, '\n');
}

const char *table_grouped(uint64_t n, char out[32])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n), used = 0;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			out[used++] = ',';
		out[used++] = digits[i];
	}
	out[used] = '\0';
	return out;
}

double table_share(int64_t part, int64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

size_t table_terminal_width(size_t fallback)
{
	struct winsize size;

	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col >= TERMINAL_MIN)
		return size.ws_col;
	return fallback;
}
