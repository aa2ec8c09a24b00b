/* Gzip (RFC 1952) of a whole buffer: no time, no name in it, so equal input gives equal output. */
#ifndef FLEETPROF_PROTO_GZIP_H
#define FLEETPROF_PROTO_GZIP_H

#include "agent/base/buf.h"

#include <stddef.h>

/* Appends to out. Returns 0, -ENOMEM, or -ENOSPC at out's maximum. */
int gzip_compress(const void *data, size_t len, struct buf *out);

/*
 * Appends what data (one gzip member or several) holds to out, whose maximum bounds it. data is foreign: returns 0, -EINVAL
 * if it is damaged, -ENOSPC at out's maximum, or -ENOMEM.
 */
int gzip_decompress(const void *data, size_t len, struct buf *out);

#endif
