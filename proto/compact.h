/*
 * One owner's profile as compact bytes: what a window hands over, the store keeps, and readers merge.
 *
 * Self-contained, so that a row can be merged, uploaded or thrown away alone. Samples are sorted by stack,
 * root first, and a stack is written as the length of the prefix that it shares with the one before plus
 * its new frames; every table is numbered in the order of first use, so that a reference to a new entry is
 * the byte 0; the whole is deflated. Merging is decoding several into one profile, whose builders make equal
 * entries one.
 *
 * Layout: magic "fpc1", length of the payload, then the payload deflated (RFC 1951). The payload: strings,
 * mappings, functions, locations, processes, samples, each a count and its entries in LEB128.
 *
 * Decoding takes foreign bytes (fuzzed: tests/fuzz/fuzz_compact.c) and allocates no more than a small
 * multiple of what the payload can hold.
 */
#ifndef FLEETPROF_PROTO_COMPACT_H
#define FLEETPROF_PROTO_COMPACT_H

#include "agent/base/buf.h"
#include "proto/profile.h"

#define COMPACT_MAX_PAYLOAD                                                                        \
	(64u << 20) /* bytes inflated; a full window of one owner is below 10 MiB */
#define COMPACT_MAX_DEPTH 4096 /* frames of a stack */

struct compact_encoder;

/* p must not change while the encoder lives. */
int compact_encoder_new(struct compact_encoder **ret, const struct profile *p);
struct compact_encoder *compact_encoder_free(struct compact_encoder *e);
DEFINE_CLEANUP(struct compact_encoder *, compact_encoder_free)

/* Adds the profile of owner (an index of p) to out. 0, -ENOSPC or -ENOMEM. */
int compact_encode(struct compact_encoder *e, uint32_t owner, struct buf *out);

enum {
	/*
	 * For roll-ups: processes are told apart by comm only, and a named location by its lines and not
	 * by its address, so that many windows become few rows.
	 */
	COMPACT_COARSE = 1u << 0,
	/* For who sees stacks only: all processes and threads are one, complete or not, so that equal stacks are one. */
	COMPACT_STACKS = 1u << 1,
};

/*
 * Adds the samples of the bytes to p under owner (an index of p).
 * 0, -EBADMSG (p then holds part of them), -ENOSPC or -ENOMEM.
 */
int compact_decode(const void *data, size_t len, struct profile *p, uint32_t owner,
		   unsigned int flags);

/*
 * The same in steps, for a loop that must not wait: new() checks and inflates, each step() adds at most so many
 * samples and returns 1 while there are more, 0 at the end, or an error as above. data may go after new(); p must
 * live as long as the decoder, and owner be an index of it.
 */
struct compact_decoder;
int compact_decoder_new(struct compact_decoder **ret, const void *data, size_t len,
			struct profile *p, uint32_t owner, unsigned int flags);
int compact_decoder_step(struct compact_decoder *d, size_t max_samples);
struct compact_decoder *compact_decoder_free(struct compact_decoder *d);
DEFINE_CLEANUP(struct compact_decoder *, compact_decoder_free)

#endif
