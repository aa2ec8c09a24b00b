/* What a process and its living children cost, from files of /proc that everybody may read. */
#ifndef FLEETPROF_CORE_PROCESS_STAT_H
#define FLEETPROF_CORE_PROCESS_STAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process_stat {
	double cpu_s; /* children that ended and were waited for included */
	uint64_t rss_bytes;
	unsigned int nr_children; /* living, included in the two */
};

/* false: it is not there. */
bool process_stat_read(pid_t pid, struct process_stat *ret);

/* Our own proportional share of memory; 0 if it cannot be read. Others' takes a capability. */
uint64_t process_stat_own_pss(void);

/* Pure: utime, stime, cutime, cstime of /proc/PID/stat, in clock ticks; -EBADMSG. The comm may hold anything. */
int process_stat_parse(const char *text, uint64_t *ret_ticks);

#endif
