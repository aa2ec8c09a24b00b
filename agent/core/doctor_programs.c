/* The doctor: the helper programs, all of one version. */
#include "agent/base/sys.h"
#include "agent/core/doctor_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#define VERSION_MAX 256

static int run(const char *path, int out)
{
	int null;

	if (dup2(out, STDOUT_FILENO) < 0)
		_exit(127);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0)
		dup2(null, STDERR_FILENO);
	execl(path, path, "--version", (char *)NULL);
	_exit(127);
}

/* What PATH --version prints, in one line. */
static int ask_version(const char *path, char *ret, size_t size)
{
	_cleanup_(buf_deinitp) struct buf said;
	int pipe_fds[2], status, r;
	pid_t pid;

	buf_init(&said, VERSION_MAX);
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_last();
	pid = fork();
	if (pid == 0)
		run(path, pipe_fds[1]);
	close(pipe_fds[1]);
	r = pid < 0 ? err_last() : sys_read_all(pipe_fds[0], &said);
	close(pipe_fds[0]);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && !r && status)
		r = -ENOEXEC;
	snprintf(ret, size, "%s", buf_str(&said));
	ret[strcspn(ret, "\n")] = '\0';
	return r;
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

void doctor_programs(struct doctor *d)
{
	look_at_program(d, "fleetprof-opener");
	look_at_program(d, "fleetprof-symbolizer");
	look_at_program(d, "fleetprof-exporter");
}
