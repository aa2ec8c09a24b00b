/* A growable byte buffer with a maximum. */
#include "agent/base/buf.h"

#include <errno.h>
#include <string.h>

#define BUF_FIRST 256

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf) { .max = max };
}

void buf_deinit(struct buf *b)
{
	free(b->data);
	*b = (struct buf) { .max = b->max };
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->error = 0;
	if (b->data)
		b->data[0] = '\0';
}

static int reserve(struct buf *b, size_t len)
{
	size_t size = b->size ? b->size : BUF_FIRST;
	char *data;

	if (b->error)
		return b->error;
	if (len > b->max || b->len > b->max - len)
		return b->error = -ENOSPC;
	if (b->len + len < b->size)
		return 0;
	while (size <= b->len + len)
		size += size / 2;
	size = MIN(size, b->max + 1);
	data = realloc(b->data, size);
	if (!data)
		return b->error = -ENOMEM;
	b->data = data;
	b->size = size;
	return 0;
}

void *buf_grow(struct buf *b, size_t len)
{
	char *p;

	if (reserve(b, len) < 0)
		return NULL;
	p = b->data + b->len;
	b->len += len;
	b->data[b->len] = '\0';
	return p;
}

int buf_add(struct buf *b, const void *data, size_t len)
{
	char *p = buf_grow(b, len);

	if (!p)
		return b->error;
	if (len)
		memcpy(p, data, len);
	return 0;
}

int buf_addc(struct buf *b, char c)
{
	return buf_add(b, &c, 1);
}

int buf_adds(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

int buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char *p;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return b->error = -EINVAL;
	p = buf_grow(b, (size_t)n);
	if (!p)
		return b->error;
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	return 0;
}

int buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = buf_vaddf(b, fmt, ap);
	va_end(ap);
	return r;
}

const char *buf_str(const struct buf *b)
{
	return b->data ? b->data : "";
}

char *buf_take(struct buf *b)
{
	char *data = b->data ? b->data : strdup("");

	*b = (struct buf) { .max = b->max };
	return data;
}
