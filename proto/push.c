/* Pyroscope's push message. */
#include "proto/push.h"
#include "proto/varint.h"

#include <string.h>

static size_t varint_size(uint64_t v)
{
	size_t n = 1;

	while (v >>= 7)
		n++;
	return n;
}

static size_t field_size(size_t len)
{
	return 1 + varint_size(len) + len;
}

static void put_head(struct buf *b, unsigned int field, size_t len)
{
	buf_addc(b, (char)(field << 3 | 2)); /* wire type 2: length and bytes */
	varint_put(b, len);
}

static void put_field(struct buf *b, unsigned int field, const void *data, size_t len)
{
	put_head(b, field, len);
	buf_add(b, data, len);
}

void push_put_label(struct buf *labels, const char *name, const char *value)
{
	size_t name_len = strlen(name), value_len = strlen(value);

	put_head(labels, 1, field_size(name_len) + field_size(value_len));
	put_field(labels, 1, name, name_len);
	put_field(labels, 2, value, value_len);
}

void push_put_request(struct buf *out, const struct buf *labels, const struct buf *pprof)
{
	size_t sample = field_size(pprof->len);

	put_head(out, 1, labels->len + field_size(sample));
	buf_add(out, labels->data, labels->len);
	put_head(out, 2, sample);
	put_field(out, 1, pprof->data, pprof->len);
}
