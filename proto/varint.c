/* LEB128 numbers and length-prefixed bytes. */
#include "proto/varint.h"

#include <string.h>

#define VARINT_MAX_BYTES 10

void varint_put(struct buf *b, uint64_t v)
{
	uint8_t bytes[VARINT_MAX_BYTES];
	size_t n = 0;

	while (v >= 0x80) {
		bytes[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	bytes[n++] = (uint8_t)v;
	buf_add(b, bytes, n);
}

void varint_put_signed(struct buf *b, int64_t v)
{
	varint_put(b, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0));
}

void varint_put_string(struct buf *b, const char *s)
{
	size_t len = strlen(s);

	varint_put(b, len);
	buf_add(b, s, len + 1);
}

void varint_put_bytes(struct buf *b, const void *data, size_t len)
{
	varint_put(b, len);
	buf_add(b, data, len);
}

void varint_reader_init(struct varint_reader *r, const void *data, size_t len)
{
	static const uint8_t nothing[1]; /* no arithmetic on a null pointer */
	const uint8_t *p = len ? data : nothing;

	*r = (struct varint_reader) { .p = p, .end = p + len };
}

size_t varint_left(const struct varint_reader *r)
{
	return (size_t)(r->end - r->p);
}

void varint_fail(struct varint_reader *r)
{
	r->broken = true;
	r->p = r->end;
}

uint64_t varint_get(struct varint_reader *r)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; r->p < r->end && shift < 64; shift += 7) {
		uint8_t byte = *r->p++;

		if (shift == 63 && byte > 1)
			break; /* more than 64 bits */
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return v;
	}
	varint_fail(r);
	return 0;
}

int64_t varint_get_signed(struct varint_reader *r)
{
	uint64_t v = varint_get(r);

	return (int64_t)((v >> 1) ^ (v & 1 ? UINT64_MAX : 0));
}

uint64_t varint_get_max(struct varint_reader *r, uint64_t max)
{
	uint64_t v = varint_get(r);

	if (v <= max)
		return v;
	varint_fail(r);
	return 0;
}

const uint8_t *varint_get_raw(struct varint_reader *r, size_t len)
{
	const uint8_t *p = r->p;

	if (r->broken || len > varint_left(r)) {
		varint_fail(r);
		return NULL;
	}
	r->p += len;
	return p;
}

const uint8_t *varint_get_bytes(struct varint_reader *r, size_t max, size_t *ret_len)
{
	size_t len = varint_get_max(r, max);
	const uint8_t *p = varint_get_raw(r, len);

	*ret_len = p ? len : 0;
	return p;
}

const char *varint_get_string(struct varint_reader *r, size_t max)
{
	size_t len = varint_get_max(r, max);
	const uint8_t *p = varint_get_raw(r, len + 1);

	if (p && !p[len] && strlen((const char *)p) == len)
		return (const char *)p;
	varint_fail(r);
	return "";
}
