/* The doctor: security modules and what they refused; seccomp; namespaces. */
#include "agent/core/doctor_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#define DENIALS_MAX 1000000 /* lines of the kernel's log that are looked at */
#define LINE_MAX_BYTES 8192 /* a record of /dev/kmsg is no longer */

/* What the kernel's log says was denied to a program of ours, the latest in ret. */
static unsigned int count_denials(const struct doctor *d, char *ret, size_t size)
{
	_cleanup_(closep) int fd =
		openat(d->root_fd, "dev/kmsg", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	unsigned int nr = 0;
	char line[LINE_MAX_BYTES + 1];

	for (unsigned int i = 0; fd >= 0 && i < DENIALS_MAX; i++) {
		ssize_t n = read(fd, line, LINE_MAX_BYTES);
		const char *text;

		if (n < 0 && errno == EPIPE) /* overwritten meanwhile: goes on at the oldest */
			continue;
		if (n <= 0)
			break;
		line[n] = '\0';
		if (!strstr(line, "comm=\"fleetprof") ||
		    !(strstr(line, "apparmor=\"DENIED\"") || strstr(line, "avc:  denied")))
			continue;
		nr++;
		text = strchr(line, ';');
		snprintf(ret, size, "%.300s", text ? text + 1 : line);
		ret[strcspn(ret, "\n")] = '\0';
	}
	return nr;
}

static void look_at_modules(struct doctor *d)
{
	char list[256], text[DOCTOR_TEXT_MAX];
	unsigned int nr = count_denials(d, text, sizeof(text));

	if (doctor_read(d, "sys/kernel/security/lsm", list, sizeof(list)))
		doctor_add(d, DOCTOR_OK, "security modules", NULL, "%s", list);
	if (nr)
		doctor_add(
			d, DOCTOR_WARN, "denials",
			"allow it in that module's policy; the whole log: dmesg | grep -i denied",
			"%u times a security module refused something to fleetprof, the last: %s",
			nr, text);
}

static void look_at_confinement(struct doctor *d)
{
	char context[256], enforce[16];
	bool selinux = doctor_read(d, "sys/fs/selinux/enforce", enforce, sizeof(enforce)) &&
		       enforce[0] == '1';

	if (!doctor_read(d, "proc/self/attr/current", context, sizeof(context)) || !*context)
		return;
	if (selinux && !strstr(context, ":unconfined_t") && !strstr(context, ":spc_t"))
		doctor_add(d, DOCTOR_WARN, "selinux",
			   "if something is refused: ausearch -m avc -c fleetprof says what; in a "
			   "container, --security-opt label=type:spc_t",
			   "enforcing, and this process is confined as %s", context);
	else if (selinux)
		doctor_add(d, DOCTOR_OK, "selinux", NULL, "enforcing; not confined (%s)", context);
	else if (strstr(context, "(enforce)"))
		doctor_add(d, DOCTOR_WARN, "apparmor",
			   "run it without that profile: --security-opt apparmor=unconfined, or "
			   "appArmorProfile: {type: Unconfined} of the pod's securityContext",
			   "confined by the profile %s, which may refuse to look into other "
			   "processes",
			   context);
	else
		doctor_add(d, DOCTOR_OK, "apparmor", NULL, "%s", context);
}

static void look_at_yama(struct doctor *d)
{
	int64_t v;

	if (doctor_read_number(d, "proc/sys/kernel/yama/ptrace_scope", &v))
		doctor_add(d, DOCTOR_OK, "yama", NULL,
			   "ptrace_scope %" PRId64 ": no matter, nothing is attached to", v);
}

static void look_at_seccomp(struct doctor *d)
{
	char status[8192], *line;

	if (!doctor_read(d, "proc/self/status", status, sizeof(status)))
		return;
	line = strstr(status, "\nSeccomp:\t");
	d->seccomp_filter = line && line[strlen("\nSeccomp:\t")] == '2';
	doctor_add(d, DOCTOR_OK, "seccomp", NULL, "%s",
		   d->seccomp_filter
			   ? "a filter is active; whether it allows bpf and perf_event_open is "
			     "tried below"
			   : "no filter");
}

/* The host's own namespaces have fixed numbers: include/linux/proc_ns.h. */
struct host_namespace {
	const char *path, *name;
	unsigned long inode;
	enum doctor_state otherwise;
	const char *what, *advice;
};

static const struct host_namespace namespaces[] = {
	{ "proc/self/ns/user", "user namespace", 0xEFFFFFFDul, DOCTOR_FAIL,
	  "not the host's: capabilities in it do not count for BPF and perf events",
	  "run it as the host's root (no --userns, no rootless container)" },
	{ "proc/self/ns/pid", "pid namespace", 0xEFFFFFFCul, DOCTOR_FAIL,
	  "not the host's: processes have other ids there, and what is sampled could not be found",
	  "run the container with --pid=host (hostPID: true)" },
	{ "proc/self/ns/cgroup", "cgroup namespace", 0xEFFFFFFBul, DOCTOR_OK,
	  "not the host's: no matter, paths come from the kernel", NULL },
};

static void look_at_namespace(struct doctor *d, const struct host_namespace *ns)
{
	char link[64], host[64], *bracket;
	ssize_t n = readlinkat(d->root_fd, ns->path, link, sizeof(link) - 1);

	if (n <= 0)
		return;
	link[n] = '\0';
	bracket = strchr(link, '[');
	snprintf(host, sizeof(host), "[%lu]", ns->inode);
	if (bracket && !strcmp(bracket, host))
		doctor_add(d, DOCTOR_OK, ns->name, NULL, "the host's");
	else
		doctor_add(d, ns->otherwise, ns->name, ns->advice, "%s", ns->what);
}

void doctor_security(struct doctor *d)
{
	look_at_modules(d);
	look_at_confinement(d);
	look_at_yama(d);
	look_at_seccomp(d);
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		look_at_namespace(d, &namespaces[i]);
}
