/* How far around an address an answer is right. Library-private. */
#ifndef FLEETPROF_SYMBOLIZER_STRETCH_H
#define FLEETPROF_SYMBOLIZER_STRETCH_H

#include <stdint.h>

/* Code from start to end, for all of which the answer is the same. It begins as STRETCH_ALL, and each search narrows it. */
struct stretch {
	uint64_t start, end;
};
#define STRETCH_ALL ((struct stretch) { .end = UINT64_MAX })

static inline void stretch_narrow(struct stretch *s, uint64_t start, uint64_t end)
{
	s->start = start > s->start ? start : s->start;
	s->end = end < s->end ? end : s->end;
}

#endif
