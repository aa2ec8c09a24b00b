/*
 * The opener's parent: gives each request to a worker process, with a deadline.
 *
 * An open on a stalled FUSE or NFS file blocks for as long as its server likes, O_NONBLOCK or not. So the opens happen
 * in a few workers; one that is over its deadline is killed, its request answered with -ETIMEDOUT, and replaced. A
 * worker that does not die of SIGKILL (uninterruptible) is left behind and counted against a bound. At most one
 * request per such file system is under way.
 */
#include "agent/opener/server.h"
#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/base/fdpass.h"
#include "agent/base/log.h"
#include "agent/base/loop.h"
#include "agent/opener/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define WORKERS 4
#define QUEUE_MAX 1024
#define STUCK_MAX 32 /* workers that SIGKILL has not ended yet */

struct job {
	struct openwire_request request;
	int below_fd; /* of those that openwire_has_folder(), else -1 */
};

struct worker {
	struct server *server;
	pid_t pid;
	int socket;
	struct loop_source *source;
	struct job *job; /* under way, or NULL */
	uint64_t deadline_ns;
};

struct server {
	struct loop *loop;
	int core, proc_fd;
	uint64_t deadline_ns;
	struct worker workers[WORKERS];
	struct job *queue[QUEUE_MAX];
	size_t nr_queued, nr_stuck;
	struct loop_source *timer;
};

static struct job *job_free(struct job *job)
{
	if (job)
		close_fd(job->below_fd);
	free(job);
	return NULL;
}

/* fds: of the file, and of its process's root or -1; none with an errno. The answer's header is filled in. */
static int send_fds(int socket, const struct openwire_request *request,
		    struct openwire_answer *answer, const int fds[OPENWIRE_FDS_MAX])
{
	answer->header = wire_header(request->header.type, request->header.id,
				     sizeof(*answer) - sizeof(answer->header));
	return fdpass_send_many(socket, answer, sizeof(*answer), NULL, 0, fds,
				answer->result < 0 ? 0
				: fds[1] < 0       ? 1
						   : 2);
}

static __attribute__((noreturn)) void work(int proc_fd, int socket)
{
	struct openwire_request request;

	for (;;) {
		_cleanup_(closep) int below_fd = -1, fd = -1, root_fd = -1;
		struct openwire_answer answer = { .result = 0 };
		ssize_t n = fdpass_receive(socket, &request, sizeof(request), 0, &below_fd);

		if (n <= 0 || !openwire_check_request(&request, (size_t)n))
			_exit(0);
		if (request.header.type == OPENWIRE_MAP_PLACE)
			fd = opener_map_place(proc_fd, &request, &answer);
		else if (request.header.type == OPENWIRE_ROOT)
			fd = opener_root(proc_fd, &request);
		else
			fd = opener_open(proc_fd, below_fd, &request);
		if (fd >= 0 && request.header.type == OPENWIRE_MAPPING)
			root_fd = opener_root(proc_fd, &request);
		answer.result = MIN(fd, 0);
		if (send_fds(socket, &request, &answer, (int[]) { fd, root_fd }) < 0)
			_exit(0);
	}
}

static int send_error(struct server *s, const struct openwire_request *request, int result)
{
	struct openwire_answer answer = { .result = result };

	return send_fds(s->core, request, &answer, (int[]) { -1, -1 });
}

static int on_worker(struct loop_source *source, uint32_t events, void *userdata);

static int start_worker(struct server *s, struct worker *w)
{
	pid_t parent = getpid();
	int pair[2], r;

	r = fdpass_pair(pair);
	if (r < 0)
		return r;
	w->pid = fork();
	if (w->pid < 0) {
		r = err_last();
		close(pair[0]);
		close(pair[1]);
		return r;
	}
	if (!w->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		close(pair[0]);
		close(s->core);
		for (size_t i = 0; i < WORKERS; i++)
			close_fd(s->workers[i].socket);
		work(s->proc_fd, pair[1]);
	}
	close(pair[1]);
	w->server = s;
	w->socket = pair[0];
	return loop_add_fd(s->loop, &w->source, w->socket, EPOLLIN, on_worker, w);
}

static void end_worker(struct worker *w)
{
	kill(w->pid, SIGKILL);
	if (waitpid(w->pid, NULL, WNOHANG) <= 0)
		w->server->nr_stuck++; /* reaped when it comes free, see reap() */
	w->source = loop_source_free(w->source);
	w->socket = close_fd(w->socket);
	w->pid = 0;
	w->job = job_free(w->job);
}

static void reap(struct server *s)
{
	while (s->nr_stuck && waitpid(-1, NULL, WNOHANG) > 0)
		s->nr_stuck--;
}

/* May this request run beside those under way? */
static bool may_start(const struct server *s, const struct openwire_request *request)
{
	if (!openwire_may_stall(request->s_magic))
		return true;
	for (size_t i = 0; i < WORKERS; i++) {
		const struct job *other = s->workers[i].job;

		if (other && openwire_may_stall(other->request.s_magic) &&
		    other->request.dev == request->dev)
			return false;
	}
	return true;
}

