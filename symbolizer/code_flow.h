/*
 * Follows what is known of the stack through a part of a file's code. Library-private.
 *
 * What is so derived is not proven, so it stays on the safe side: where two ways to an instruction disagree, or one of
 * them does something to the stack pointer that is not understood, nothing is known from there on.
 */
#ifndef FLEETPROF_SYMBOLIZER_CODE_FLOW_H
#define FLEETPROF_SYMBOLIZER_CODE_FLOW_H

#include "symbolizer/code_starts.h"
#include "symbolizer/code_state.h"

#define CODE_FLOW_BYTES_MAX (2u << 20) /* in one go: what lies behind is another part */

struct code_flow;

/* Fails with -ENOMEM. starts and bounds, counts by enum unwind_bound, outlive it. */
int code_flow_new(struct code_flow **ret, struct code_starts *starts, uint32_t *bounds);
struct code_flow *code_flow_free(struct code_flow *flow);
DEFINE_CLEANUP(struct code_flow *, code_flow_free)

/* `size` bytes of code, which are at the address from. False: a bound was reached, and what is known is worth nothing. */
bool code_flow_follow(struct code_flow *flow, const uint8_t *bytes, uint64_t from, uint32_t size);

/* What is known before the instruction at each byte. */
const struct code_state *code_flow_states(const struct code_flow *flow);

#endif
