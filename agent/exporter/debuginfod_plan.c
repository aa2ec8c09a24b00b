/* Which debuginfod server to ask. */
#include "agent/exporter/debuginfod_plan.h"
#include "agent/base/hashmap.h"

#include <errno.h>

static struct debuginfod_miss *find(const struct debuginfod_plan *p, const struct debuginfod_id *id)
{
	for (size_t i = 0; i < DEBUGINFODPLAN_MISSES_MAX; i++) {
		if (debuginfod_id_equal(&p->misses[i].id, id))
			return (struct debuginfod_miss *)&p->misses[i];
	}
	return NULL;
}

int debuginfodplan_next(const struct debuginfod_plan *p, const struct debuginfod_id *id,
			uint64_t now_ns)
{
	const struct debuginfod_miss *miss = find(p, id);
	int r = -ENOENT;

	for (size_t i = 0; i < p->nr_servers; i++) {
		if (miss && miss->until_ns[i] > now_ns)
			continue;
		if (p->servers[i].until_ns <= now_ns)
			return (int)i;
		r = -EAGAIN;
	}
	return r;
}

static bool is_in_force(const struct debuginfod_miss *miss, uint64_t now_ns)
{
	for (size_t i = 0; i < DEBUGINFOD_SERVERS_MAX; i++) {
		if (miss->until_ns[i] > now_ns)
			return true;
	}
	return false;
}

void debuginfodplan_missing(struct debuginfod_plan *p, size_t server,
			    const struct debuginfod_id *id, uint64_t now_ns)
{
	struct debuginfod_miss *miss = find(p, id);

	if (!miss) {
		miss = &p->misses[p->next++ % DEBUGINFODPLAN_MISSES_MAX];
		p->forgotten += is_in_force(miss, now_ns);
		*miss = (struct debuginfod_miss) { .id = *id };
	}
	miss->until_ns[server] = now_ns + DEBUGINFODPLAN_MISS_NS;
}

void debuginfodplan_failed(struct debuginfod_plan *p, size_t server, uint64_t wait_ns,
			   uint64_t now_ns)
{
	unsigned int doublings = MIN(p->servers[server].failures, 16u);
	uint64_t pause =
		MIN(DEBUGINFODPLAN_PAUSE_NS << doublings, DEBUGINFODPLAN_PAUSE_MAX_NS / 3 * 2);
	const uint64_t dice[] = { p->seed, server, now_ns };

	pause += hash_bytes(dice, sizeof(dice), 0) % (pause / 2);
	p->servers[server].failures++;
	p->servers[server].until_ns =
		now_ns + MIN(MAX(pause, wait_ns), DEBUGINFODPLAN_PAUSE_MAX_NS);
}

void debuginfodplan_answered(struct debuginfod_plan *p, size_t server)
{
	p->servers[server].failures = 0;
	p->servers[server].until_ns = 0;
}
