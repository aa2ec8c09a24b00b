/* The doctor: capabilities, by the process that needs them. */
#include "agent/base/privilege.h"
#include "agent/core/doctor_internal.h"

#include <string.h>

struct need {
	cap_value_t capability;
	const char *name;
	cap_value_t instead; /* also does; -1: none */
};

struct process {
	const char *name;
	enum doctor_state otherwise;
	const char *without; /* what is missing then */
	struct need needs[3];
};

static const struct process processes[] = {
	{ "core",
	  DOCTOR_FAIL,
	  "the programs cannot be loaded and attached",
	  { { CAP_BPF, "CAP_BPF", CAP_SYS_ADMIN },
	    { CAP_PERFMON, "CAP_PERFMON", CAP_SYS_ADMIN } } },
	{ "core, kernel names",
	  DOCTOR_WARN,
	  "the kernel's functions stay without names",
	  { { CAP_SYSLOG, "CAP_SYSLOG", -1 } } },
	{ "opener",
	  DOCTOR_WARN,
	  "files of other users' processes and of containers cannot be opened, and their functions stay "
	  "without names",
	  { { CAP_SYS_PTRACE, "CAP_SYS_PTRACE", -1 },
	    { CAP_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE", CAP_SYS_ADMIN },
	    { CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", CAP_DAC_OVERRIDE } } },
	{ "start",
	  DOCTOR_WARN,
	  "symbolizer and exporter cannot become users of their own: less is between them and the host",
	  { { CAP_SETUID, "CAP_SETUID", -1 },
	    { CAP_SETGID, "CAP_SETGID", -1 },
	    { CAP_SETPCAP, "CAP_SETPCAP", -1 } } },
};

static void look_at_process(struct doctor *d, const struct process *p)
{
	static const char advice[] =
		"run it as root (sudo), or give it these: AmbientCapabilities= of a unit, --cap-add of a "
		"container, capabilities.add of a pod";
	char missing[128] = "", all[128] = "", *list;

	for (size_t i = 0; i < ARRAY_SIZE(p->needs) && p->needs[i].name; i++) {
		const struct need *n = &p->needs[i];
		bool has = privilege_has(n->capability) ||
			   (n->instead >= 0 && privilege_has(n->instead));

		list = has ? all : missing;
		snprintf(list + strlen(list), sizeof(all) - strlen(list), "%s%s", *list ? ", " : "",
			 n->name);
	}
	if (*missing)
		doctor_add(d, p->otherwise, "capabilities", advice, "%s: %s missing: %s", p->name,
			   missing, p->without);
	else
		doctor_add(d, DOCTOR_OK, "capabilities", NULL, "%s: %s", p->name, all);
}

void doctor_privileges(struct doctor *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(processes); i++)
		look_at_process(d, &processes[i]);
}
