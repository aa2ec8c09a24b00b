/*
 * Unsigned LEB128 numbers and length-prefixed bytes: the alphabet of our own formats.
 *
 * The reader takes foreign bytes: it never reads past its end, and its first error is sticky, so that a
 * parser may check once behind a group of reads. After an error every read gives 0 or "".
 */
#ifndef FLEETPROF_PROTO_VARINT_H
#define FLEETPROF_PROTO_VARINT_H

#include "agent/base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* Writers: the buffer's own sticky error tells of a failure. */
void varint_put(struct buf *b, uint64_t v);
void varint_put_signed(struct buf *b, int64_t v); /* zigzag: small magnitudes stay short */
/* Length, the bytes, and a NUL behind them, so that the reader can hand out a C string in place. */
void varint_put_string(struct buf *b, const char *s);
void varint_put_bytes(struct buf *b, const void *data, size_t len);

struct varint_reader {
	const uint8_t *p, *end;
	bool broken;
};

void varint_reader_init(struct varint_reader *r, const void *data, size_t len);
size_t varint_left(const struct varint_reader *r);
void varint_fail(struct varint_reader *r);

uint64_t varint_get(struct varint_reader *r);
int64_t varint_get_signed(struct varint_reader *r);
/* A number that must not be above max: what is larger breaks the reader and gives 0. */
uint64_t varint_get_max(struct varint_reader *r, uint64_t max);
/* Points into the reader's bytes: NUL-terminated, and without a NUL inside. At most max bytes long. */
const char *varint_get_string(struct varint_reader *r, size_t max);
/* len bytes in place, or NULL. */
const uint8_t *varint_get_raw(struct varint_reader *r, size_t len);
const uint8_t *varint_get_bytes(struct varint_reader *r, size_t max, size_t *ret_len);

#endif
