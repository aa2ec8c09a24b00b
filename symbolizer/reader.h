/*
 * A cursor over bytes that may be hostile: no read leaves them.
 *
 * A read that would is answered with zeros, puts the cursor at the end and sets failed, which stays: a parser reads on
 * without a check at every step, and looks at failed where it would believe what it has read. Since a failed cursor
 * stands at its end, a loop over reader_left() ends as well. Integers are in the host's byte order and need no
 * alignment; a file of the other order is refused before it gets here.
 *
 * LEB128: DWARF 5, 7.6. Bits beyond the 64th are dropped, as every consumer does.
 */
#ifndef FLEETPROF_SYMBOLIZER_READER_H
#define FLEETPROF_SYMBOLIZER_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reader {
	const uint8_t *at, *end;
	bool failed;
};

static inline struct reader reader_of(const void *data, size_t size)
{
	const uint8_t *at =
		size ? data : (const uint8_t *)""; /* an empty section may have no data */

	return (struct reader) { .at = at, .end = at + size };
}

/* As reader_of(), from offset on; an offset beyond the end makes a failed reader. */
static inline struct reader reader_from(const void *data, size_t size, uint64_t offset)
{
	struct reader r = reader_of(data, size);

	r.failed = offset > size;
	r.at = r.failed ? r.end : r.at + offset;
	return r;
}

static inline size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->at);
}

static inline void reader_fail(struct reader *r)
{
	r->at = r->end;
	r->failed = true;
}

/* Moves on by size bytes and returns where they begin; NULL, and failed, when there are fewer. */
static inline const uint8_t *reader_bytes(struct reader *r, uint64_t size)
{
	const uint8_t *at = r->at;

	if (__builtin_expect(size > reader_left(r), 0)) {
		reader_fail(r);
		return NULL;
	}
	if (size) /* a zeroed reader has no bytes to point at */
		r->at += size;
	return at;
}

static inline void reader_skip(struct reader *r, uint64_t size)
{
	reader_bytes(r, size);
}

/* The next size bytes as a cursor of their own. */
static inline struct reader reader_part(struct reader *r, uint64_t size)
{
	const uint8_t *at = reader_bytes(r, size);

	return at ? reader_of(at, size) : (struct reader) { .failed = true };
}

static inline uint8_t reader_u8(struct reader *r)
{
	if (__builtin_expect(r->at == r->end, 0)) {
		r->failed = true;
		return 0;
	}
	return *r->at++;
}

static inline uint16_t reader_u16(struct reader *r)
{
	const uint8_t *at = reader_bytes(r, sizeof(uint16_t));
	uint16_t value = 0;

	if (at)
		memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint32_t reader_u32(struct reader *r)
{
	const uint8_t *at = reader_bytes(r, sizeof(uint32_t));
	uint32_t value = 0;

	if (at)
		memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint64_t reader_u64(struct reader *r)
{
	const uint8_t *at = reader_bytes(r, sizeof(uint64_t));
	uint64_t value = 0;

	if (at)
		memcpy(&value, at, sizeof(value));
	return value;
}

/* An unsigned integer of 1 to 8 bytes; any other size fails. */
static inline uint64_t reader_uint(struct reader *r, uint32_t size)
{
	const uint8_t *at;
	uint64_t value = 0;

	if (size < 1 || size > sizeof(value)) {
		reader_fail(r);
		return 0;
	}
	at = reader_bytes(r, size);
	for (uint32_t i = 0; at && i < size; i++)
		value |= (uint64_t)at[__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? i : size - 1 - i]
			 << (8 * i);
	return value;
}

static inline uint64_t reader_uleb(struct reader *r)
{
	uint64_t value = 0;
	uint32_t shift = 0;
	uint8_t byte;

	if (__builtin_expect(r->at != r->end && *r->at < 0x80, 1)) /* most are small */
		return *r->at++;
	do {
		byte = reader_u8(r);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift = shift < 64 ? shift + 7 : shift;
	} while (byte & 0x80);
	return value;
}

static inline int64_t reader_sleb(struct reader *r)
{
	uint64_t value = 0;
	uint32_t shift = 0;
	uint8_t byte;

	do {
		byte = reader_u8(r);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift = shift < 64 ? shift + 7 : shift;
	} while (byte & 0x80);
	if (shift < 64 && (byte & 0x40))
		value |= ~0ULL << shift;
	return (int64_t)value;
}

/* Over a LEB128 of either kind. */
static inline void reader_skip_leb(struct reader *r)
{
	while (reader_u8(r) & 0x80)
		;
}

/* A string that ends with NUL within the bytes; NULL, and failed, when it does not. */
static inline const char *reader_cstr(struct reader *r)
{
	const uint8_t *nul = reader_left(r) ? memchr(r->at, 0, reader_left(r)) : NULL;
	const char *s = (const char *)r->at;

	if (!nul) {
		reader_fail(r);
		return NULL;
	}
	r->at = nul + 1;
	return s;
}

#endif
