/* Gzip (RFC 1952) in steps, one member: for a loop that must not wait for a whole buffer, as gzip.h does. */
#ifndef FLEETPROF_PROTO_GZIP_STREAM_H
#define FLEETPROF_PROTO_GZIP_STREAM_H

#include "agent/base/buf.h"

#include <stddef.h>

struct gzip_stream;

int gzip_stream_new(struct gzip_stream **ret);
struct gzip_stream *gzip_stream_free(struct gzip_stream *s);
DEFINE_CLEANUP(struct gzip_stream *, gzip_stream_free)

/*
 * Packs len more bytes, some 20 ms for a megabyte; what of the file is made so far is appended to out. 0, -ENOMEM, or
 * -ENOSPC at out's maximum, after which only gzip_stream_free() may follow.
 */
int gzip_stream_add(struct gzip_stream *s, const void *data, size_t len, struct buf *out);

/* Appends the file's end. Errors as above. */
int gzip_stream_finish(struct gzip_stream *s, struct buf *out);

#endif
