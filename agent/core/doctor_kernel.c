/* The doctor: the kernel and the settings that protect it. */
#include "agent/core/doctor_internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/utsname.h>

#define RATE_DEFAULT 19

static void look_at_version(struct doctor *d)
{
	struct utsname u;

	if (uname(&u) == 0)
		doctor_add(d, DOCTOR_OK, "kernel", NULL,
			   "%s %s %s (versions are not compared: features are tried below)",
			   u.sysname, u.release, u.machine);
}

static void look_at_btf(struct doctor *d)
{
	if (faccessat(d->root_fd, "sys/kernel/btf/vmlinux", R_OK, 0) == 0)
		doctor_add(d, DOCTOR_OK, "btf", NULL, "the kernel describes its types");
	else
		doctor_add(d, DOCTOR_FAIL, "btf",
			   "boot a kernel that was built with CONFIG_DEBUG_INFO_BTF=y (all current "
			   "distributions' are); in a container, mount /sys",
			   "no /sys/kernel/btf/vmlinux: the programs cannot be fitted to this "
			   "kernel");
}

/* "none [integrity] confidentiality" */
static void look_at_lockdown(struct doctor *d)
{
	char text[128], *begin, *end;

	if (!doctor_read(d, "sys/kernel/security/lockdown", text, sizeof(text))) {
		doctor_add(d, DOCTOR_OK, "lockdown", NULL,
			   "not known (no /sys/kernel/security/lockdown)");
		return;
	}
	begin = strchr(text, '[');
	end = begin ? strchr(begin, ']') : NULL;
	if (!end)
		return;
	*end = '\0';
	if (strcmp(begin + 1, "confidentiality"))
		doctor_add(d, DOCTOR_OK, "lockdown", NULL, "%s", begin + 1);
	else
		doctor_add(
			d, DOCTOR_FAIL, "lockdown",
			"boot with lockdown=integrity instead, if your policy allows it",
			"confidentiality: the kernel lets no program read its memory, and so none "
			"see whose sample it is");
}

static void look_at_paranoid(struct doctor *d)
{
	int64_t v;

	if (doctor_read_number(d, "proc/sys/kernel/perf_event_paranoid", &v))
		doctor_add(d, DOCTOR_OK, "perf_event_paranoid", NULL,
			   "%" PRId64 ": no matter, CAP_PERFMON is above it", v);
	else
		doctor_add(d, DOCTOR_FAIL, "perf_event_paranoid",
			   "boot a kernel with CONFIG_PERF_EVENTS=y; in a container, mount /proc",
			   "no perf events: /proc/sys/kernel/perf_event_paranoid is not there");
}

static void look_at_max_rate(struct doctor *d)
{
	int64_t rate = d->config ? (int64_t)d->config->rate : RATE_DEFAULT, v;

	if (!doctor_read_number(d, "proc/sys/kernel/perf_event_max_sample_rate", &v))
		return;
	if (v < rate)
		doctor_add(
			d, DOCTOR_FAIL, "max_sample_rate",
			"sysctl kernel.perf_event_max_sample_rate=100000 (the kernel lowers it when "
			"it finds interrupts slow; kernel.perf_cpu_time_max_percent=0 stops that)",
			"the kernel allows %" PRId64 " samples per second, %" PRId64
			" are configured",
			v, rate);
	else if (v < 1000)
		doctor_add(
			d, DOCTOR_WARN, "max_sample_rate",
			"sysctl kernel.perf_event_max_sample_rate=100000, if record is to go higher",
			"the kernel allows %" PRId64 " samples per second: it found interrupts "
			"slow",
			v);
	else
		doctor_add(d, DOCTOR_OK, "max_sample_rate", NULL,
			   "up to %" PRId64 " samples per second", v);
}

static void look_at_kptr(struct doctor *d)
{
	int64_t v;

	if (!doctor_read_number(d, "proc/sys/kernel/kptr_restrict", &v))
		return;
	if (v >= 2)
		doctor_add(d, DOCTOR_WARN, "kptr_restrict", "sysctl kernel.kptr_restrict=1",
			   "%" PRId64 ": nobody may see the kernel's addresses, so its functions "
			   "stay without names",
			   v);
	else
		doctor_add(d, DOCTOR_OK, "kptr_restrict", NULL,
			   "%" PRId64 ": the kernel's functions can be named", v);
}

static void look_at_bpf(struct doctor *d)
{
	int64_t v;

	if (doctor_read_number(d, "proc/sys/kernel/unprivileged_bpf_disabled", &v))
		doctor_add(d, DOCTOR_OK, "unprivileged_bpf", NULL,
			   "unprivileged_bpf_disabled is %" PRId64 ": no matter, CAP_BPF is used",
			   v);
	if (doctor_read_number(d, "proc/sys/kernel/bpf_stats_enabled", &v) && v)
		doctor_add(d, DOCTOR_WARN, "bpf_stats", "sysctl kernel.bpf_stats_enabled=0",
			   "on: every BPF program of this host is timed, which costs each run two "
			   "clock readings");
}

void doctor_kernel(struct doctor *d)
{
	look_at_version(d);
	look_at_btf(d);
	look_at_lockdown(d);
	look_at_paranoid(d);
	look_at_max_rate(d);
	look_at_kptr(d);
	look_at_bpf(d);
	doctor_add(d, DOCTOR_OK, "tracefs", NULL, "not needed, nor debugfs");
}
