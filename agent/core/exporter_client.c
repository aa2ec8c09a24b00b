/* The core's end of the exporter. */
#include "agent/core/exporter_client.h"
#include "agent/base/clock.h"
#include "agent/base/fdpass.h"
#include "agent/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define PAUSE_FIRST_NS (200 * NSEC_PER_MSEC)
#define PAUSE_MAX_NS (10 * NSEC_PER_SEC)
#define ENDING_NS (10 * NSEC_PER_SEC) /* a transaction on a slow disk */
#define STEADY_NS                                                                                  \
	(60 * NSEC_PER_SEC) /* lived that long: the pause starts again at its first length */

struct waiting {
	struct winwire_header header;
	int fd;
	bool sent; /* to the exporter that runs now */
};

struct exporterclient {
	struct exporterclient_config config;
	char *token;
	struct loop *loop;
	struct loop_source *source, *exit_source, *timer;
	int socket, pidfd;
	pid_t pid;
	bool ready; /* it said READY */
	bool replacing; /* we hung up to start another */
	uint64_t started_ns, pause_ns;
	struct waiting *waiting[EXPORTERCLIENT_UNACKNOWLEDGED]; /* oldest first */
	size_t nr_waiting;
	struct exporterclient_counts counts;
};

static struct waiting *waiting_free(struct waiting *w)
{
	if (!w)
		return NULL;
	close_fd(w->fd);
	free(w);
	return NULL;
}
DEFINE_CLEANUP(struct waiting *, waiting_free)

static int send_packet(struct exporterclient *c, const struct buf *packet, int fd)
{
	return packet->error ?: fdpass_send(c->socket, packet->data, packet->len, NULL, 0, fd);
}

static int send_window(struct exporterclient *c, struct waiting *w)
{
	_cleanup_(buf_deinitp) struct buf packet = BUF_NULL;
	int r;

	buf_init(&packet, WINWIRE_PACKET_MAX);
	winwire_put_window(&packet, &w->header);
	r = send_packet(c, &packet, w->fd);
	w->sent = r == 0;
	return r;
}

/* Sends what the exporter has not had yet; what its socket does not take now goes at the next answer. */
static void send_waiting(struct exporterclient *c)
{
	for (size_t i = 0; c->ready && i < c->nr_waiting; i++) {
		if (!c->waiting[i]->sent && send_window(c, c->waiting[i]) < 0)
			return;
	}
}

static int send_hello(struct exporterclient *c)
{
	_cleanup_(buf_deinitp) struct buf packet = BUF_NULL;

	buf_init(&packet, WINWIRE_PACKET_MAX);
	winwire_put_greeting(&packet, WINWIRE_HELLO, FLEETPROF_VERSION, c->token);
	return send_packet(c, &packet, -1);
}

static void answer(struct exporterclient *c, const struct winwire_message *m)
{
	size_t i = 0;

	while (i < c->nr_waiting && c->waiting[i]->header.number != m->number)
		i++;
	if (i == c->nr_waiting)
		return; /* an answer to one that was sent twice */
	log_debug("window %" PRIu64 " of run %" PRIu64 " is answered: %s", m->number,
		  c->waiting[i]->header.agent_start_ns,
		  m->type == WINWIRE_STORED ? "stored" : "refused");
	c->waiting[i] = waiting_free(c->waiting[i]);
	memmove(&c->waiting[i], &c->waiting[i + 1],
		(c->nr_waiting - i - 1) * sizeof(struct waiting *));
	c->nr_waiting--;
	if (m->type == WINWIRE_STORED) {
		c->counts.stored++;
	} else {
		c->counts.refused++;
		log_error("the exporter cannot store window %" PRIu64 ": %s", m->number,
			  err_str(m->error));
	}
	if (c->config.on_answer)
		c->config.on_answer(m->number, m->type == WINWIRE_STORED ? 0 : m->error,
				    c->config.userdata);
}

static void on_debug_file(struct exporterclient *c, const struct winwire_message *m, int fd)
{
	if (c->config.on_debug_file)
		c->config.on_debug_file(m->number, m->error, fd, c->config.userdata);
	else
		close_fd(fd);
	send_waiting(c); /* there is room again */
}

