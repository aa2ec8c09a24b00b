/* Gzip (RFC 1952) of a whole buffer: no time, no name in it, so equal input gives equal output. */
#ifndef FLEETPROF_PROTO_GZIP_H
#define FLEETPROF_PROTO_GZIP_H

#include "agent/base/buf.h"

#include <stddef.h>

enum gzip_level {
	GZIP_FAST = 1, /* for what is read once, here */
	GZIP_USUAL = 6, /* the library's default: 20 ms for a profile of 6.6 MB */
};

/* Appends to out. Returns 0, -ENOMEM, or -ENOSPC at out's maximum. */
int gzip_compress_level(enum gzip_level level, const void *data, size_t len, struct buf *out);
int gzip_compress(const void *data, size_t len, struct buf *out);

/*
 * Appends what data (one gzip member or several) holds to out, whose maximum bounds it. data is foreign: returns 0, -EINVAL
 * if it is damaged, -ENOSPC at out's maximum, or -ENOMEM.
 */
int gzip_decompress(const void *data, size_t len, struct buf *out);

#endif
