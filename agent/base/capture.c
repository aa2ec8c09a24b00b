/* What a program prints. */
#include "agent/base/capture.h"
#include "agent/base/err.h"
#include "agent/base/sys.h"

#include <fcntl.h>
#include <sys/wait.h>

static void run(char *const *argv, int out)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDERR_FILENO) >= 0 &&
	    dup2(out, STDOUT_FILENO) >= 0)
		execv(argv[0], argv);
	_exit(127);
}

int capture_output(char *const *argv, struct buf *out, int *ret_status)
{
	int fds[2], status, r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_last();
	pid = fork();
	if (pid == 0)
		run(argv, fds[1]);
	close(fds[1]);
	r = pid < 0 ? err_last() : sys_read_all(fds[0], out);
	close(fds[0]); /* whoever goes on printing ends by SIGPIPE */
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return r ? r : err_last();
	if (!r)
		*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return r;
}
