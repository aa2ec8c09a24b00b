/* The keeper: starts helpers and writes files for a core without privileges. */
#include "agent/core/keeper.h"
#include "agent/base/buf.h"
#include "agent/base/fdpass.h"
#include "agent/base/log.h"
#include "agent/base/sys.h"
#include "agent/core/other_agents.h"
#include "agent/core/output_file.h"
#include "agent/core/sampler_cpus.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum verb {
	VERB_SPAWN_OPENER = 1,
	VERB_SPAWN_SYMBOLIZER,
	VERB_SPAWN_EXPORTER,
	VERB_SET_EXPORTER_ARGS, /* a memfd with the arguments, each ended by NUL */
	VERB_WRITE,
	VERB_OPEN_EVENT,
};

struct request {
	uint32_t verb;
	uint32_t output; /* of VERB_WRITE; the CPU of VERB_OPEN_EVENT */
	uint64_t period_ns;
};

struct reply {
	int32_t result; /* pid, 0 or -errno */
	char path[PATH_MAX];
};

struct keeper {
	int socket; /* to the keeper */
	int run_fd, status_fd;
	pid_t command_parent;
};

/* The keeper's own side. */
struct keeping {
	const struct keeper_config *config;
	int socket, signal_fd;
	pid_t core, exporter;
	struct buf exporter_args; /* as VERB_SET_EXPORTER_ARGS brought them */
};

static void unblock_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The helpers take their end of the socket as descriptor 3 and give up by themselves what they do not need. */
static int spawn(const char *const *argv, int fd)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return err_last();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	unblock_signals();
	/* A terminal or a service manager signals everybody; helpers end when the core does. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (fd != 3 && dup2(fd, 3) < 0)
		_exit(1);
	if (fcntl(3, F_SETFD, 0) < 0 || close_range(4, ~0u, 0) < 0)
		_exit(1);
	execv(argv[0], (char *const *)argv);
	_exit(127);
}

static int spawn_helper(const char *program, const char *verb, const char *const *args, int fd)
{
	const char *argv[3 + KEEPER_HELPER_ARGS_MAX + 1] = { program, verb, "3" };

	for (size_t i = 0; args && args[i]; i++) {
		if (i == KEEPER_HELPER_ARGS_MAX)
			return -E2BIG;
		argv[3 + i] = args[i];
	}
	return spawn(argv, fd);
}

static int spawn_exporter(struct keeping *k, int fd)
{
	const char *argv[2 * KEEPER_ARGS_MAX + 2] = { k->config->exporter };
	const struct buf *args = &k->exporter_args;
	size_t nr = 1;
	int r;

	if (!k->config->exporter)
		return -EINVAL;
	for (size_t at = 0; at < args->len; at += strlen(args->data + at) + 1) {
		if (nr > KEEPER_ARGS_MAX)
			return -E2BIG;
		argv[nr++] = args->data + at;
	}
	for (size_t i = 0; k->config->exporter_last_args[i]; i++)
		argv[nr++] = k->config->exporter_last_args[i];
	if (k->exporter > 0) /* it did not end when its socket closed */
		kill(k->exporter, SIGKILL);
	r = spawn(argv, fd);
	k->exporter = r;
	return r;
}

static int set_exporter_args(struct keeping *k, int fd)
{
	buf_reset(&k->exporter_args);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_last();
	return sys_read_all(fd, &k->exporter_args);
}

static int keep_write(const struct keeping *k, uint32_t index, int fd, char *ret_path)
{
	if (index >= k->config->nr_outputs || fd < 0)
		return -EINVAL;
	return output_file_write_or_elsewhere(k->config->outputs[index], fd, ret_path);
}

static int obey(struct keeping *k, const struct request *request, int fd, struct reply *reply)
{
	if (fd < 0)
		return -EINVAL;
	switch (request->verb) {
	case VERB_WRITE:
		return keep_write(k, request->output, fd, reply->path);
	case VERB_SPAWN_OPENER:
		return spawn_helper(k->config->opener, "--serve", k->config->opener_args, fd);
	case VERB_SPAWN_SYMBOLIZER:
		return spawn_helper(k->config->symbolizer, "--supervisor",
				    k->config->symbolizer_args, fd);
	case VERB_SPAWN_EXPORTER:
		return spawn_exporter(k, fd);
	case VERB_SET_EXPORTER_ARGS:
		return set_exporter_args(k, fd);
	}
	return -EINVAL;
}

/* One request; false when the core is gone. */
static bool serve(struct keeping *k)
{
	struct reply reply = { .result = -EINVAL };
	struct request request;
	_cleanup_(closep) int fd = -1, event = -1;
	ssize_t n = fdpass_receive(k->socket, &request, sizeof(request), 0, &fd);

	if (n <= 0 && n != -EMSGSIZE)
		return false;
	if (n == sizeof(request) && request.verb == VERB_OPEN_EVENT) {
		event = sampler_cpus_open(request.output, request.period_ns, NULL);
		reply.result = MIN(event, 0);
	} else if (n == sizeof(request)) {
		reply.result = obey(k, &request, fd, &reply);
	}
	return fdpass_send(k->socket, &reply, sizeof(reply), NULL, 0, event) == 0;
}

