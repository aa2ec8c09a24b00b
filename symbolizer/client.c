/* The core's end of the symbolizer. */
#include "symbolizer/client.h"
#include "agent/base/fdpass.h"
#include "agent/base/hashmap.h"
#include "proto/symwire.h"
#include "proto/unwind_image.h"
#include "symbolizer/codec.h"

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

struct job;

/* One message: a part of a job. */
struct part {
	struct part *next; /* in the queue */
	struct part *next_of_job;
	struct job *job;
	uint64_t id;
	size_t first, nr; /* of the job's addresses */
	void *data; /* the answer's bytes */
	size_t size;
	struct symbolizer_result result;
	bool answered;
};

/* One call of the client: its answer is given when all of its parts have one. */
struct job {
	struct symclient *client;
	enum symwire_type type;
	int fds[SYMWIRE_FDS_MAX]; /* in the order of the message */
	size_t nr_fds;
	struct symwire_request head; /* says which they are */
	uint64_t *addresses;
	size_t nr, nr_waiting, nr_ok;
	struct part *parts; /* in no order */
	enum symclient_priority priority;
	enum symclient_status status; /* of the first part that failed */
	union {
		symclient_frames_fn on_frames;
		symclient_identity_fn on_identity;
		symclient_containers_fn on_containers;
		symclient_unwind_fn on_unwind;
		symclient_digest_fn on_digest;
	};
	void *userdata;
};

struct symclient {
	struct helper *helper;
	struct hashmap *sent; /* id → struct part * */
	struct part *first[PRIORITIES], **last[PRIORITIES];
	size_t nr_queued;
	uint64_t next_id, addresses;
	bool closing;
};

static void job_free(struct job *job)
{
	while (job->parts) {
		struct part *part = job->parts;

		job->parts = part->next_of_job;
		codec_result_deinit(&part->result);
		free(part->data);
		free(part);
	}
	free(job->addresses);
	for (size_t i = 0; i < job->nr_fds; i++)
		close_fd(job->fds[i]);
	free(job);
}

/* As many as fit into one request's answer: who finds these, asks again. */
static void add_wants(const struct part *part, struct symbolizer_result *all)
{
	for (size_t i = 0; i < part->result.nr_wants && all->nr_wants < SYMWIRE_WANTS_MAX; i++)
		all->wants[all->nr_wants++] = part->result.wants[i];
}

/* Puts the parts' results one behind the other; a part without one is addresses without names. */
static int merge(const struct job *job, struct symbolizer_result *ret)
{
	struct symbolizer_result all = { .nr_answers = job->nr };
	size_t frames = 0;

	for (const struct part *part = job->parts; part; part = part->next_of_job)
		all.nr_frames += part->result.nr_frames;
	all.answers = calloc(all.nr_answers + 1, sizeof(*all.answers));
	all.frames = calloc(all.nr_frames + 1, sizeof(*all.frames));
	all.wants = calloc(SYMWIRE_WANTS_MAX, sizeof(*all.wants));
	if (!all.answers || !all.frames || !all.wants) {
		codec_result_deinit(&all);
		return -ENOMEM;
	}
	for (const struct part *part = job->parts; part; part = part->next_of_job) {
		for (size_t j = 0; j < part->result.nr_answers; j++) {
			all.answers[part->first + j] = part->result.answers[j];
			all.answers[part->first + j].first_frame += (uint32_t)frames;
		}
		if (part->result.nr_frames)
			memcpy(all.frames + frames, part->result.frames,
			       part->result.nr_frames * sizeof(*all.frames));
		frames += part->result.nr_frames;
		add_wants(part, &all);
	}
	*ret = all;
	return 0;
}

static void answer_frames(struct job *job)
{
	struct symbolizer_result all;

	if (job->nr_ok && !merge(job, &all)) {
		job->on_frames(SYMCLIENT_OK, &all, job->userdata);
		codec_result_deinit(&all);
	} else {
		job->on_frames(job->nr_ok ? SYMCLIENT_LOST : job->status, NULL, job->userdata);
	}
}

