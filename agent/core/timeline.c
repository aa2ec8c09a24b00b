/* When windows open and close. */
#include "agent/core/timeline.h"
#include "agent/base/clock.h"

void timeline_set_length(struct timeline *t, uint64_t boot_ns, uint64_t wall_ns, uint64_t length_ns)
{
	uint64_t left = length_ns - wall_ns % length_ns;

	/* An old window that is about to end need not be cut short; a new one would be a sliver. */
	if (left < TIMELINE_SHORTEST_NS && boot_ns - t->start_boot_ns < TIMELINE_SHORTEST_NS)
		left += length_ns;
	t->close_boot_ns = boot_ns + left;
}

void timeline_open(struct timeline *t, uint64_t boot_ns, uint64_t wall_ns, uint64_t length_ns,
		   bool jumped)
{
	*t = (struct timeline) { .start_boot_ns = boot_ns,
				 .wall_minus_boot_ns = wall_ns - boot_ns,
				 .jumped = jumped };
	timeline_set_length(t, boot_ns, wall_ns, length_ns);
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) < 0 ? b - a : a - b;
}

enum timeline_step timeline_look(struct timeline *t, uint64_t boot_ns, uint64_t wall_ns)
{
	if (distance(wall_ns - boot_ns, t->wall_minus_boot_ns) > TIMELINE_JUMP_NS) {
		t->jumped = true;
		return TIMELINE_JUMPED;
	}
	return boot_ns >= t->close_boot_ns ? TIMELINE_CLOSES : TIMELINE_GOES_ON;
}

uint64_t timeline_start_wall(const struct timeline *t, enum timeline_step step, uint64_t boot_ns,
			     uint64_t wall_ns)
{
	if (step == TIMELINE_JUMPED)
		return t->start_boot_ns + t->wall_minus_boot_ns;
	return t->start_boot_ns + (wall_ns - boot_ns);
}

uint64_t timeline_next(uint64_t boot_ns, uint64_t wall_ns, uint64_t every_ns)
{
	return boot_ns + every_ns - wall_ns % every_ns;
}

bool timeline_is_doubtful(uint64_t wall_ns, uint64_t reference_ns, bool synchronized)
{
	return !synchronized && wall_ns + TIMELINE_DOUBT_NS < reference_ns;
}