/* Reaps; true when the core itself has ended. */
static bool reap(struct keeping *k, int *ret_status)
{
	int status;
	pid_t pid;
	bool ended = false;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == k->core) {
			*ret_status = status;
			ended = true;
		}
		if (pid == k->exporter)
			k->exporter = 0;
	}
	return ended;
}

static bool on_signal(struct keeping *k, int *ret_status)
{
	struct signalfd_siginfo info;

	if (read(k->signal_fd, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo == SIGCHLD)
		return reap(k, ret_status);
	/* The terminal's own signals reach the core too; those sent to us alone are passed on. */
	if (info.ssi_code <= 0)
		kill(k->core, (int)info.ssi_signo);
	return false;
}

static __attribute__((noreturn)) void keep(struct keeping *k)
{
	struct pollfd fds[] = { { .fd = k->socket, .events = POLLIN },
				{ .fd = k->signal_fd, .events = POLLIN } };
	int status = 0;
	bool ended = false;

	prctl(PR_SET_NAME, KEEPER_NAME);
	while (!ended) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			_exit(1);
		if (fds[1].revents)
			ended = on_signal(k, &status);
		if (fds[0].revents && !serve(k))
			fds[0].fd = -1; /* the core is ending; its status comes by SIGCHLD */
	}
	if (WIFSIGNALED(status)) {
		log_error("the core was killed by signal %d", WTERMSIG(status));
		_exit(128 + WTERMSIG(status));
	}
	_exit(WEXITSTATUS(status));
}

/* How a command ended. */
struct command_end {
	int status; /* as wait(2) has it */
	int error; /* -errno: it could not be run at all */
};

/* The command in a process of its own; why that cannot become the command comes through error_fd, which ends with it. */
static pid_t start_child(char **command, int *ret_error_fd)
{
	int error[2], r;
	pid_t pid;

	if (pipe2(error, O_CLOEXEC) < 0)
		return err_last();
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGTERM); /* if we are killed, nobody else would end it */
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		execvp(command[0], command);
		r = err_last();
		_exit(write(error[1], &r, sizeof(r)) != sizeof(r));
	}
	r = pid < 0 ? err_last() : pid;
	close(error[1]);
	if (r < 0)
		close(error[0]);
	else
		*ret_error_fd = error[0];
	return r;
}

/* Waits for the word to start, runs the command as its own child, and reports how it ended. */
static __attribute__((noreturn)) void command_parent(char **command, int run_fd, int status_fd)
{
	struct command_end end = { .error = 0 };
	int error_fd = -1;
	pid_t pid, ended;
	char go;

	prctl(PR_SET_NAME, "fleetprof-run");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	unblock_signals();
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	if (read(run_fd, &go, 1) != 1)
		_exit(0);
	pid = start_child(command, &error_fd);
	while (pid > 0) {
		/* A byte more is the word to end the command; end of file says that nobody waits. */
		struct pollfd fd = { .fd = run_fd, .events = POLLIN };

		if (poll(&fd, 1, 50) > 0) {
			kill(pid, SIGTERM);
			run_fd = -1;
		}
		ended = waitpid(-1, &end.status, WNOHANG);
		if (ended == pid || (ended < 0 && errno != EINTR))
			break;
	}
	if (pid < 0)
		end.error = pid;
	else if (read(error_fd, &end.error, sizeof(end.error)) < 0)
		end.error = err_last();
	if (write(status_fd, &end, sizeof(end)) < 0)
		_exit(1);
	_exit(0);
}

static int start_command(struct keeper *k, const struct keeper_config *config)
{
	int run[2], status[2];

	if (!config->command)
		return 0;
	if (pipe2(run, O_CLOEXEC) < 0)
		return err_last();
	if (pipe2(status, O_CLOEXEC) < 0) {
		int r = err_last();

		close(run[0]);
		close(run[1]);
		return r;
	}
	k->command_parent = fork();
	if (k->command_parent < 0)
		return err_last();
	if (!k->command_parent) {
		close(run[1]);
		close(status[0]);
		command_parent(config->command, run[0], status[1]);
	}
	close(run[0]);
	close(status[1]);
	k->run_fd = run[1];
	k->status_fd = status[0];
	return 0;
}

static int block_signals(int *ret_fd)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return *ret_fd < 0 ? err_last() : 0;
}