static void finish_job(struct job *job)
{
	switch (job->type) {
	case SYMWIRE_FRAMES:
	case SYMWIRE_KERNEL:
	case SYMWIRE_JIT:
		answer_frames(job);
		break;
	case SYMWIRE_IDENTITY:
		job->on_identity(job->status, job->status ? NULL : job->parts->data, job->userdata);
		break;
	case SYMWIRE_DIGEST:
		job->on_digest(job->status, job->status ? NULL : job->parts[0].data, job->userdata);
		break;
	case SYMWIRE_UNWIND:
		job->on_unwind(job->status, job->status ? NULL : job->parts->data,
			       job->status ? 0 : job->parts->size, job->userdata);
		break;
	default:
		if (job->status)
			job->on_containers(job->status, NULL, 0, job->userdata);
		break;
	}
	job_free(job);
}

static int take_containers(struct job *job, const void *data, size_t size)
{
	struct symclient_container *containers;
	size_t nr;
	int r = codec_decode_containers(data, size, &containers, &nr);

	if (r < 0)
		return r;
	job->on_containers(SYMCLIENT_OK, containers, nr, job->userdata);
	free(containers);
	return 0;
}

static bool identity_is_valid(const struct symbolizer_identity *identity)
{
	return identity->build_id_len <= SYMBOLIZER_BUILD_ID_MAX &&
	       (unsigned int)identity->build_id_kind <= SYMBOLIZER_BUILD_ID_GO &&
	       memchr(identity->debuglink, '\0', sizeof(identity->debuglink));
}

/* Adds a part to its job; NULL without memory. */
static struct part *part_new(struct job *job, size_t first, size_t nr)
{
	struct part *part = calloc(1, sizeof(*part));

	if (!part)
		return NULL;
	*part = (struct part) { .job = job, .next_of_job = job->parts, .first = first, .nr = nr };
	job->parts = part;
	job->nr_waiting++;
	return part;
}

static void enqueue(struct part *part)
{
	struct symclient *c = part->job->client;
	enum symclient_priority p = part->job->priority;

	part->id = ++c->next_id;
	*c->last[p] = part;
	c->last[p] = &part->next;
	c->nr_queued++;
}

/* Answers to the first of the part's addresses, maybe all; the rest is asked for again, behind what waits already. */
static int take_frames(struct part *part, size_t size)
{
	const struct symwire_frames *head = part->data;
	struct part *rest;
	size_t nr;
	int r;

	if (size < sizeof(*head) || head->nr_answers > part->nr || (part->nr && !head->nr_answers))
		return -EBADMSG;
	nr = head->nr_answers;
	r = codec_decode_frames(part->data, size, nr, &part->result);
	if (r < 0 || nr == part->nr)
		return r;
	rest = part_new(part->job, part->first + nr, part->nr - nr);
	part->nr = nr;
	if (rest)
		enqueue(rest);
	return 0;
}

/* The wall: what the answer's bytes must be. */
static int take_data(struct part *part, size_t size)
{
	const struct symbolizer_identity *identity = part->data;

	switch (part->job->type) {
	case SYMWIRE_IDENTITY:
		return size == sizeof(*identity) && identity_is_valid(identity) ? 0 : -EBADMSG;
	case SYMWIRE_UNWIND:
		part->size = size;
		return unwind_image_check(part->data, size) ? 0 : -EBADMSG;
	case SYMWIRE_DIGEST:
		return size == SYMBOLIZER_DIGEST_SIZE ? 0 : -EBADMSG;
	case SYMWIRE_CONTAINERS:
		return take_containers(part->job, part->data, size);
	default:
		return take_frames(part, size);
	}
}

static void answer_part(struct part *part, enum symclient_status status, size_t size)
{
	struct job *job = part->job;

	if (part->answered)
		return;
	part->answered = true;
	if (status == SYMCLIENT_OK && take_data(part, size) < 0)
		status = SYMCLIENT_BROKEN;
	if (status == SYMCLIENT_OK)
		job->nr_ok++;
	else if (job->status == SYMCLIENT_OK)
		job->status = status;
	if (--job->nr_waiting == 0)
		finish_job(job);
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
	struct part **found, *part;

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
	answer_part(part, status, header->size);
	return true;
}

static int send_part(struct symclient *c, const struct part *part)
{
	const struct job *job = part->job;
	size_t size = part->nr * sizeof(*job->addresses);
	struct symwire_request request = job->head;

	request.nr = (uint32_t)part->nr;
	request.header =
		wire_header(job->type, part->id, sizeof(request) - sizeof(request.header) + size);
	return fdpass_send_many(helper_socket(c->helper), &request, sizeof(request),
				job->addresses + part->first, size, job->fds, job->nr_fds);
}

