/* The exporter's end of the hand-over. */
#include "agent/exporter/handover.h"
#include "agent/base/clock.h"
#include "agent/base/fdpass.h"
#include "agent/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

struct handover_counts {
	uint64_t stored, refused; /* windows answered */
	uint64_t malformed; /* messages that were no message */
	uint64_t put_ns, put_max_ns; /* time spent storing, sum and worst */
	uint64_t body_bytes;
};

struct handover {
	struct handover_config config;
	struct loop *loop;
	struct loop_source *source;
	struct winwire_message message;
	char packet[WINWIRE_PACKET_MAX];
	char *metrics;
	bool watched;
	struct handover_counts counts;
};

static int send_packet(struct handover *h, const struct buf *packet)
{
	if (packet->error)
		return packet->error;
	/* the core reads all the time, and has at most a handful of answers under way */
	return send(h->config.socket, packet->data, packet->len, MSG_NOSIGNAL) < 0 ? err_last() : 0;
}

static int send_answer(struct handover *h, enum winwire_type type, uint64_t number, int error)
{
	_cleanup_(buf_deinitp) struct buf packet = BUF_NULL;

	buf_init(&packet, 64);
	winwire_put_answer(&packet, type, number, error);
	return send_packet(h, &packet);
}

static int send_ready(struct handover *h, const char *address)
{
	_cleanup_(buf_deinitp) struct buf packet = BUF_NULL;

	buf_init(&packet, 1024);
	winwire_put_greeting(&packet, WINWIRE_READY, FLEETPROF_VERSION, address);
	return send_packet(h, &packet);
}

/* Takes the one descriptor of a message; -1 without. A message that was cut short is refused before. */
static int take_fd(struct msghdr *msg)
{
	int fd = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		    c->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(&fd, CMSG_DATA(c), sizeof(int));
	}
	return fd;
}

/* Maps a body that nobody can change or cut any more. */
static int map_body(int fd, const void **ret, size_t *ret_len)
{
	const int wanted = F_SEAL_WRITE | F_SEAL_SHRINK;
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	void *p;

	if (seals < 0 || (seals & wanted) != wanted || fstat(fd, &st) < 0)
		return -EBADMSG;
	if (st.st_size <= 0 || st.st_size > WINWIRE_BODY_MAX)
		return -EBADMSG;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return err_last();
	*ret = p;
	*ret_len = (size_t)st.st_size;
	return 0;
}

static int store_window(struct handover *h, const struct winwire_header *header, int fd)
{
	uint64_t start = clock_mono_ns(), took;
	const void *body = NULL;
	size_t len = 0;
	int r = map_body(fd, &body, &len);

	if (r < 0)
		return r;
	r = store_put(h->config.store, header, body, len);
	munmap((void *)body, len);
	took = clock_mono_ns() - start;
	h->counts.put_ns += took;
	h->counts.put_max_ns = MAX(h->counts.put_max_ns, took);
	h->counts.body_bytes += len;
	return r;
}

static int on_window(struct handover *h, int fd)
{
	const struct winwire_header *header = &h->message.header;
	int r = fd < 0 ? -EBADMSG : store_window(h, header, fd);

	if (r < 0) {
		log_error("cannot store window %" PRIu64 ": %s", header->number, err_str(r));
		h->counts.refused++;
		return send_answer(h, WINWIRE_REFUSED, header->number, r);
	}
	h->counts.stored++;
	r = send_answer(h, WINWIRE_STORED, header->number, 0);
	if (r == 0 && h->config.on_stored)
		h->config.on_stored(header, h->config.userdata);
	return r;
}

static int on_hello(struct handover *h)
{
	const char *address = "";

	if (strcmp(h->message.text, FLEETPROF_VERSION))
		log_error("the agent is of version %s, we are %s: install one build",
			  h->message.text, FLEETPROF_VERSION);
	else if (h->config.on_hello)
		address = h->config.on_hello(h->message.token, h->config.userdata);
	return send_ready(h, address); /* the core compares, too, and is the one to give up */
}

static int on_debug(struct handover *h)
{
	const struct winwire_message *m = &h->message;
	const struct handover_config *c = &h->config;

	if (m->type == WINWIRE_DEBUG_BAD && c->on_debug_bad)
		c->on_debug_bad(m->build_id, m->build_id_len, c->userdata);
	if (m->type == WINWIRE_DEBUG_BAD)
		return 0;
	if (!c->on_debug_ask)
		return send_answer(h, WINWIRE_DEBUG_FILE, m->number, -ENOENT);
	c->on_debug_ask(m->number, m->build_id, m->build_id_len, c->userdata);
	return 0;
}