static int split_process(struct keeper *k, const struct keeper_config *config)
{
	struct keeping keeping = { .config = config };
	int pair[2], r;
	pid_t parent = getpid();

	r = block_signals(&keeping.signal_fd);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_last();
	keeping.core = fork();
	if (keeping.core < 0)
		return err_last();
	if (keeping.core) {
		close(pair[1]);
		close_fd(k->run_fd);
		close_fd(k->status_fd);
		keeping.socket = pair[0];
		buf_init(&keeping.exporter_args, KEEPER_ARGS_BYTES);
		keep(&keeping);
	}
	close(pair[0]);
	close(keeping.signal_fd);
	/* A killed keeper ends the recording, which then writes its files itself as far as it may. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		return -ESRCH;
	k->socket = pair[1];
	unblock_signals();
	return 0;
}

int keeper_start(struct keeper **ret, const struct keeper_config *config, struct err *err)
{
	_cleanup_(keeper_freep) struct keeper *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	k->socket = k->run_fd = k->status_fd = -1;
	r = start_command(k, config);
	if (!r)
		r = split_process(k, config);
	if (r)
		return err_errno(err, r, "cannot start the keeper process");
	*ret = TAKE_PTR(k);
	return 0;
}

struct keeper *keeper_free(struct keeper *k)
{
	if (!k)
		return NULL;
	close_fd(k->socket);
	close_fd(k->run_fd);
	close_fd(k->status_fd);
	free(k);
	return NULL;
}

static int ask(struct keeper *k, const struct request *request, int fd, struct reply *ret,
	       int *ret_fd)
{
	_cleanup_(closep) int received = -1;
	ssize_t n;
	int r;

	r = fdpass_send(k->socket, request, sizeof(*request), NULL, 0, fd);
	if (r < 0)
		return r;
	n = fdpass_receive(k->socket, ret, sizeof(*ret), 0, &received);
	if (n != sizeof(*ret))
		return -ECONNRESET;
	if (ret_fd)
		*ret_fd = TAKE_FD(received);
	return 0;
}

static int ask_for_helper(struct keeper *k, enum verb verb, int fd, pid_t *ret_pid)
{
	struct request request = { .verb = verb };
	struct reply reply;
	int r = ask(k, &request, fd, &reply, NULL);

	close_fd(fd);
	if (r < 0)
		return r;
	if (reply.result < 0)
		return reply.result;
	*ret_pid = reply.result;
	return 0;
}

int keeper_open_event(unsigned int cpu, uint64_t period_ns, void *keeper)
{
	struct request request = { .verb = VERB_OPEN_EVENT, .output = cpu, .period_ns = period_ns };
	struct reply reply;
	int fd = -1, r = ask(keeper, &request, -1, &reply, &fd);

	if (!r)
		r = reply.result;
	return r < 0 ? r : fd;
}

int keeper_spawn_opener(int socket_fd, pid_t *ret_pid, void *keeper)
{
	return ask_for_helper(keeper, VERB_SPAWN_OPENER, socket_fd, ret_pid);
}

int keeper_spawn_symbolizer(int socket_fd, pid_t *ret_pid, void *keeper)
{
	return ask_for_helper(keeper, VERB_SPAWN_SYMBOLIZER, socket_fd, ret_pid);
}

int keeper_spawn_exporter(int socket_fd, pid_t *ret_pid, void *keeper)
{
	return ask_for_helper(keeper, VERB_SPAWN_EXPORTER, socket_fd, ret_pid);
}

int keeper_set_exporter_args(struct keeper *k, const char *const *args)
{
	struct request request = { .verb = VERB_SET_EXPORTER_ARGS };
	_cleanup_(buf_deinitp) struct buf bytes = BUF_NULL;
	_cleanup_(closep) int fd = -1;
	struct reply reply;
	size_t nr = 0;
	int r = sys_memfd("fleetprof-arguments", &fd);

	if (r < 0)
		return r;
	buf_init(&bytes, KEEPER_ARGS_BYTES);
	for (; args[nr]; nr++)
		buf_add(&bytes, args[nr], strlen(args[nr]) + 1);
	if (bytes.error || nr > KEEPER_ARGS_MAX)
		return -E2BIG;
	r = sys_write_all(fd, bytes.data, bytes.len);
	if (!r)
		r = ask(k, &request, fd, &reply, NULL);
	return r < 0 ? r : reply.result;
}

int keeper_write(struct keeper *k, size_t index, int data_fd, char *ret_path)
{
	struct request request = { .verb = VERB_WRITE, .output = (uint32_t)index };
	struct reply reply;
	int r = ask(k, &request, data_fd, &reply, NULL);

	if (r < 0)
		return r;
	reply.path[sizeof(reply.path) - 1] = '\0';
	memcpy(ret_path, reply.path, sizeof(reply.path));
	return reply.result;
}

pid_t keeper_command_parent(const struct keeper *k)
{
	return k->command_parent;
}

int keeper_run_command(struct keeper *k)
{
	return write(k->run_fd, "", 1) == 1 ? 0 : err_last();
}

int keeper_command_fd(const struct keeper *k)
{
	return k->status_fd;
}

int keeper_command_status(struct keeper *k, int *ret_status, int *ret_error)
{
	struct command_end end;

	if (read(k->status_fd, &end, sizeof(end)) != sizeof(end))
		return -EIO;
	*ret_status = end.status;
	*ret_error = end.error;
	return 0;
}

void keeper_stop_command(struct keeper *k)
{
	k->run_fd = close_fd(k->run_fd);
}
