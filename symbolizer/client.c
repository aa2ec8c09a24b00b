/* The core's end of the symbolizer: the calls, their queue by priority, and the messages to and from the helper. */
#include "agent/base/fdpass.h"
#include "agent/base/hashmap.h"
#include "symbolizer/client_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define QUEUED_MAX (1u << 18)
#define IN_FLIGHT_MAX 8 /* below the supervisor's queue */
#define PRIORITIES 3
#define KEY_KALLSYMS UINT64_MAX
#define KEY_DIGEST (1ULL << 61) /* added to the file's; alone, the owner of all of them */

struct symclient {
	struct helper *helper;
	struct hashmap *sent; /* id → struct sympart * */
	struct sympart *first[PRIORITIES], **last[PRIORITIES];
	size_t nr_queued;
	uint64_t next_id, addresses;
	bool closing;
};

void symclient_enqueue(struct sympart *part)
{
	struct symclient *c = part->job->client;
	enum symclient_priority p = part->job->priority;

	part->id = ++c->next_id;
	*c->last[p] = part;
	c->last[p] = &part->next;
	c->nr_queued++;
}

/* Copies a sealed answer: the sender cannot change it any more, neither while nor after it is checked. */
static int copy_answer(int fd, size_t size, void **ret)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	void *data, *map;
	struct stat st;

	if ((fcntl(fd, F_GET_SEALS) & seals) != seals || fstat(fd, &st) < 0 || st.st_size < 0 ||
	    (size_t)st.st_size != size || size > SYMWIRE_ANSWER_MAX || !size)
		return -EBADMSG;
	map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return err_last();
	data = malloc(size);
	if (data)
		memcpy(data, map, size);
	munmap(map, size);
	if (!data)
		return -ENOMEM;
	*ret = data;
	return 0;
}

static bool take_answer(struct symclient *c, const struct wire_header *header, size_t n, int fd)
{
	enum symclient_status status = (enum symclient_status)header->status;
	struct sympart **found, *part;

	if (!wire_check(header, n, true) || header->status >= SYMWIRE_STATUS_END ||
	    (header->status == SYMWIRE_OK) != (fd >= 0))
		return false;
	found = hashmap_get(c->sent, &header->id);
	if (!found)
		return true;
	part = *found;
	hashmap_remove(c->sent, &header->id);
	if (fd >= 0 && copy_answer(fd, header->size, &part->data) < 0)
		status = SYMCLIENT_BROKEN;
	symjob_answer(part, status, header->size);
	return true;
}

static int send_part(struct symclient *c, const struct sympart *part)
{
	const struct symjob *job = part->job;
	size_t size = part->nr * sizeof(*job->addresses);
	struct symwire_request request = job->head;

	request.nr = (uint32_t)part->nr;
	request.header =
		wire_header(job->type, part->id, sizeof(request) - sizeof(request.header) + size);
	return fdpass_send_many(helper_socket(c->helper), &request, sizeof(request),
				job->addresses + part->first, size, job->fds, job->nr_fds);
}

static struct sympart *next_part(struct symclient *c, unsigned int *ret_priority)
{
	for (unsigned int p = 0; p < PRIORITIES; p++) {
		*ret_priority = p;
		if (c->first[p])
			return c->first[p];
	}
	return NULL;
}

static void send_queued(struct symclient *c)
{
	struct sympart *part;
	unsigned int p;

	while (helper_socket(c->helper) >= 0 && hashmap_count(c->sent) < IN_FLIGHT_MAX &&
	       (part = next_part(c, &p))) {
		void *value;
		int r = send_part(c, part);

		if (r == -EAGAIN && hashmap_count(c->sent))
			return; /* an answer will make room */
		if (r < 0) {
			helper_fail(c->helper);
			return;
		}
		c->first[p] = part->next;
		if (!c->first[p])
			c->last[p] = &c->first[p];
		c->nr_queued--;
		if (hashmap_put(c->sent, &part->id, &value, NULL))
			symjob_answer(part, SYMCLIENT_LOST, 0);
		else
			*(struct sympart **)value = part;
	}
}

static void on_readable(int socket, void *userdata)
{
	struct symclient *c = userdata;

	while (helper_socket(c->helper) == socket) {
		_cleanup_(closep) int fd = -1;
		struct wire_header header;
		ssize_t n = fdpass_receive(socket, &header, sizeof(header), MSG_DONTWAIT, &fd);

		if (n == -EAGAIN)
			break;
		if (n <= 0 || !take_answer(c, &header, (size_t)n, fd)) {
			helper_fail(c->helper);
			return;
		}
	}
	send_queued(c);
}

static void on_down(void *userdata)
{
	struct symclient *c = userdata;
	void *value;
	size_t it = 0;

	while (hashmap_next(c->sent, &it, NULL, &value)) {
		struct sympart *part = *(struct sympart **)value;

		hashmap_remove(c->sent, &part->id);
		it = 0; /* the map changed */
		symjob_answer(part, SYMCLIENT_LOST, 0);
	}
}

static void on_up(void *userdata)
{
	send_queued(userdata);
}

