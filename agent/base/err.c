/* Error texts. */
#include "agent/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

int err_set(struct err *e, int r, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return r;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return r;
}

int err_errno(struct err *e, int r, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	if (!e)
		return r;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	n = strlen(e->text);
	snprintf(e->text + n, sizeof(e->text) - n, ": %s", err_str(r));
	return r;
}

int err_last(void)
{
	return errno > 0 ? -errno : -ENOTRECOVERABLE;
}

const char *err_str(int r)
{
	const char *s = strerrordesc_np(-r);

	return s ? s : "unknown error";
}