static int on_message(struct handover *h, int fd)
{
	char *text;

	switch (h->message.type) {
	case WINWIRE_HELLO:
		return on_hello(h);
	case WINWIRE_WINDOW:
		return on_window(h, fd);
	case WINWIRE_METRICS:
		text = strdup(h->message.text);
		if (!text)
			return -ENOMEM;
		free(h->metrics);
		h->metrics = text;
		return 0;
	case WINWIRE_DEBUG_ASK:
	case WINWIRE_DEBUG_BAD:
		return on_debug(h);
	default:
		return -EBADMSG;
	}
}

static int on_socket(struct loop_source *source, uint32_t events, void *userdata)
{
	struct handover *h = userdata;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = h->packet, .iov_len = sizeof(h->packet) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	_cleanup_(closep) int fd = -1;
	ssize_t n = recvmsg(h->config.socket, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		loop_stop(h->loop, 0); /* the core is gone: what is stored is stored */
		return 0;
	}
	fd = take_fd(&msg);
	if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
	    winwire_parse(h->packet, (size_t)n, &h->message) < 0) {
		h->counts.malformed++;
		return 0;
	}
	r = on_message(h, fd);
	if (r == -EPIPE || r == -ECONNRESET) { /* gone between its message and our answer */
		loop_stop(h->loop, 0);
		return 0;
	}
	if (r == -EBADMSG) {
		h->counts.malformed++;
		return 0;
	}
	return r;
}

int handover_new(struct handover **ret, struct loop *loop, const struct handover_config *config)
{
	_cleanup_(handover_freep) struct handover *h = calloc(1, sizeof(*h));
	int r;

	if (!h) {
		close(config->socket);
		return -ENOMEM;
	}
	h->config = *config;
	h->loop = loop;
	r = loop_add_fd(loop, &h->source, config->socket, EPOLLIN, on_socket, h);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(h);
	return 0;
}

struct handover *handover_free(struct handover *h)
{
	if (!h)
		return NULL;
	loop_source_free(h->source);
	close_fd(h->config.socket);
	free(h->metrics);
	free(h);
	return NULL;
}

int handover_listening(struct handover *h, const char *address)
{
	return send_ready(h, address);
}

int handover_watch(struct handover *h, bool watched)
{
	if (h->watched == watched)
		return 0;
	h->watched = watched;
	return send_answer(h, WINWIRE_WATCH, watched, 0);
}

int handover_debug_file(struct handover *h, uint64_t number, int fd, int error)
{
	_cleanup_(buf_deinitp) struct buf packet = BUF_NULL;
	_cleanup_(closep) int owned = fd;

	buf_init(&packet, 64);
	winwire_put_answer(&packet, WINWIRE_DEBUG_FILE, number, error);
	return packet.error
		       ?: fdpass_send(h->config.socket, packet.data, packet.len, NULL, 0, owned);
}

void handover_write_metrics(const struct handover *h, struct buf *out)
{
	const struct handover_counts *c = &h->counts;

	buf_addf(out,
		 "# HELP fleetprof_store_put_seconds Time that storing a window took.\n"
		 "# TYPE fleetprof_store_put_seconds summary\n"
		 "fleetprof_store_put_seconds_sum %.6f\nfleetprof_store_put_seconds_count %" PRIu64
		 "\n"
		 "# HELP fleetprof_store_put_seconds_max The longest that one took.\n"
		 "# TYPE fleetprof_store_put_seconds_max gauge\n"
		 "fleetprof_store_put_seconds_max %.6f\n",
		 (double)c->put_ns / 1e9, c->stored + c->refused, (double)c->put_max_ns / 1e9);
	buf_addf(out,
		 "# HELP fleetprof_handover_bytes_total Bytes of windows that were handed over.\n"
		 "# TYPE fleetprof_handover_bytes_total counter\n"
		 "fleetprof_handover_bytes_total %" PRIu64 "\n"
		 "# HELP fleetprof_handover_malformed_total Messages of the agent that were none.\n"
		 "# TYPE fleetprof_handover_malformed_total counter\n"
		 "fleetprof_handover_malformed_total %" PRIu64 "\n",
		 c->body_bytes, c->malformed);
	buf_adds(out, h->metrics ?: "");
}