int symclient_new(struct symclient **ret, struct loop *loop, helper_spawn_fn spawn,
		  void *spawn_userdata, struct err *err)
{
	_cleanup_(symclient_freep) struct symclient *c = calloc(1, sizeof(*c));
	struct helper_config config = {
		.name = "fleetprof-symbolizer",
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
	for (unsigned int p = 0; p < PRIORITIES; p++)
		c->last[p] = &c->first[p];
	r = hashmap_new(&c->sent, sizeof(uint64_t), sizeof(struct sympart *), IN_FLIGHT_MAX + 1);
	if (!r)
		r = helper_new(&c->helper, loop, &config);
	if (r)
		return err_errno(err, r, "cannot start fleetprof-symbolizer");
	*ret = TAKE_PTR(c);
	return 0;
}

struct symclient *symclient_free(struct symclient *c)
{
	struct sympart *part;
	unsigned int p;

	if (!c)
		return NULL;
	c->closing = true;
	c->helper = helper_free(c->helper);
	if (c->sent)
		on_down(c);
	while ((part = next_part(c, &p))) {
		c->first[p] = part->next;
		symjob_answer(part, SYMCLIENT_LOST, 0);
	}
	hashmap_free(c->sent);
	free(c);
	return NULL;
}

int symclient_pid(const struct symclient *c)
{
	return helper_pid(c->helper);
}

uint64_t symclient_restarts(const struct symclient *c)
{
	return helper_restarts(c->helper);
}

uint64_t symclient_addresses(const struct symclient *c)
{
	return c->addresses;
}

static int job_new(struct symjob **ret, struct symclient *c, enum symwire_type type,
		   const struct symclient_file *file, const uint64_t *addresses, size_t nr)
{
	if (c->closing)
		return -ESHUTDOWN;
	if (c->nr_queued + nr / SYMWIRE_ADDRESSES_MAX + 1 > QUEUED_MAX)
		return -EBUSY;
	return symjob_new(ret, c, type, file, addresses, nr);
}

static void submit(struct symjob *job, enum symclient_priority priority)
{
	job->priority = priority;
	for (struct sympart *part = job->parts; part; part = part->next_of_job)
		symclient_enqueue(part);
	send_queued(job->client);
}

static int ask_frames(struct symclient *c, enum symwire_type type,
		      const struct symclient_file *file, enum symclient_priority priority,
		      const uint64_t *addresses, size_t nr, symclient_frames_fn fn, void *userdata)
{
	struct symjob *job;
	int r = job_new(&job, c, type, file, addresses, nr);

	if (r < 0)
		return r;
	job->on_frames = fn;
	job->userdata = userdata;
	submit(job, priority);
	return 0;
}

int symclient_frames(struct symclient *c, const struct symclient_file *file,
		     enum symclient_priority priority, const uint64_t *offsets, size_t nr,
		     symclient_frames_fn fn, void *userdata)
{
	c->addresses += nr;
	return ask_frames(c, SYMWIRE_FRAMES, file, priority, offsets, nr, fn, userdata);
}

int symclient_kernel(struct symclient *c, int kallsyms_fd, int vmlinux_fd,
		     const uint64_t *addresses, size_t nr, symclient_frames_fn fn, void *userdata)
{
	struct symclient_file file = { .key = KEY_KALLSYMS,
				       .fd = kallsyms_fd,
				       .debug_fd = MAX(vmlinux_fd, 0) };

	return ask_frames(c, SYMWIRE_KERNEL, &file, SYMCLIENT_NAMES, addresses, nr, fn, userdata);
}

int symclient_jit(struct symclient *c, const struct symclient_file *file, const uint64_t *addresses,
		  size_t nr, symclient_frames_fn fn, void *userdata)
{
	return ask_frames(c, SYMWIRE_JIT, file, SYMCLIENT_NAMES, addresses, nr, fn, userdata);
}

int symclient_identity(struct symclient *c, const struct symclient_file *file,
		       symclient_identity_fn fn, void *userdata)
{
	struct symjob *job;
	int r = job_new(&job, c, SYMWIRE_IDENTITY, file, NULL, 0);

	if (r < 0)
		return r;
	job->on_identity = fn;
	job->userdata = userdata;
	submit(job, SYMCLIENT_SMALL_TABLES);
	return 0;
}

int symclient_unwind(struct symclient *c, const struct symclient_file *file,
		     enum symclient_priority priority, symclient_unwind_fn fn, void *userdata)
{
	struct symjob *job;
	int r = job_new(&job, c, SYMWIRE_UNWIND, file, NULL, 0);

	if (r < 0)
		return r;
	job->on_unwind = fn;
	job->userdata = userdata;
	submit(job, priority);
	return 0;
}

int symclient_digest(struct symclient *c, const struct symclient_file *file, symclient_digest_fn fn,
		     void *userdata)
{
	const struct symclient_file own = { .key = KEY_DIGEST | file->key,
					    .owner = KEY_DIGEST,
					    .fd = file->fd };
	struct symjob *job;
	int r = job_new(&job, c, SYMWIRE_DIGEST, &own, NULL, 0);

	if (r < 0)
		return r;
	job->on_digest = fn;
	job->userdata = userdata;
	submit(job, SYMCLIENT_BIG);
	return 0;
}

int symclient_containers(struct symclient *c, const struct symclient_file *file,
			 symclient_containers_fn fn, void *userdata)
{
	struct symjob *job;
	int r = job_new(&job, c, SYMWIRE_CONTAINERS, file, NULL, 0);

	if (r < 0)
		return r;
	job->on_containers = fn;
	job->userdata = userdata;
	submit(job, SYMCLIENT_NAMES);
	return 0;
}
