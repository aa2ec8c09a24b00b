/* The supervisor of the sandboxed children. */
#include "symbolizer/supervisor.h"
#include "agent/base/clock.h"
#include "agent/base/fdpass.h"
#include "agent/base/log.h"
#include "agent/base/loop.h"
#include "proto/symwire.h"
#include "symbolizer/child.h"
#include "symbolizer/quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define CHILDREN_MAX 16
#define QUEUE_MAX 64
#define CHILD_CPU_S 60
#define DEATH_MS 100 /* until a killed child is gone, if nothing holds it */
#define STUCK_MAX                                                                                  \
	8 /* children that SIGKILL has not ended yet: a read from a server that is silent */

/* A request that waits for a child, or is in one. */
struct job {
	int fds[SYMWIRE_FDS_MAX]; /* in the order of the message; a child that has them needs ours no more */
	size_t nr_fds;
	size_t size;
	struct symwire_request request; /* and its addresses */
};

struct child_process {
	struct supervisor *supervisor;
	pid_t pid; /* 0: none */
	int socket;
	struct loop_source *source;
	uint64_t key;
	bool has_debug; /* it was given the file's debug file */
	struct job *job; /* under way, or NULL */
	uint64_t deadline_ns, used_ns;
	bool timed_out;
};

struct supervisor {
	struct supervisor_config config;
	struct sandbox sandbox;
	struct loop *loop;
	struct loop_source *timer;
	struct quarantine *quarantine;
	int core;
	struct child_process children[CHILDREN_MAX];
	struct job *queue[QUEUE_MAX];
	size_t nr_queued;
	pid_t stuck[STUCK_MAX + CHILDREN_MAX];
	size_t nr_stuck;
};

static void close_fds(struct job *job)
{
	for (size_t i = 0; i < job->nr_fds; i++)
		close_fd(job->fds[i]);
	job->nr_fds = 0;
}

static struct job *job_free(struct job *job)
{
	if (!job)
		return NULL;
	close_fds(job);
	free(job);
	return NULL;
}

static int answer_status(struct supervisor *s, const struct job *job, enum symwire_status status)
{
	struct wire_header header =
		wire_header(job->request.header.type, job->request.header.id, 0);

	header.status = status;
	return fdpass_send(s->core, &header, sizeof(header), NULL, 0, -1);
}

static enum symwire_status status_of_death(const struct child_process *c, int status)
{
	if (c->timed_out || (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU))
		return SYMWIRE_TIMEOUT;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS) /* the mapped file became shorter */
		return SYMWIRE_FILE_CHANGED;
	return SYMWIRE_CRASHED;
}

/*
 * Ends the child if it has not ended by itself, which keeps its own status. One that waits for a file's server cannot
 * be ended before that answers: it is left behind and counted, for nobody may wait for it.
 */
static int kill_and_reap(struct supervisor *s, pid_t pid)
{
	_cleanup_(closep) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd fd = { .fd = pidfd, .events = POLLIN };
	int status = SIGKILL;

	kill(pid, SIGKILL);
	if (pidfd >= 0)
		poll(&fd, 1, DEATH_MS);
	if (waitpid(pid, &status, WNOHANG) != pid)
		s->stuck[s->nr_stuck++] = pid;
	return status;
}

static void reap_stuck(struct supervisor *s)
{
	size_t left = 0;

	for (size_t i = 0; i < s->nr_stuck; i++) {
		if (!waitpid(s->stuck[i], NULL, WNOHANG))
			s->stuck[left++] = s->stuck[i];
	}
	s->nr_stuck = left;
}

/* The child is gone, or has to go: its request is answered, and the file gets its black mark. */
static void end_child(struct child_process *c)
{
	struct supervisor *s = c->supervisor;
	int status;

	if (!c->pid)
		return;
	status = kill_and_reap(s, c->pid);
	if (c->job) {
		enum symwire_status death = status_of_death(c, status);

		if (death != SYMWIRE_FILE_CHANGED)
			quarantine_add(s->quarantine, c->job->request.key, c->job->request.owner,
				       clock_boot_ns());
		answer_status(s, c->job, death);
		c->job = job_free(c->job);
	}
	c->source = loop_source_free(c->source);
	c->socket = close_fd(c->socket);
	c->pid = 0;
}

static int dispatch(struct supervisor *s);