static struct part *next_part(struct symclient *c, unsigned int *ret_priority)
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
	struct part *part;
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
			answer_part(part, SYMCLIENT_LOST, 0);
		else
			*(struct part **)value = part;
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
		struct part *part = *(struct part **)value;

		hashmap_remove(c->sent, &part->id);
		it = 0; /* the map changed */
		answer_part(part, SYMCLIENT_LOST, 0);
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
	r = hashmap_new(&c->sent, sizeof(uint64_t), sizeof(struct part *), IN_FLIGHT_MAX + 1);
	if (!r)
		r = helper_new(&c->helper, loop, &config);
	if (r)
		return err_errno(err, r, "cannot start fleetprof-symbolizer");
	*ret = TAKE_PTR(c);
	return 0;
}

struct symclient *symclient_free(struct symclient *c)
{
	struct part *part;
	unsigned int p;

	if (!c)
		return NULL;
	c->closing = true;
	c->helper = helper_free(c->helper);
	if (c->sent)
		on_down(c);
	while ((part = next_part(c, &p))) {
		c->first[p] = part->next;
		answer_part(part, SYMCLIENT_LOST, 0);
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

size_t symclient_pending(const struct symclient *c)
{
	return c->nr_queued + hashmap_count(c->sent);
}

static bool make_parts(struct job *job)
{
	size_t first = 0;

	do {
		size_t nr = MIN(job->nr - first, (size_t)SYMWIRE_ADDRESSES_MAX);

		if (!part_new(job, first, nr))
			return false;
		first += nr;
	} while (first < job->nr);
	return true;
}

static int add_fd(struct job *job, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (copy < 0)
		return err_last();
	job->fds[job->nr_fds++] = copy;
	return 0;
}

/* Without one of them there are fewer names, which is no error. */
static void add_supplements(struct job *job, const struct symclient_file *file)
{
	job->head.has_debug = file->debug_fd > 0 && !add_fd(job, file->debug_fd);
	job->head.has_alt = file->alt_fd > 0 && !add_fd(job, file->alt_fd);
	job->head.has_package = file->package_fd > 0 && !add_fd(job, file->package_fd);
	for (size_t i = 0; i < file->nr_splits && job->head.nr_splits < SYMWIRE_SPLITS_MAX; i++)
		job->head.nr_splits += !add_fd(job, file->split_fds[i]);
}

static int job_new(struct job **ret, struct symclient *c, enum symwire_type type,
		   const struct symclient_file *file, const uint64_t *addresses, size_t nr)
{
	struct job *job;
	int r;

	if (c->closing)
		return -ESHUTDOWN;
	if (c->nr_queued + nr / SYMWIRE_ADDRESSES_MAX + 1 > QUEUED_MAX)
		return -EBUSY;
	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	*job = (struct job) { .client = c,
			      .type = type,
			      .head = { .key = file->key, .owner = file->owner },
			      .nr = nr };
	job->addresses = malloc((nr + 1) * sizeof(*addresses));
	r = add_fd(job, file->fd);
	if (!r && (!job->addresses || !make_parts(job)))
		r = -ENOMEM;
	if (r < 0) {
		job_free(job);
		return r;
	}
	add_supplements(job, file);
	if (nr)
		memcpy(job->addresses, addresses, nr * sizeof(*addresses));
	*ret = job;
	return 0;
}

static void submit(struct job *job, enum symclient_priority priority)
{
	job->priority = priority;
	for (struct part *part = job->parts; part; part = part->next_of_job)
		enqueue(part);
	send_queued(job->client);
}

static int ask_frames(struct symclient *c, enum symwire_type type,
		      const struct symclient_file *file, enum symclient_priority priority,
		      const uint64_t *addresses, size_t nr, symclient_frames_fn fn, void *userdata)
{
	struct job *job;
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
	struct job *job;
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
	struct job *job;
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
	struct job *job;
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
	struct job *job;
	int r = job_new(&job, c, SYMWIRE_CONTAINERS, file, NULL, 0);

	if (r < 0)
		return r;
	job->on_containers = fn;
	job->userdata = userdata;
	submit(job, SYMCLIENT_NAMES);
	return 0;
}
