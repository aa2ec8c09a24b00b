/* The core's end of the opener. */
#include "agent/opener/client.h"
#include "agent/base/fdpass.h"
#include "agent/base/hashmap.h"
#include "proto/openwire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define PENDING_MAX 4096
#define IN_FLIGHT_MAX 64 /* what the socket holds without blocking */

struct waiting {
	struct waiting *next;
	struct openwire_request request;
	openclient_fn fn;
	void *userdata;
};

struct openclient {
	struct helper *helper;
	struct hashmap *sent; /* id → struct waiting * */
	struct waiting *first, **last; /* not sent yet */
	size_t nr_queued;
	uint64_t next_id;
};

static void finish(struct waiting *w, int fd)
{
	w->fn(fd, w->userdata);
	free(w);
}

static void send_queued(struct openclient *c)
{
	while (c->first && helper_socket(c->helper) >= 0 &&
	       hashmap_count(c->sent) < IN_FLIGHT_MAX) {
		struct waiting *w = c->first;
		void *value;
		int r = fdpass_send(helper_socket(c->helper), &w->request, sizeof(w->request), NULL,
				    0, -1);

		if (r == -EAGAIN)
			return;
		if (r < 0) {
			helper_fail(c->helper);
			return;
		}
		c->first = w->next;
		if (!c->first)
			c->last = &c->first;
		c->nr_queued--;
		if (hashmap_put(c->sent, &w->request.header.id, &value, NULL))
			finish(w, -ENOMEM);
		else
			*(struct waiting **)value = w;
	}
}

static void on_readable(int socket, void *userdata)
{
	struct openclient *c = userdata;

	while (helper_socket(c->helper) == socket) {
		struct openwire_answer answer;
		struct waiting **found;
		int fd;
		ssize_t n = fdpass_receive(socket, &answer, sizeof(answer), MSG_DONTWAIT, &fd);

		if (n == -EAGAIN)
			break;
		if (n <= 0 || !openwire_check_answer(&answer, (size_t)n) ||
		    (!answer.result) != (fd >= 0)) {
			close_fd(fd);
			helper_fail(c->helper);
			return;
		}
		found = hashmap_get(c->sent, &answer.header.id);
		if (!found) {
			close_fd(fd);
			continue;
		}
		struct waiting *w = *found;

		hashmap_remove(c->sent, &answer.header.id);
		finish(w, fd >= 0 ? fd : answer.result);
	}
	send_queued(c);
}

static void on_down(void *userdata)
{
	struct openclient *c = userdata;
	void *value;
	const void *key;
	size_t it = 0;

	while (hashmap_next(c->sent, &it, &key, &value)) {
		struct waiting *w = *(struct waiting **)value;
		uint64_t id = *(const uint64_t *)key;

		hashmap_remove(c->sent, &id);
		it = 0; /* the map changed */
		finish(w, -ECONNRESET);
	}
}

static void on_up(void *userdata)
{
	send_queued(userdata);
}

int openclient_new(struct openclient **ret, struct loop *loop, helper_spawn_fn spawn,
		   void *spawn_userdata, struct err *err)
{
	_cleanup_(openclient_freep) struct openclient *c = calloc(1, sizeof(*c));
	struct helper_config config = {
		.name = "fleetprof-opener",
		.spawn = spawn,
		.spawn_userdata = spawn_userdata,
		.on_readable = on_readable,
		.on_down = on_down,
		.on_up = on_up,
		.userdata = c,
	};
	int r;

	if (!c)
		return -ENOMEM;
	c->last = &c->first;
	r = hashmap_new(&c->sent, sizeof(uint64_t), sizeof(struct waiting *), IN_FLIGHT_MAX + 1);
	if (!r)
		r = helper_new(&c->helper, loop, &config);
	if (r)
		return err_errno(err, r, "cannot start fleetprof-opener");
	*ret = TAKE_PTR(c);
	return 0;
}

struct openclient *openclient_free(struct openclient *c)
{
	if (!c)
		return NULL;
	c->helper = helper_free(c->helper);
	if (c->sent)
		on_down(c);
	while (c->first) {
		struct waiting *w = c->first;

		c->first = w->next;
		finish(w, -ECONNRESET);
	}
	hashmap_free(c->sent);
	free(c);
	return NULL;
}

int openclient_pid(const struct openclient *c)
{
	return helper_pid(c->helper);
}

uint64_t openclient_restarts(const struct openclient *c)
{
	return helper_restarts(c->helper);
}

static int enqueue(struct openclient *c, struct openwire_request *request, openclient_fn fn,
		   void *userdata)
{
	struct waiting *w;

	if (openclient_pending(c) >= PENDING_MAX)
		return -EBUSY;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	request->header = wire_header(request->header.type, ++c->next_id,
				      sizeof(*request) - sizeof(request->header));
	w->request = *request;
	w->fn = fn;
	w->userdata = userdata;
	*c->last = w;
	c->last = &w->next;
	c->nr_queued++;
	send_queued(c);
	return 0;
}

int openclient_mapping(struct openclient *c, const struct openclient_mapping *mapping,
		       openclient_fn fn, void *userdata)
{
	struct openwire_request request = { .header.type = OPENWIRE_MAPPING,
					    .tgid = mapping->tgid,
					    .dev = mapping->dev,
					    .s_magic = mapping->s_magic,
					    .start_boot_ns = mapping->start_boot_ns,
					    .start = mapping->start,
					    .end = mapping->end };

	return enqueue(c, &request, fn, userdata);
}

static int enqueue_path(struct openclient *c, struct openwire_request *request, const char *path,
			openclient_fn fn, void *userdata)
{
	if (strlen(path) >= sizeof(request->path))
		return -ENAMETOOLONG;
	memcpy(request->path, path, strlen(path) + 1);
	return enqueue(c, request, fn, userdata);
}

int openclient_in_root(struct openclient *c, uint32_t tgid, uint64_t start_boot_ns,
		       const char *path, openclient_fn fn, void *userdata)
{
	struct openwire_request request = { .header.type = OPENWIRE_IN_ROOT,
					    .tgid = tgid,
					    .start_boot_ns = start_boot_ns };

	return enqueue_path(c, &request, path, fn, userdata);
}

int openclient_proc(struct openclient *c, uint32_t tgid, const char *name, openclient_fn fn,
		    void *userdata)
{
	struct openwire_request request = { .header.type = OPENWIRE_PROC, .tgid = tgid };

	return enqueue_path(c, &request, name, fn, userdata);
}

int openclient_perf_map(struct openclient *c, uint32_t tgid, uint64_t start_boot_ns,
			openclient_fn fn, void *userdata)
{
	struct openwire_request request = { .header.type = OPENWIRE_PERF_MAP,
					    .tgid = tgid,
					    .start_boot_ns = start_boot_ns };

	return enqueue(c, &request, fn, userdata);
}

size_t openclient_pending(const struct openclient *c)
{
	return c->nr_queued + hashmap_count(c->sent);
}
