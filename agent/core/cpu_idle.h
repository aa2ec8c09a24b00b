/* How long each CPU has been idle, as the kernel accounts it: /proc/stat (proc(5)). */
#ifndef FLEETPROF_CORE_CPU_IDLE_H
#define FLEETPROF_CORE_CPU_IDLE_H

#include <stddef.h>
#include <stdint.h>

/* text: of /proc/stat; ret_ns: [nr], idle and waiting for I/O since the boot; of a CPU that is not there it stays as it was. */
void cpu_idle_parse(const char *text, uint64_t *ret_ns, size_t nr);

/* 0 or -errno; in units of 1/HZ seconds of user space (10 ms). */
int cpu_idle_read(uint64_t *ret_ns, size_t nr);

#endif
