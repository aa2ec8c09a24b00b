/* Builds a struct symbolizer_result: frames one behind the other, each answer's together. */
#ifndef FLEETPROF_SYMBOLIZER_RESULT_H
#define FLEETPROF_SYMBOLIZER_RESULT_H

#include "agent/base/cleanup.h"
#include "symbolizer/symbolizer.h"

struct result;

#define RESULT_FRAMES_PER_ADDRESS_MAX 64

int result_new(struct result **ret, size_t nr_answers);
struct result *result_free(struct result *r);
DEFINE_CLEANUP(struct result *, result_free)

/*
 * Adds a frame behind those added before. Strings are copied; NULL counts as "".
 * Returns 0, -ENOSPC when the strings' bound is reached, or -ENOMEM.
 */
int result_add_frame(struct result *r, const struct symbolizer_frame *frame);

/* As above, of strings that stay as long as the result does, and are not copied. */
int result_add_stable_frame(struct result *r, const struct symbolizer_frame *frame);
int result_add_stable_frames(struct result *r, const struct symbolizer_frame *frames, size_t nr);

/* How many frames there are: the first_frame of an answer that begins now. */
uint32_t result_frames(const struct result *r);

/* Sets answer i; its frames are those added since first_frame. */
void result_set_answer(struct result *r, size_t i, const struct symbolizer_answer *answer);

/* Answer i as it was set, and its frames (NULL if it has none), until more are added. */
const struct symbolizer_answer *result_answer(const struct result *r, size_t i);
const struct symbolizer_frame *result_answer_frames(const struct result *r, size_t i);

/* The finished result; consumes r. */
void result_finish(struct result *r, struct symbolizer_result *ret);

#endif
