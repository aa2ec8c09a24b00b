/* Other agents are found by what /proc says of their keepers; a real one is seen to end. */
#include "agent/core/doctor_internal.h"
#include "agent/core/other_agents.h"
#include "agent/base/cleanup.h"
#include "tests/test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[] = "/tmp/test_other_agents-XXXXXX";

static void put(const char *pid, const char *name, const char *bytes, size_t size)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, pid);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/%s", root, pid, name);
	f = fopen(path, "we");
	CHECK(f);
	CHECK_INT(fwrite(bytes, 1, size, f), size);
	fclose(f);
}

#define PROCESS(pid, comm, cmdline)                                                                \
	do {                                                                                       \
		put(pid, "comm", comm "\n", sizeof(comm "\n") - 1);                                \
		put(pid, "cmdline", cmdline, sizeof(cmdline));                                     \
	} while (0)

static void test_find(void)
{
	_cleanup_(closep) int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	pid_t pids[OTHER_AGENTS_MAX];

	CHECK(fd >= 0);
	CHECK_INT(other_agents_find(fd, 0, pids), 0);
	PROCESS("10", "fleetprof-keep",
		"/usr/bin/fleetprof\0agent\0--rate\0"
		"97");
	PROCESS("11", "fleetprof", "/usr/bin/fleetprof\0agent"); /* its core */
	PROCESS("12", "fleetprof-keep", "fleetprof\0record\0agent");
	PROCESS("13", "fleetprof-keep", "fleetprof");
	PROCESS("14", "fleetprof-keeps", "fleetprof\0agent");
	PROCESS("15", "fleetprof-keep", "fleetprof\0agents");
	PROCESS("self", "fleetprof-keep", "fleetprof\0agent");
	CHECK_INT(other_agents_find(fd, 0, pids), 1);
	CHECK_INT(pids[0], 10);
	CHECK_INT(other_agents_find(fd, 10, pids), 0);
	for (char pid[] = "20"; pid[1] <= '9'; pid[1]++)
		PROCESS(pid, "fleetprof-keep", "fleetprof\0agent");
	CHECK_INT(other_agents_find(fd, 10, pids), OTHER_AGENTS_MAX);
}

static void test_doctor(void)
{
	struct doctor d = { .root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC) };
	char proc[64];

	snprintf(proc, sizeof(proc), "%s/proc", root);
	CHECK_INT(symlink(".", proc), 0);
	doctor_programs(&d);
	CHECK_STR(d.findings[0].name, "agents");
	CHECK_INT(d.findings[0].state, DOCTOR_WARN);
	CHECK(strstr(d.findings[0].what, "8 agents run on this host"));
	close(d.root_fd);
}

static void test_living(void)
{
	struct other_agents none = { .nr = 0 }, two = { .nr = 2 };
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		pause();
		_exit(0);
	}
	two.fds[0] = (int)syscall(SYS_pidfd_open, pid, 0);
	two.fds[1] = (int)syscall(SYS_pidfd_open, getpid(), 0);
	CHECK(two.fds[0] >= 0 && two.fds[1] >= 0);
	CHECK_INT(other_agents_living(&none), 0);
	CHECK_INT(other_agents_living(&two), 2);
	kill(pid, SIGKILL);
	CHECK_INT(waitpid(pid, NULL, 0), pid);
	CHECK_INT(other_agents_living(&two), 1);
	other_agents_deinit(&two);
}

int main(void)
{
	char command[64];

	CHECK(mkdtemp(root));
	RUN(test_find);
	RUN(test_doctor);
	RUN(test_living);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	CHECK_INT(system(command), 0);
	return 0;
}
