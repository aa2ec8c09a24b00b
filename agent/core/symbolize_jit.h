/*
 * Names of frames in generated code. Their words are addresses of one process, where other words mean the same in all:
 * so they are named process by process, each from its own perf map.
 */
#ifndef FLEETPROF_CORE_SYMBOLIZE_JIT_H
#define FLEETPROF_CORE_SYMBOLIZE_JIT_H

#include "agent/core/jitmaps.h"
#include "agent/core/window.h"
#include "proto/profile.h"
#include "symbolizer/client.h"

struct symbolize_jit;

/* Sends a request for each process of the window that has a map. maps, window and profile must
 * outlive it. */
int symbolize_jit_new(struct symbolize_jit **ret, struct symclient *symbolizer,
		      const struct jitmaps *maps, const struct window *window,
		      struct profile *profile);
struct symbolize_jit *symbolize_jit_free(struct symbolize_jit *s);
DEFINE_CLEANUP(struct symbolize_jit *, symbolize_jit_free)

/* Requests still without an answer. */
size_t symbolize_jit_pending(const struct symbolize_jit *s);

/* The location of word in this process of the window (window_process()); false: it has no name. */
bool symbolize_jit_location(const struct symbolize_jit *s, uint32_t process, uint64_t word,
			    uint32_t *ret);

#endif
