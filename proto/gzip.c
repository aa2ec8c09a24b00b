/* Gzip of a whole buffer, by libdeflate. */
#include "proto/gzip.h"

#include <errno.h>
#include <libdeflate.h>

#define ROOM_FIRST 65536u

static inline void decompressor_freep(struct libdeflate_decompressor **d)
{
	libdeflate_free_decompressor(*d);
}

static inline void compressor_freep(struct libdeflate_compressor **c)
{
	libdeflate_free_compressor(*c);
}

int gzip_compress_level(enum gzip_level level, const void *data, size_t len, struct buf *out)
{
	_cleanup_(compressor_freep) struct libdeflate_compressor *c =
		libdeflate_alloc_compressor(level);
	_cleanup_(freep) void *packed = NULL;
	size_t bound, nr;

	if (!c)
		return -ENOMEM;
	bound = libdeflate_gzip_compress_bound(c, len);
	packed = malloc(bound);
	if (!packed)
		return -ENOMEM;
	nr = libdeflate_gzip_compress(c, data, len, packed, bound);
	if (!nr)
		return -ENOMEM; /* cannot be: the bound is the library's own */
	return buf_add(out, packed, nr);
}

/* One member, into room bytes behind what out holds. The room is doubled until it is enough. */
static int decompress_member(struct libdeflate_decompressor *d, const char *data, size_t len,
			     struct buf *out, size_t *ret_used)
{
	size_t room = MAX((size_t)ROOM_FIRST, MIN(4 * len, out->max));

	for (;;) {
		size_t before = out->len, used, nr;
		enum libdeflate_result result;
		char *to;

		room = MIN(room, out->max - out->len);
		to = buf_grow(out, room);
		if (!to)
			return out->error;
		result = libdeflate_gzip_decompress_ex(d, data, len, to, room, &used, &nr);
		out->len = before;
		if (result == LIBDEFLATE_INSUFFICIENT_SPACE && room < out->max - before) {
			room *= 2;
			continue;
		}
		if (result == LIBDEFLATE_INSUFFICIENT_SPACE)
			return -ENOSPC;
		if (result != LIBDEFLATE_SUCCESS)
			return -EINVAL;
		out->len = before + nr;
		out->data[out->len] = '\0';
		*ret_used = used;
		return 0;
	}
}

int gzip_decompress(const void *data, size_t len, struct buf *out)
{
	_cleanup_(decompressor_freep) struct libdeflate_decompressor *d =
		libdeflate_alloc_decompressor();
	const char *at = data;
	int r = d ? 0 : -ENOMEM;

	while (!r && len) {
		size_t used = 0;

		r = decompress_member(d, at, len, out, &used);
		at += used;
		len -= used;
	}
	return r;
}

int gzip_compress(const void *data, size_t len, struct buf *out)
{
	return gzip_compress_level(GZIP_USUAL, data, len, out);
}