/* Passes the child's answer on as it is; the core checks it. */
static int on_child(struct loop_source *source, uint32_t events, void *userdata)
{
	struct child_process *c = userdata;
	struct supervisor *s = c->supervisor;
	_cleanup_(closep) int fd = -1;
	struct wire_header header;
	ssize_t n = fdpass_receive(c->socket, &header, sizeof(header), MSG_DONTWAIT, &fd);

	if (n == -EAGAIN)
		return 0;
	if (n <= 0 || !c->job || !wire_check(&header, (size_t)n, true) ||
	    header.id != c->job->request.header.id || header.status >= SYMWIRE_STATUS_END ||
	    (header.status == SYMWIRE_OK) != (fd >= 0)) {
		end_child(c); /* dead, or talking nonsense */
		return dispatch(s);
	}
	c->job = job_free(c->job);
	c->used_ns = clock_boot_ns();
	n = fdpass_send(s->core, &header, sizeof(header), NULL, 0, fd);
	return n < 0 && n != -EAGAIN ? (int)n : dispatch(s);
}

static __attribute__((noreturn)) void become_child(const struct supervisor *s, int socket,
						   const struct job *job, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	/* Nothing but the descriptors that it needs. */
	if (dup2(socket, 0) < 0 || dup2(job->fds[0], 1) < 0 ||
	    dup2(job->request.has_debug ? job->fds[1] : 1, 2) < 0)
		_exit(1);
	if (close_range(3, ~0u, 0) < 0)
		_exit(1);
	child_main(&s->sandbox, s->config.demangle, 0, 1, job->request.has_debug ? 2 : -1);
}

static int start_child(struct child_process *c, struct job *job)
{
	pid_t parent = getpid();
	int pair[2], r = c->supervisor->nr_stuck >= STUCK_MAX ? -EAGAIN : fdpass_pair(pair);

	if (r < 0)
		return r;
	c->pid = fork();
	if (!c->pid)
		become_child(c->supervisor, pair[1], job, parent);
	close(pair[1]);
	if (c->pid < 0) {
		c->pid = 0;
		close(pair[0]);
		return -EAGAIN;
	}
	c->socket = pair[0];
	c->key = job->request.key;
	c->has_debug = job->request.has_debug;
	c->timed_out = false;
	return loop_add_fd(c->supervisor->loop, &c->source, c->socket, EPOLLIN, on_child, c);
}

/* The child that has the file; else a free place, by ending the longest unused one. NULL: all are busy. */
static struct child_process *choose_child(struct supervisor *s, const struct job *job)
{
	struct child_process *best = NULL;

	for (size_t i = 0; i < s->config.max_children; i++) {
		struct child_process *c = &s->children[i];

		if (!c->pid || c->key != job->request.key)
			continue;
		if (c->job)
			return NULL;
		if (job->request.has_debug && !c->has_debug) /* found since the child was started */
			end_child(c);
		return c;
	}
	for (size_t i = 0; i < s->config.max_children; i++) {
		struct child_process *c = &s->children[i];

		if (!c->pid)
			return c;
		if (!c->job && (!best || c->used_ns < best->used_ns))
			best = c;
	}
	if (best)
		end_child(best);
	return best;
}

/* The file and its debug file are the child's from its fork; the others come with the requests that need them. */
static void give(struct child_process *c, struct job *job)
{
	size_t own = job->request.has_debug ? 2 : 1;

	c->job = job;
	c->deadline_ns = clock_boot_ns() + c->supervisor->config.deadline_ms * NSEC_PER_MSEC;
	/* A failure here is a dead child, which its socket's end of file will say. */
	if (fdpass_send_many(c->socket, &job->request, job->size, NULL, 0, job->fds + own,
			     job->nr_fds - own) < 0)
		log_debug("child %d does not take its request", c->pid);
	close_fds(job);
}

static int arm_timer(struct supervisor *s)
{
	uint64_t first = 0;

	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		if (s->children[i].job && (!first || s->children[i].deadline_ns < first))
			first = s->children[i].deadline_ns;
	}
	return loop_source_set_timer(s->timer, first, 0);
}

