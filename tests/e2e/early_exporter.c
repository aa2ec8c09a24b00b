/*
 * An exporter with the one fault that a store must not have: it acknowledges a window before it is on disk.
 *
 * It stands in for fleetprof-exporter where a test must prove that it would notice a lost window. Its arguments are
 * those of the exporter, of which it takes --store and --user.
 */
#include "agent/base/clock.h"
#include "agent/base/fdpass.h"
#include "agent/exporter/options.h"
#include "agent/exporter/store.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define CORE_SOCKET 3
#define LATE_NS (400 * NSEC_PER_MSEC)

#define PENDING_MAX 512

/* Acknowledged, and not stored yet; oldest first. */
struct pending {
	struct winwire_header header;
	int fd;
	uint64_t due_ns;
};
static struct pending pending[PENDING_MAX];
static size_t nr_pending;

static void answer(enum winwire_type type, uint64_t number)
{
	_cleanup_(buf_deinitp) struct buf packet = BUF_NULL;

	buf_init(&packet, 1024);
	if (type == WINWIRE_READY)
		winwire_put_greeting(&packet, type, FLEETPROF_VERSION, "");
	else
		winwire_put_answer(&packet, type, number, 0);
	fdpass_send(CORE_SOCKET, packet.data, packet.len, NULL, 0, -1);
}

static void store_oldest(struct store *s)
{
	struct pending *p = &pending[0];
	struct stat st;
	void *body = MAP_FAILED;

	if (fstat(p->fd, &st) == 0)
		body = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, p->fd, 0);
	if (body == MAP_FAILED || store_put(s, &p->header, body, (size_t)st.st_size) < 0)
		fprintf(stderr, "early exporter: cannot store\n");
	if (body != MAP_FAILED)
		munmap(body, (size_t)st.st_size);
	close(p->fd);
	memmove(&pending[0], &pending[1], --nr_pending * sizeof(*p));
}

/* One message; false at the end. */
static bool take(struct store *s)
{
	static char packet[WINWIRE_PACKET_MAX];
	static struct winwire_message m;
	int fd;
	ssize_t n = fdpass_receive(CORE_SOCKET, packet, sizeof(packet), 0, &fd);

	if (n <= 0)
		return false;
	if (winwire_parse(packet, (size_t)n, &m) < 0)
		return true;
	if (m.type == WINWIRE_HELLO)
		answer(WINWIRE_READY, 0);
	if (m.type != WINWIRE_WINDOW) {
		close_fd(fd);
		return true;
	}
	if (nr_pending == PENDING_MAX)
		store_oldest(s);
	pending[nr_pending++] = (struct pending) { .header = m.header,
						   .fd = fd,
						   .due_ns = clock_boot_ns() + LATE_NS };
	answer(WINWIRE_STORED, m.header.number);
	return true;
}

static int become(const struct options *o)
{
	if (!o->uid)
		return 0;
	if (mkdir(o->store.dir, 0700) == 0 && chown(o->store.dir, o->uid, o->gid) < 0)
		return err_last();
	return setgroups(0, NULL) < 0 || setresgid(o->gid, o->gid, o->gid) < 0 ||
			       setresuid(o->uid, o->uid, o->uid) < 0
		       ? err_last()
		       : 0;
}

int main(int argc, char **argv)
{
	_cleanup_(store_freep) struct store *s = NULL;
	struct pollfd fd = { .fd = CORE_SOCKET, .events = POLLIN };
	struct options options;
	struct err err = ERR_NULL;

	if (options_parse(&options, argc, argv, &err) < 0 || become(&options) < 0 ||
	    store_open(&s, &options.store, &err) < 0) {
		fprintf(stderr, "early exporter: %s\n", err.text);
		return 1;
	}
	for (;;) {
		if (poll(&fd, 1, 50) > 0 && !take(s))
			return 0; /* what is pending is lost, as it would be by a crash */
		if (nr_pending && clock_boot_ns() >= pending[0].due_ns)
			store_oldest(s);
	}
}
