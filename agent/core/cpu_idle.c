/* How long each CPU has been idle. */
#include "agent/core/cpu_idle.h"
#include "agent/base/clock.h"
#include "agent/base/sys.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STAT_MAX (4u << 20) /* of 8,192 CPUs with a line of interrupts behind them */

void cpu_idle_parse(const char *text, uint64_t *ret_ns, size_t nr)
{
	uint64_t unit = NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		uint64_t idle, wait;
		unsigned int cpu;

		line += *line == '\n';
		if (isdigit((unsigned char)line[strnlen(line, 3)]) && /* "cpu  " is all of them */
		    sscanf(line, "cpu%u %*u %*u %*u %" SCNu64 " %" SCNu64, &cpu, &idle, &wait) ==
			    3 &&
		    cpu < nr)
			ret_ns[cpu] = (idle + wait) * unit;
		else if (strncmp(line, "cpu", 3)) /* the CPUs come first */
			return;
	}
}

int cpu_idle_read(uint64_t *ret_ns, size_t nr)
{
	_cleanup_(buf_deinitp) struct buf text = BUF_NULL;
	int r;

	buf_init(&text, STAT_MAX);
	r = sys_read_file(AT_FDCWD, "/proc/stat", &text);
	if (!r)
		cpu_idle_parse(buf_str(&text), ret_ns, nr);
	return r;
}
