/* The core's end of the opener. */
#include "agent/opener/client.h"
#include "agent/base/fdpass.h"
#include "agent/base/hashmap.h"
#include "proto/openwire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#define PENDING_MAX 4096
#define IN_FLIGHT_MAX 64 /* what the socket holds without blocking */

struct waiting {
	struct waiting *next;
	struct openwire_request request;
	int below_fd; /* goes with it, or -1 */
	openclient_fn fn; /* or, of a mapping: */
	openclient_mapping_fn mapping_fn;
	openclient_place_fn place_fn;
	struct openclient_place place;
	void *userdata;
};

struct openclient {
	struct helper *helper;
	struct hashmap *sent; /* id → struct waiting * */
	struct waiting *first, **last; /* not sent yet */
	size_t nr_queued;
	uint64_t next_id;
};

static void finish(struct waiting *w, int fd, int root_fd)
{
	if (w->mapping_fn)
		w->mapping_fn(fd, root_fd, w->userdata);
	else if (w->place_fn)
		w->place_fn(fd, &w->place, w->userdata);
	else
		w->fn(fd, w->userdata);
	close_fd(w->below_fd);
	free(w);
}

static void send_queued(struct openclient *c)
{
	while (c->first && helper_socket(c->helper) >= 0 &&
	       hashmap_count(c->sent) < IN_FLIGHT_MAX) {
		struct waiting *w = c->first;
		void *value;
		int r = fdpass_send(helper_socket(c->helper), &w->request, sizeof(w->request), NULL,
				    0, w->below_fd);

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
			finish(w, -ENOMEM, -1);
		else
			*(struct waiting **)value = w;
	}
}

/* Hands the descriptors over; nobody waits for those of a request that was given up. */
static void take_answer(struct openclient *c, const struct openwire_answer *answer,
			const int fds[OPENWIRE_FDS_MAX])
{
	struct waiting **found = hashmap_get(c->sent, &answer->header.id), *w;

	if (!found) {
		close_fd(fds[0]);
		close_fd(fds[1]);
		return;
	}
	w = *found;
	hashmap_remove(c->sent, &answer->header.id);
	w->place = (struct openclient_place) { .pid = answer->pid,
					       .uid = answer->uid,
					       .start_boot_ns = w->request.start_boot_ns };
	if (w->mapping_fn)
		finish(w, fds[0] >= 0 ? fds[0] : answer->result, fds[1]);
	else
		finish(w, fds[0] >= 0 ? fds[0] : answer->result, close_fd(fds[1]));
}

