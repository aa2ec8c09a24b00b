/*
 * Guesses by its shape where a function of x86-64 begins and ends, for what nothing else tells. Library-private.
 */
#ifndef FLEETPROF_SYMBOLIZER_CODE_GUESS_H
#define FLEETPROF_SYMBOLIZER_CODE_GUESS_H

#include <stdbool.h>
#include <stdint.h>

/* A part of a file's code, and its address. */
struct code_bytes {
	const uint8_t *bytes;
	uint64_t from;
	uint32_t size;
};

/*
 * Addresses that are taken are mostly those of labels, by tables of jumps. A function that saves registers or makes itself
 * a frame is known by that.
 */
bool code_looks_begun(const struct code_bytes *c, uint64_t at);

/*
 * In a stripped file: is what lies behind a call probably another function, which is not known since nobody calls it? That
 * is what a call that does not return is followed by: padding, or what only functions begin with. *steps grows by the
 * instructions that were looked at.
 */
bool code_ends_function(const struct code_bytes *c, uint64_t where, uint64_t *steps);

#endif