/* fd: -1 without, and for every message but one. */
static int on_message(struct exporterclient *c, const struct winwire_message *m, int fd)
{
	_cleanup_(closep) int owned = fd;

	switch (m->type) {
	case WINWIRE_READY:
		if (strcmp(m->text, FLEETPROF_VERSION)) {
			log_error("the exporter is of version %s, we are %s: install one build",
				  m->text, FLEETPROF_VERSION);
			return -EPROTO;
		}
		c->ready = true;
		if (c->config.on_address)
			c->config.on_address(m->address, c->config.userdata);
		send_waiting(c);
		if (c->config.on_ready)
			c->config.on_ready(c->config.userdata);
		return 0;
	case WINWIRE_STORED:
	case WINWIRE_REFUSED:
		answer(c, m);
		send_waiting(c);
		return 0;
	case WINWIRE_WATCH:
		if (c->config.on_watch)
			c->config.on_watch(m->number != 0, c->config.userdata);
		return 0;
	case WINWIRE_DEBUG_FILE:
		on_debug_file(c, m, TAKE_FD(owned));
		return 0;
	default:
		return -EBADMSG;
	}
}

static int schedule_start(struct exporterclient *c)
{
	uint64_t now = clock_boot_ns();

	if (c->replacing)
		return loop_source_set_timer(c->timer, now + 1, 0);
	log_warn("the exporter ended; starting it again");
	c->pause_ns = now - c->started_ns > STEADY_NS ? PAUSE_FIRST_NS
						      : MIN(c->pause_ns * 2, PAUSE_MAX_NS);
	return loop_source_set_timer(c->timer, now + c->pause_ns, 0);
}

/* Hangs up: the exporter ends at that, and on_exit_event() plans the next one; or the timer, if it never ends. */
static int down(struct exporterclient *c)
{
	bool ready = c->ready;

	if (c->socket < 0)
		return 0;
	c->source = loop_source_free(c->source);
	c->socket = close_fd(c->socket);
	c->ready = false;
	for (size_t i = 0; i < c->nr_waiting; i++)
		c->waiting[i]->sent = false;
	if (c->config.on_watch)
		c->config.on_watch(false, c->config.userdata);
	if (c->config.on_down)
		c->config.on_down(ready, c->replacing, c->config.userdata);
	if (!c->pid)
		return schedule_start(c);
	return loop_source_set_timer(c->timer, clock_boot_ns() + ENDING_NS, 0);
}

static void forget_process(struct exporterclient *c)
{
	c->exit_source = loop_source_free(c->exit_source);
	c->pidfd = close_fd(c->pidfd);
	c->pid = 0;
}

static int on_exit_event(struct loop_source *source, uint32_t events, void *userdata)
{
	struct exporterclient *c = userdata;

	forget_process(c);
	return c->socket < 0 ? schedule_start(c) : down(c);
}

static int on_socket(struct loop_source *source, uint32_t events, void *userdata)
{
	struct exporterclient *c = userdata;
	_cleanup_(freep) struct winwire_message *m = malloc(sizeof(*m));
	_cleanup_(closep) int fd = -1;
	char packet[1024]; /* its answers are short */
	ssize_t n = fdpass_receive(c->socket, packet, sizeof(packet), MSG_DONTWAIT, &fd);

	if (n == -EAGAIN)
		return 0;
	if (!m)
		return -ENOMEM;
	if (n <= 0)
		return down(c);
	if (winwire_parse(packet, (size_t)n, m) < 0 || on_message(c, m, TAKE_FD(fd)) < 0)
		return down(c);
	return 0;
}

/* On failure the caller hangs up by down(). */
static int start(struct exporterclient *c)
{
	int pair[2], r;

	forget_process(c);
	c->started_ns = clock_boot_ns();
	c->replacing = false;
	r = fdpass_pair(pair);
	if (r < 0)
		return r;
	c->socket = pair[0];
	r = c->config.spawn(pair[1], &c->pid, c->config.spawn_userdata);
	if (r < 0) {
		c->pid = 0;
		return r;
	}
	if (fcntl(c->socket, F_SETFL, O_NONBLOCK) < 0)
		return err_last();
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (c->pidfd < 0) { /* it has ended and was reaped already */
		c->pid = 0;
		return err_last();
	}
	r = loop_add_fd(c->loop, &c->exit_source, c->pidfd, EPOLLIN, on_exit_event, c);
	r = r ?: loop_add_fd(c->loop, &c->source, c->socket, EPOLLIN, on_socket, c);
	return r ?: send_hello(c);
}