static struct job *take_next(struct server *s)
{
	for (size_t i = 0; i < s->nr_queued; i++) {
		struct job *job = s->queue[i];

		if (!may_start(s, &job->request))
			continue;
		s->nr_queued--;
		memmove(&s->queue[i], &s->queue[i + 1], (s->nr_queued - i) * sizeof(*s->queue));
		return job;
	}
	return NULL;
}

static int arm_timer(struct server *s)
{
	uint64_t first = 0;

	for (size_t i = 0; i < WORKERS; i++) {
		if (s->workers[i].job && (!first || s->workers[i].deadline_ns < first))
			first = s->workers[i].deadline_ns;
	}
	return loop_source_set_timer(s->timer, first, 0);
}

static int dispatch(struct server *s)
{
	reap(s);
	for (size_t i = 0; i < WORKERS && s->nr_queued; i++) {
		struct worker *w = &s->workers[i];
		int r;

		if (w->job)
			continue;
		if (!w->pid) {
			if (s->nr_stuck >= STUCK_MAX)
				continue;
			r = start_worker(s, w);
			if (r < 0)
				return r;
		}
		w->job = take_next(s);
		if (!w->job)
			break;
		w->deadline_ns = clock_boot_ns() + s->deadline_ns;
		r = fdpass_send(w->socket, &w->job->request, sizeof(w->job->request), NULL, 0,
				w->job->below_fd);
		if (r < 0) { /* it just died: the request goes back to the core */
			send_error(s, &w->job->request, -ECONNRESET);
			end_worker(w);
		}
	}
	return arm_timer(s);
}

static int on_worker(struct loop_source *source, uint32_t events, void *userdata)
{
	struct worker *w = userdata;
	struct server *s = w->server;
	struct openwire_answer answer;
	int fds[OPENWIRE_FDS_MAX];
	size_t nr;
	ssize_t n = fdpass_receive_many(w->socket, &answer, sizeof(answer), MSG_DONTWAIT, fds,
					OPENWIRE_FDS_MAX, &nr);

	if (n == -EAGAIN)
		return 0;
	if (n <= 0 || !w->job || !openwire_check_answer(&answer, (size_t)n)) {
		if (w->job)
			send_error(s, &w->job->request, -ECONNRESET);
		end_worker(w);
	} else {
		send_fds(s->core, &w->job->request, &answer, fds);
		w->job = job_free(w->job);
	}
	for (size_t i = 0; i < nr; i++)
		close_fd(fds[i]);
	return dispatch(s);
}

static int on_deadline(struct loop_source *source, uint64_t missed, void *userdata)
{
	struct server *s = userdata;
	uint64_t now = clock_boot_ns();

	for (size_t i = 0; i < WORKERS; i++) {
		struct worker *w = &s->workers[i];

		if (!w->job || w->deadline_ns > now)
			continue;
		send_error(s, &w->job->request, -ETIMEDOUT);
		end_worker(w);
	}
	return dispatch(s);
}

static int on_core(struct loop_source *source, uint32_t events, void *userdata)
{
	struct server *s = userdata;
	struct job *job = calloc(1, sizeof(*job));
	ssize_t n;

	if (!job)
		return -ENOMEM;
	n = fdpass_receive(s->core, &job->request, sizeof(job->request), MSG_DONTWAIT,
			   &job->below_fd);
	if (n == -EAGAIN) {
		job_free(job);
		return 0;
	}
	if (n <= 0 || !openwire_check_request(&job->request, (size_t)n) ||
	    openwire_has_folder(&job->request) != (job->below_fd >= 0)) {
		job_free(job);
		loop_stop(s->loop,
			  n < 0 ? (int)n : 0); /* the core is gone, or is no core of ours */
		return 0;
	}
	if (s->nr_queued == QUEUE_MAX) {
		int r = send_error(s, &job->request, -EBUSY);

		job_free(job);
		return r;
	}
	s->queue[s->nr_queued++] = job;
	return dispatch(s);
}

static void server_deinit(struct server *s)
{
	for (size_t i = 0; i < WORKERS; i++) {
		if (s->workers[i].pid)
			end_worker(&s->workers[i]);
	}
	for (size_t i = 0; i < s->nr_queued; i++)
		job_free(s->queue[i]);
	loop_free(s->loop);
	close_fd(s->proc_fd);
}

int opener_serve(int socket, uint32_t deadline_ms)
{
	_cleanup_(freep) struct server *s = calloc(1, sizeof(*s));
	struct loop_source *source;
	int r;

	if (!s)
		return -ENOMEM;
	s->core = socket;
	s->deadline_ns = deadline_ms * NSEC_PER_MSEC;
	for (size_t i = 0; i < WORKERS; i++)
		s->workers[i].socket = -1;
	s->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = s->proc_fd < 0 ? err_last() : loop_new(&s->loop);
	if (!r)
		r = loop_add_timer(s->loop, &s->timer, 0, 0, on_deadline, s);
	if (!r)
		r = loop_add_fd(s->loop, &source, socket, EPOLLIN, on_core, s);
	if (!r)
		r = loop_run(s->loop);
	server_deinit(s);
	return r;
}