static int dispatch(struct supervisor *s)
{
	size_t i = 0;

	reap_stuck(s);
	while (i < s->nr_queued) {
		struct job *job = s->queue[i];
		struct child_process *c = choose_child(s, job);

		if (!c) {
			i++;
			continue;
		}
		s->nr_queued--;
		memmove(&s->queue[i], &s->queue[i + 1], (s->nr_queued - i) * sizeof(*s->queue));
		if (!c->pid && start_child(c, job) < 0) {
			answer_status(s, job, SYMWIRE_CRASHED);
			job_free(job);
			continue;
		}
		give(c, job);
	}
	return arm_timer(s);
}

static int on_deadline(struct loop_source *source, uint64_t missed, void *userdata)
{
	struct supervisor *s = userdata;
	uint64_t now = clock_boot_ns();

	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		struct child_process *c = &s->children[i];

		if (!c->job || c->deadline_ns > now)
			continue;
		c->timed_out = true;
		end_child(c);
	}
	return dispatch(s);
}

/* Consumes the descriptors. */
static int take_request(struct supervisor *s, const struct symwire_request *request, size_t n,
			const int *fds, size_t nr)
{
	struct job *job = calloc(1, sizeof(*job) + n);
	int r;

	if (!job) {
		for (size_t i = 0; i < nr; i++)
			close_fd(fds[i]);
		return -ENOMEM;
	}
	memcpy(job->fds, fds, nr * sizeof(*fds));
	job->nr_fds = nr;
	job->size = n;
	memcpy(&job->request, request, n);
	if (s->nr_queued == QUEUE_MAX ||
	    quarantine_has(s->quarantine, request->key, request->owner, clock_boot_ns())) {
		r = answer_status(s, job, SYMWIRE_QUARANTINED);
		job_free(job);
		return r;
	}
	s->queue[s->nr_queued++] = job;
	return dispatch(s);
}

static int on_core(struct loop_source *source, uint32_t events, void *userdata)
{
	static uint64_t message[sizeof(struct symwire_request) / 8 + SYMWIRE_ADDRESSES_MAX];
	const struct symwire_request *request = (const void *)message;
	struct supervisor *s = userdata;
	int fds[SYMWIRE_FDS_MAX];
	size_t nr;
	ssize_t n = fdpass_receive_many(s->core, message, sizeof(message), MSG_DONTWAIT, fds,
					SYMWIRE_FDS_MAX, &nr);

	if (n == -EAGAIN)
		return 0;
	if (n <= 0 || !symwire_check_request(request, (size_t)n) || symwire_nr_fds(request) != nr) {
		for (size_t i = 0; i < nr; i++)
			close_fd(fds[i]);
		loop_stop(s->loop,
			  n < 0 ? (int)n : 0); /* the core is gone, or is no core of ours */
		return 0;
	}
	return take_request(s, request, (size_t)n, fds, nr);
}

static void deinit(struct supervisor *s)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		s->children[i].timed_out = true;
		end_child(&s->children[i]);
	}
	for (size_t i = 0; i < s->nr_queued; i++)
		job_free(s->queue[i]);
	quarantine_free(s->quarantine);
	sandbox_deinit(&s->sandbox);
	loop_free(s->loop);
}

static int init(struct supervisor *s, int socket, const struct supervisor_config *config)
{
	struct loop_source *source;
	int r;

	s->core = socket;
	s->config = *config;
	s->config.max_children = MIN(config->max_children, (uint32_t)CHILDREN_MAX);
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		s->children[i] = (struct child_process) { .supervisor = s, .socket = -1 };
	r = sandbox_init(&s->sandbox);
	s->sandbox.memory = config->child_memory;
	s->sandbox.cpu_s = CHILD_CPU_S;
	s->sandbox.file_bytes = SYMWIRE_ANSWER_MAX;
	if (!r)
		r = quarantine_new(&s->quarantine);
	if (!r)
		r = loop_new(&s->loop);
	if (!r)
		r = loop_add_timer(s->loop, &s->timer, 0, 0, on_deadline, s);
	if (!r)
		r = loop_add_fd(s->loop, &source, socket, EPOLLIN, on_core, s);
	return r;
}

int supervisor_serve(int socket, const struct supervisor_config *config, struct err *err)
{
	_cleanup_(freep) struct supervisor *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	r = init(s, socket, config);
	if (r)
		err_errno(err, r, "cannot prepare the symbolizer's supervisor");
	else
		r = loop_run(s->loop);
	deinit(s);
	return r;
}