static void on_readable(int socket, void *userdata)
{
	struct openclient *c = userdata;

	while (helper_socket(c->helper) == socket) {
		struct openwire_answer answer;
		int fds[OPENWIRE_FDS_MAX];
		size_t nr;
		ssize_t n = fdpass_receive_many(socket, &answer, sizeof(answer), MSG_DONTWAIT, fds,
						OPENWIRE_FDS_MAX, &nr);

		if (n == -EAGAIN)
			break;
		if (n <= 0 || !openwire_check_answer(&answer, (size_t)n) ||
		    (!answer.result) != (nr > 0) ||
		    (nr > 1 && answer.header.type != OPENWIRE_MAPPING)) {
			close_fd(fds[0]);
			close_fd(fds[1]);
			helper_fail(c->helper);
			return;
		}
		take_answer(c, &answer, fds);
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
		finish(w, -ECONNRESET, -1);
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
		finish(w, -ECONNRESET, -1);
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

static int enqueue(struct openclient *c, struct openwire_request *request,
		   const struct waiting *how)
{
	struct waiting *w;

	if (openclient_pending(c) >= PENDING_MAX)
		return -EBUSY;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	request->header = wire_header(request->header.type, ++c->next_id,
				      sizeof(*request) - sizeof(request->header));
	*w = *how;
	w->request = *request;
	*c->last = w;
	c->last = &w->next;
	c->nr_queued++;
	send_queued(c);
	return 0;
}

int openclient_mapping(struct openclient *c, const struct openclient_mapping *mapping,
		       openclient_mapping_fn fn, void *userdata)
{
	const struct waiting how = { .below_fd = -1, .mapping_fn = fn, .userdata = userdata };
	struct openwire_request request = { .header.type = OPENWIRE_MAPPING,
					    .tgid = mapping->tgid,
					    .dev = mapping->dev,
					    .s_magic = mapping->s_magic,
					    .start_boot_ns = mapping->start_boot_ns,
					    .start = mapping->start,
					    .end = mapping->end };

	return enqueue(c, &request, &how);
}

static int enqueue_path(struct openclient *c, struct openwire_request *request, const char *path,
			openclient_fn fn, void *userdata)
{
	const struct waiting how = { .below_fd = -1, .fn = fn, .userdata = userdata };

	if (strlen(path) >= sizeof(request->path))
		return -ENAMETOOLONG;
	memcpy(request->path, path, strlen(path) + 1);
	return enqueue(c, request, &how);
}

int openclient_in_root(struct openclient *c, uint32_t tgid, uint64_t start_boot_ns,
		       const char *path, openclient_fn fn, void *userdata)
{
	struct openwire_request request = { .header.type = OPENWIRE_IN_ROOT,
					    .tgid = tgid,
					    .start_boot_ns = start_boot_ns };

	return enqueue_path(c, &request, path, fn, userdata);
}

int openclient_elf_in_root(struct openclient *c, uint32_t tgid, uint64_t start_boot_ns,
			   const char *path, openclient_fn fn, void *userdata)
{
	struct openwire_request request = { .header.type = OPENWIRE_ELF_IN_ROOT,
					    .tgid = tgid,
					    .start_boot_ns = start_boot_ns };

	return enqueue_path(c, &request, path, fn, userdata);
}

/* Of a request that a folder's descriptor goes with. */
static int enqueue_below(struct openclient *c, struct openwire_request *request, int folder_fd,
			 openclient_fn fn, void *userdata)
{
	struct waiting how = { .fn = fn, .userdata = userdata };
	int r;

	how.below_fd = fcntl(folder_fd, F_DUPFD_CLOEXEC, 3);
	if (how.below_fd < 0)
		return err_last();
	r = enqueue(c, request, &how);
	if (r < 0)
		close_fd(how.below_fd);
	return r;
}

int openclient_elf_below(struct openclient *c, int root_fd, const char *path, openclient_fn fn,
			 void *userdata)
{
	struct openwire_request request = { .header.type = OPENWIRE_ELF_BELOW };

	if (strlen(path) >= sizeof(request.path))
		return -ENAMETOOLONG;
	memcpy(request.path, path, strlen(path) + 1);
	return enqueue_below(c, &request, root_fd, fn, userdata);
}

int openclient_proc(struct openclient *c, uint32_t tgid, const char *name, openclient_fn fn,
		    void *userdata)
{
	struct openwire_request request = { .header.type = OPENWIRE_PROC, .tgid = tgid };

	return enqueue_path(c, &request, name, fn, userdata);
}

static int ask_of_process(struct openclient *c, uint16_t type, uint32_t tgid,
			  uint64_t start_boot_ns, openclient_fn fn, void *userdata)
{
	struct openwire_request request = { .header.type = type,
					    .tgid = tgid,
					    .start_boot_ns = start_boot_ns };
	const struct waiting how = { .below_fd = -1, .fn = fn, .userdata = userdata };

	return enqueue(c, &request, &how);
}

int openclient_root(struct openclient *c, uint32_t tgid, uint64_t start_boot_ns, openclient_fn fn,
		    void *userdata)
{
	return ask_of_process(c, OPENWIRE_ROOT, tgid, start_boot_ns, fn, userdata);
}

int openclient_perf_map(struct openclient *c, uint32_t tgid, uint64_t start_boot_ns,
			openclient_fn fn, void *userdata)
{
	return ask_of_process(c, OPENWIRE_PERF_MAP, tgid, start_boot_ns, fn, userdata);
}

int openclient_jitdump(struct openclient *c, uint32_t tgid, uint64_t start_boot_ns,
		       openclient_fn fn, void *userdata)
{
	return ask_of_process(c, OPENWIRE_JITDUMP, tgid, start_boot_ns, fn, userdata);
}

int openclient_map_place(struct openclient *c, uint32_t tgid, uint64_t start_boot_ns,
			 openclient_place_fn fn, void *userdata)
{
	struct openwire_request request = { .header.type = OPENWIRE_MAP_PLACE,
					    .tgid = tgid,
					    .start_boot_ns = start_boot_ns };
	const struct waiting how = { .below_fd = -1, .place_fn = fn, .userdata = userdata };

	return enqueue(c, &request, &how);
}

int openclient_map_at(struct openclient *c, int folder_fd, const struct openclient_place *place,
		      openclient_fn fn, void *userdata)
{
	struct openwire_request request = { .header.type = OPENWIRE_MAP_AT,
					    .start_boot_ns = place->start_boot_ns,
					    .start = place->pid,
					    .end = place->uid };

	return enqueue_below(c, &request, folder_fd, fn, userdata);
}

size_t openclient_pending(const struct openclient *c)
{
	return c->nr_queued + hashmap_count(c->sent);
}
