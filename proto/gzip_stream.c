/* Gzip in steps, by zlib: libdeflate packs nothing but whole buffers. */
#include "proto/gzip_stream.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <zlib.h>

#define ROOM 16384u /* bytes of output at a time */
#define WINDOW_GZIP (15 + 16) /* the largest window; 16: with gzip's header and end */

struct gzip_stream {
	z_stream z; /* zeroed, it is one that deflateEnd() takes */
};

int gzip_stream_new(struct gzip_stream **ret)
{
	_cleanup_(gzip_stream_freep) struct gzip_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	if (deflateInit2(&s->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_GZIP, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	*ret = TAKE_PTR(s);
	return 0;
}

struct gzip_stream *gzip_stream_free(struct gzip_stream *s)
{
	if (!s)
		return NULL;
	deflateEnd(&s->z);
	free(s);
	return NULL;
}

/* Until zlib has nothing more to say. */
static int run(struct gzip_stream *s, int flush, struct buf *out)
{
	unsigned char room[ROOM];

	do {
		s->z.next_out = room;
		s->z.avail_out = sizeof(room);
		deflate(&s->z, flush);
		if (buf_add(out, room, sizeof(room) - s->z.avail_out) < 0)
			return out->error;
	} while (!s->z.avail_out);
	return 0;
}

int gzip_stream_add(struct gzip_stream *s, const void *data, size_t len, struct buf *out)
{
	assert(len <= UINT_MAX);
	s->z.next_in = (unsigned char *)data;
	s->z.avail_in = (unsigned int)len;
	return run(s, Z_NO_FLUSH, out);
}

int gzip_stream_finish(struct gzip_stream *s, struct buf *out)
{
	return run(s, Z_FINISH, out);
}