static int on_timer(struct loop_source *source, uint64_t missed, void *userdata)
{
	struct exporterclient *c = userdata;
	int r;

	c->counts.restarts++;
	r = start(c);
	if (r >= 0)
		return 0;
	log_error("cannot start the exporter: %s", err_str(r));
	return c->socket < 0 ? schedule_start(c) : down(c);
}

int exporterclient_new(struct exporterclient **ret, struct loop *loop,
		       const struct exporterclient_config *config, struct err *err)
{
	_cleanup_(exporterclient_freep) struct exporterclient *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->config = *config;
	c->loop = loop;
	c->socket = c->pidfd = -1;
	c->pause_ns = PAUSE_FIRST_NS / 2;
	c->token = strdup(config->token ?: "");
	if (!c->token)
		return -ENOMEM;
	r = loop_add_timer(loop, &c->timer, 0, 0, on_timer, c);
	r = r ?: start(c);
	if (r < 0)
		return err_errno(err, r, "cannot start the exporter");
	*ret = TAKE_PTR(c);
	return 0;
}

struct exporterclient *exporterclient_free(struct exporterclient *c)
{
	if (!c)
		return NULL;
	loop_source_free(c->source);
	loop_source_free(c->exit_source);
	loop_source_free(c->timer);
	close_fd(c->socket);
	close_fd(c->pidfd);
	for (size_t i = 0; i < c->nr_waiting; i++)
		waiting_free(c->waiting[i]);
	free(c->token);
	free(c);
	return NULL;
}

int exporterclient_restart(struct exporterclient *c)
{
	/* one that is down is started when its pause is over, and has the new arguments then */
	if (c->socket < 0)
		return 0;
	c->replacing = true;
	return down(c);
}

int exporterclient_pid(const struct exporterclient *c)
{
	return c->pid;
}

int exporterclient_send(struct exporterclient *c, const struct winwire_header *header, int body_fd)
{
	_cleanup_(waiting_freep) struct waiting *w = malloc(sizeof(*w));

	c->counts.sent++;
	if (!w) {
		close(body_fd);
		c->counts.lost++;
		return -ENOMEM;
	}
	*w = (struct waiting) { .header = *header, .fd = body_fd };
	if (c->nr_waiting == EXPORTERCLIENT_UNACKNOWLEDGED) {
		c->counts.lost++;
		return EXPORTERCLIENT_E_LOST;
	}
	c->waiting[c->nr_waiting++] = TAKE_PTR(w);
	send_waiting(c);
	return 0;
}

int exporterclient_metrics(struct exporterclient *c, const char *text)
{
	_cleanup_(buf_deinitp) struct buf packet = BUF_NULL;

	if (!c->ready)
		return 0;
	buf_init(&packet, WINWIRE_PACKET_MAX);
	winwire_put_text(&packet, WINWIRE_METRICS, text);
	return send_packet(c, &packet, -1);
}

static int send_build_id(struct exporterclient *c, enum winwire_type type, uint64_t number,
			 const uint8_t *build_id, size_t len)
{
	_cleanup_(buf_deinitp) struct buf packet = BUF_NULL;

	if (!c->ready)
		return -ENOTCONN;
	buf_init(&packet, 256);
	winwire_put_build_id(&packet, type, number, build_id, len);
	return send_packet(c, &packet, -1);
}

int exporterclient_ask_debug(struct exporterclient *c, uint64_t number, const uint8_t *build_id,
			     size_t len)
{
	return send_build_id(c, WINWIRE_DEBUG_ASK, number, build_id, len);
}

void exporterclient_bad_debug(struct exporterclient *c, const uint8_t *build_id, size_t len)
{
	if (send_build_id(c, WINWIRE_DEBUG_BAD, 0, build_id, len) < 0)
		log_debug("the exporter keeps a bad debug file until it is asked for it again");
}

void exporterclient_counts(const struct exporterclient *c, struct exporterclient_counts *ret)
{
	*ret = c->counts;
	ret->waiting = c->nr_waiting;
}
