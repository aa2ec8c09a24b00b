/* The doctor: the helper programs, all of one version; the agents that run. */
#include "agent/base/capture.h"
#include "agent/base/sys.h"
#include "agent/core/doctor_internal.h"
#include "agent/core/other_agents.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define VERSION_MAX 256
#define EXIT_NOT_RUN 127

/* What PATH --version prints, in one line. */
static int ask_version(char *path, char *ret, size_t size)
{
	char *const argv[] = { path, (char *)"--version", NULL };
	_cleanup_(buf_deinitp) struct buf said;
	int status = 0, r;

	buf_init(&said, VERSION_MAX);
	r = capture_output(argv, &said, &status);
	snprintf(ret, size, "%s", buf_str(&said));
	ret[strcspn(ret, "\n")] = '\0';
	return r ? r : status == EXIT_NOT_RUN ? -ENOEXEC : 0;
}

static void look_at_program(struct doctor *d, const char *name)
{
	_cleanup_(freep) char *path = NULL;
	char said[VERSION_MAX + 1], want[VERSION_MAX];
	int r = sys_helper_path(name, &path);

	if (!r)
		r = ask_version(path, said, sizeof(said));
	snprintf(want, sizeof(want), "%s %s", name, FLEETPROF_VERSION);
	if (r == -ENOENT)
		doctor_add(d, DOCTOR_FAIL, "helper programs",
			   "install all of the programs together",
			   "%s is not beside fleetprof, nor in ../libexec/fleetprof", name);
	else if (r < 0)
		doctor_add(d, DOCTOR_FAIL, "helper programs",
			   "install all of the programs together, on a file system that is not "
			   "mounted noexec",
			   "%s cannot be run: %s", path, err_str(r));
	else if (strcmp(said, want))
		doctor_add(
			d, DOCTOR_FAIL, "helper programs",
			"install all of the programs together: they refuse each other's versions",
			"%s is \"%s\", this is %s", path, said, FLEETPROF_VERSION);
	else
		doctor_add(d, DOCTOR_OK, "helper programs", NULL, "%s", path);
}

static void look_at_agents(struct doctor *d)
{
	_cleanup_(closep) int proc_fd =
		openat(d->root_fd, "proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	pid_t pids[OTHER_AGENTS_MAX];
	size_t nr = proc_fd < 0 ? 0 : other_agents_find(proc_fd, 0, pids);

	if (nr > 1)
		doctor_add(d, DOCTOR_WARN, "agents",
			   "stop all but one: each has a state directory and a page of its own",
			   "%zu agents run on this host, of processes %d and %d%s: everything is "
			   "sampled and stored more than once",
			   nr, pids[0], pids[1], nr > 2 ? " and more" : "");
	else if (nr)
		doctor_add(d, DOCTOR_OK, "agents", NULL, "one runs, of process %d", pids[0]);
	else
		doctor_add(d, DOCTOR_OK, "agents", NULL, "none runs now");
}

void doctor_programs(struct doctor *d)
{
	look_at_agents(d);
	look_at_program(d, "fleetprof-opener");
	look_at_program(d, "fleetprof-symbolizer");
	look_at_program(d, "fleetprof-exporter");
}
