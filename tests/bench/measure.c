/*
 * Runs a command and says what it took: CPU microseconds, peak KiB, exit status. A program that measures others must be
 * small: what it has resident when it forks is the least that its child seems to have had.
 *
 * measure CPU-SECONDS-MAX COMMAND [ARGUMENT…]; standard input is the command's, its output is thrown away.
 */
#include "agent/base/cleanup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

static uint64_t us_of(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_usec;
}

static __attribute__((noreturn)) void run(char **argv)
{
	struct rlimit limit = { .rlim_cur = strtoul(argv[1], NULL, 10) };
	int null = open("/dev/null", O_WRONLY);

	limit.rlim_max = limit.rlim_cur + 1;
	setrlimit(RLIMIT_CPU, &limit);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	execvp(argv[2], &argv[2]);
	_exit(127);
}

int main(int argc, char **argv)
{
	struct rusage usage;
	int status;
	pid_t pid = argc > 2 ? fork() : -1;

	if (!pid)
		run(argv);
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
		return 1;
	printf("%" PRIu64 " %ld %d\n", us_of(&usage.ru_utime) + us_of(&usage.ru_stime),
	       usage.ru_maxrss, WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
	return 0;
}
