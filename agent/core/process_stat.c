/* What a process costs. */
#include "agent/core/process_stat.h"
#include "agent/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#define CHILDREN_MAX 64

int process_stat_parse(const char *text, uint64_t *ret_ticks)
{
	const char *rest = strrchr(text, ')'); /* behind a comm that may have any others */
	uint64_t t[4];

	/* state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime cutime cstime */
	if (!rest || sscanf(rest + 1,
			    " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
			    " %" SCNu64 " %" SCNu64,
			    &t[0], &t[1], &t[2], &t[3]) != 4)
		return -EBADMSG;
	*ret_ticks = t[0] + t[1] + t[2] + t[3];
	return 0;
}

static int read_proc(pid_t pid, const char *name, struct buf *out)
{
	char path[64];

	buf_reset(out);
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return sys_read_file(AT_FDCWD, path, out);
}

static bool add_process(pid_t pid, struct process_stat *sum)
{
	_cleanup_(buf_deinitp) struct buf text = BUF_NULL;
	uint64_t ticks, pages;

	buf_init(&text, 4096);
	if (read_proc(pid, "stat", &text) || process_stat_parse(buf_str(&text), &ticks))
		return false;
	sum->cpu_s += (double)ticks / (double)sysconf(_SC_CLK_TCK);
	if (!read_proc(pid, "statm", &text) && sscanf(buf_str(&text), "%*u %" SCNu64, &pages) == 1)
		sum->rss_bytes += pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return true;
}

bool process_stat_read(pid_t pid, struct process_stat *ret)
{
	_cleanup_(buf_deinitp) struct buf children = BUF_NULL;
	struct process_stat sum = { .nr_children = 0 };
	char name[32];

	if (pid <= 0 || !add_process(pid, &sum))
		return false;
	buf_init(&children, CHILDREN_MAX * 12);
	snprintf(name, sizeof(name), "task/%d/children", pid);
	if (read_proc(pid, name, &children)) /* CONFIG_PROC_CHILDREN may be off */
		buf_reset(&children);
	for (char *at = children.len ? children.data : NULL; at && *at;) {
		char *end;
		long child = strtol(at, &end, 10);

		if (end == at)
			break;
		sum.nr_children += add_process((pid_t)child, &sum);
		at = end;
	}
	*ret = sum;
	return true;
}

uint64_t process_stat_own_pss(void)
{
	_cleanup_(buf_deinitp) struct buf text = BUF_NULL;
	const char *line;
	uint64_t kb;

	buf_init(&text, 8192);
	if (sys_read_file(AT_FDCWD, "/proc/self/smaps_rollup", &text))
		return 0;
	line = strstr(buf_str(&text), "\nPss:");
	return line && sscanf(line, "\nPss: %" SCNu64, &kb) == 1 ? kb * 1024 : 0;
}
