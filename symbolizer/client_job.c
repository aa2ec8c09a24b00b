/* A call of the symbolizer's client: made into messages, answered when each of them has an answer, which is checked here. */
#include "agent/base/fdpass.h"
#include "proto/unwind_image.h"
#include "symbolizer/client_internal.h"
#include "symbolizer/codec.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static void job_free(struct symjob *job)
{
	while (job->parts) {
		struct sympart *part = job->parts;

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
static void add_wants(const struct sympart *part, struct symbolizer_result *all)
{
	for (size_t i = 0; i < part->result.nr_wants && all->nr_wants < SYMWIRE_WANTS_MAX; i++)
		all->wants[all->nr_wants++] = part->result.wants[i];
}

/* Puts the parts' results one behind the other; a part without one is addresses without names. */
static int merge(const struct symjob *job, struct symbolizer_result *ret)
{
	struct symbolizer_result all = { .nr_answers = job->nr };
	size_t frames = 0;

	for (const struct sympart *part = job->parts; part; part = part->next_of_job)
		all.nr_frames += part->result.nr_frames;
	all.answers = calloc(all.nr_answers + 1, sizeof(*all.answers));
	all.frames = calloc(all.nr_frames + 1, sizeof(*all.frames));
	all.wants = calloc(SYMWIRE_WANTS_MAX, sizeof(*all.wants));
	if (!all.answers || !all.frames || !all.wants) {
		codec_result_deinit(&all);
		return -ENOMEM;
	}
	for (const struct sympart *part = job->parts; part; part = part->next_of_job) {
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

static void answer_frames(struct symjob *job)
{
	struct symbolizer_result all;

	if (job->nr_ok && !merge(job, &all)) {
		job->on_frames(SYMCLIENT_OK, &all, job->userdata);
		codec_result_deinit(&all);
	} else {
		job->on_frames(job->nr_ok ? SYMCLIENT_LOST : job->status, NULL, job->userdata);
	}
}

static void finish_job(struct symjob *job)
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

static int take_containers(struct symjob *job, const void *data, size_t size)
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
static struct sympart *part_new(struct symjob *job, size_t first, size_t nr)
{
	struct sympart *part = calloc(1, sizeof(*part));

	if (!part)
		return NULL;
	*part = (struct sympart) {
		.job = job, .next_of_job = job->parts, .first = first, .nr = nr
	};
	job->parts = part;
	job->nr_waiting++;
	return part;
}

/* Answers to the first of the part's addresses, maybe all; the rest is asked for again, behind what waits already. */
static int take_frames(struct sympart *part, size_t size)
{
	const struct symwire_frames *head = part->data;
	struct sympart *rest;
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
		symclient_enqueue(rest);
	return 0;
}

/* The wall: what the answer's bytes must be. */
static int take_data(struct sympart *part, size_t size)
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

void symjob_answer(struct sympart *part, enum symclient_status status, size_t size)
{
	struct symjob *job = part->job;

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

static bool make_parts(struct symjob *job)
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

static int add_fd(struct symjob *job, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (copy < 0)
		return err_last();
	job->fds[job->nr_fds++] = copy;
	return 0;
}

/* Without one of them there are fewer names, which is no error. */
static void add_supplements(struct symjob *job, const struct symclient_file *file)
{
	job->head.has_debug = file->debug_fd > 0 && !add_fd(job, file->debug_fd);
	job->head.has_alt = file->alt_fd > 0 && !add_fd(job, file->alt_fd);
	job->head.has_package = file->package_fd > 0 && !add_fd(job, file->package_fd);
	for (size_t i = 0; i < file->nr_splits && job->head.nr_splits < SYMWIRE_SPLITS_MAX; i++)
		job->head.nr_splits += !add_fd(job, file->split_fds[i]);
}

int symjob_new(struct symjob **ret, struct symclient *c, enum symwire_type type,
	       const struct symclient_file *file, const uint64_t *addresses, size_t nr)
{
	struct symjob *job;
	int r;

	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	*job = (struct symjob) { .client = c,
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
