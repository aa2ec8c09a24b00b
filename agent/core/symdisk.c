/* What addresses were found to mean, kept on disk. */
#include "agent/core/symdisk.h"
#include "agent/base/buf.h"
#include "agent/base/hashmap.h"
#include "agent/base/log.h"
#include "agent/core/recordlog.h"
#include "symbolizer/codec.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define NAME_YOUNG "names"
#define NAME_OLD "names.old"
#define CHAIN_LONG 8 /* records of one file: then they become one */
#define MERGE_MAX (4u << 20) /* bytes that one record is made of; more stays in several */
#define FRAMES_MAX (MERGE_MAX / 16) /* … and their frames */

enum kind { KIND_ANSWERS = 1, KIND_DIGEST };

/* A record of answers: this, nr offsets (ascending), then what the symbolizer would send. */
struct answers_head {
	uint32_t nr, pad;
};

struct symdisk {
	int dir_fd;
	struct symdisk_config config;
	struct recordlog *young, *old; /* NULL: there is none */
	bool said; /* that writing fails */
	struct symdisk_counts counts;
};

/* A record in memory, checked. */
struct loaded {
	struct loaded *next; /* an older one */
	void *data;
	const uint64_t *offsets;
	struct symbolizer_result result;
};

struct loading {
	struct loaded *first, **last;
	size_t bytes;
};

static void loading_deinit(struct loading *l)
{
	while (l->first) {
		struct loaded *gone = l->first;

		l->first = gone->next;
		codec_result_deinit(&gone->result);
		free(gone->data);
		free(gone);
	}
}
DEFINE_CLEANUP_EMBEDDED(struct loading, loading_deinit)

/* ---- generations ---- */

static size_t max_keys(const struct symdisk *d)
{
	return d->config.max_memory / 2 / RECORDLOG_MEMORY_PER_KEY + 1;
}

static void say_error(struct symdisk *d, const char *what, int r)
{
	d->counts.errors++;
	if (!d->said)
		log_warn("cannot %s the cache of names in the state directory, which costs CPU "
			 "after a restart: %s",
			 what, err_str(r));
	d->said = true;
}

static struct recordlog *open_generation(struct symdisk *d, const char *name, bool fresh)
{
	const struct recordlog_config config = { .dir_fd = d->dir_fd,
						 .name = name,
						 .build = d->config.build,
						 .max_bytes = d->config.max_bytes / 2,
						 .max_keys = max_keys(d),
						 .fresh = fresh };
	struct recordlog *log = NULL;
	struct recordlog_found found;
	int r = recordlog_open(&log, &config, &found);

	if (r < 0) {
		say_error(d, "open", r);
		return NULL;
	}
	d->counts.corrupt += found.dropped || found.cut;
	if (found.dropped)
		log_info("%s in the state directory is of another build or damaged: it is started "
			 "anew",
			 name);
	else if (found.cut)
		log_warn("the last %llu bytes of %s in the state directory are damaged: they are "
			 "cut off",
			 (unsigned long long)found.cut, name);
	return log;
}

static bool exists(const struct symdisk *d, const char *name)
{
	struct stat st;

	return !fstatat(d->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW);
}

int symdisk_open(struct symdisk **ret, const struct symdisk_config *config)
{
	_cleanup_(symdisk_freep) struct symdisk *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->config = *config;
	d->dir_fd = fcntl(config->dir_fd, F_DUPFD_CLOEXEC, 3);
	if (d->config.max_bytes < SYMDISK_BYTES_MIN) {
		unlinkat(d->dir_fd, NAME_YOUNG, 0);
		unlinkat(d->dir_fd, NAME_OLD, 0);
	} else {
		d->young = open_generation(d, NAME_YOUNG, false);
		if (d->young && exists(d, NAME_OLD))
			d->old = open_generation(d, NAME_OLD, false);
	}
	*ret = TAKE_PTR(d);
	return 0;
}

struct symdisk *symdisk_free(struct symdisk *d)
{
	if (!d)
		return NULL;
	recordlog_free(d->young);
	recordlog_free(d->old);
	close_fd(d->dir_fd);
	free(d);
	return NULL;
}

/* The young one is full. */
static int turn_over(struct symdisk *d)
{
	if (renameat(d->dir_fd, NAME_YOUNG, d->dir_fd, NAME_OLD) < 0)
		return err_last();
	if (d->old)
		d->counts.evicted += recordlog_bytes(d->old);
	recordlog_free(d->old);
	d->old = TAKE_PTR(d->young);
	d->young = open_generation(d, NAME_YOUNG, true);
	return d->young ? 0 : -EIO;
}

static int append(struct symdisk *d, const struct recordlog_key *key, const void *data, size_t size,
		  bool first)
{
	int r = d->young ? recordlog_append(d->young, key, data, size, first) : -ENOENT;

	if (r == RECORDLOG_E_FULL) {
		r = turn_over(d);
		if (!r)
			r = recordlog_append(d->young, key, data, size, true);
	}
	if (r > 0)
		d->counts.refused++;
	else if (r < 0)
		say_error(d, "write", r);
	return r;
}

/* ---- records of answers ---- */

static struct recordlog_key key_of(const struct symdisk_key *key)
{
	struct recordlog_key k = { .kind = KIND_ANSWERS };

	_Static_assert(sizeof(*key) == RECORDLOG_KEY_BYTES, "both digests");
	memcpy(k.bytes, key, sizeof(*key));
	return k;
}

/* The wall: a record is read as what a symbolizer sent. */
static int check(struct loaded *l, size_t size)
{
	const struct answers_head *head = l->data;
	size_t offsets;

	if (size < sizeof(*head) || head->nr > (size - sizeof(*head)) / sizeof(uint64_t))
		return -EBADMSG;
	l->offsets = (const void *)(head + 1);
	for (uint32_t i = 1; i < head->nr; i++) {
		if (l->offsets[i] <= l->offsets[i - 1])
			return -EBADMSG;
	}
	offsets = sizeof(*head) + head->nr * sizeof(uint64_t);
	return codec_decode_frames((const char *)l->data + offsets, size - offsets, head->nr,
				   &l->result);
}

static int on_record(void *data, size_t size, void *userdata)
{
	struct loading *loading = userdata;
	struct loaded *l = calloc(1, sizeof(*l));
	int r;

	if (!l) {
		free(data);
		return -ENOMEM;
	}
	l->data = data;
	*loading->last = l;
	loading->last = &l->next;
	loading->bytes += size;
	r = check(l, size);
	if (r < 0)
		l->result = SYMBOLIZER_RESULT_NULL;
	return r;
}

/* Adds what a generation has for the key, latest first; true if it has something. */
static bool load(struct symdisk *d, struct recordlog *log, const struct recordlog_key *key,
		 struct loading *loading)
{
	size_t before = loading->bytes;
	int r = log ? recordlog_read(log, key, on_record, loading) : -ENOENT;

	if (r == -EBADMSG) {
		d->counts.corrupt++;
		recordlog_forget(log, key);
	} else if (r < 0 && r != -ENOENT) {
		say_error(d, "read", r);
	}
	return loading->bytes != before;
}

static int add_record(struct symdisk *d, const struct recordlog_key *key, const uint64_t *offsets,
		      const struct symbolizer_result *result, bool first)
{
	const struct answers_head head = { .nr = (uint32_t)result->nr_answers };
	_cleanup_(buf_deinitp) struct buf out = BUF_NULL;
	int r;

	buf_init(&out, RECORDLOG_DATA_MAX);
	buf_add(&out, &head, sizeof(head));
	buf_add(&out, offsets, result->nr_answers * sizeof(*offsets));
	r = out.error ?: codec_encode_frames(result, &out);
	if (!r && out.len > d->config.max_bytes / 16) /* the other files' go for no single one's */
		r = -EMSGSIZE;
	if (r < 0) {
		d->counts.refused++;
		return r;
	}
	r = append(d, key, out.data, out.len, first);
	if (!r)
		d->counts.written += result->nr_answers;
	return r;
}

/* ---- several records become one ---- */

struct merged {
	uint64_t offset;
	const struct loaded *from;
	uint32_t answer, order;
};

static int compare_merged(const void *a, const void *b)
{
	const struct merged *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Every offset once, ascending, as the latest record has it; the number of them. */
static size_t sort_out(const struct loading *loading, struct merged *all)
{
	size_t nr = 0, kept = 0;

	for (const struct loaded *l = loading->first; l; l = l->next) {
		for (uint32_t i = 0; i < l->result.nr_answers; i++) {
			all[nr] = (struct merged) { .offset = l->offsets[i],
						    .from = l,
						    .answer = i,
						    .order = (uint32_t)nr };
			nr++;
		}
	}
	qsort(all, nr, sizeof(*all), compare_merged);
	for (size_t i = 0; i < nr; i++) {
		if (!kept || all[i].offset != all[kept - 1].offset)
			all[kept++] = all[i];
	}
	return kept;
}

/* As one result; its arrays have the room. */
static void gather(const struct merged *all, size_t nr, uint64_t *offsets,
		   struct symbolizer_result *ret)
{
	for (size_t i = 0; i < nr; i++) {
		const struct symbolizer_result *from = &all[i].from->result;
		struct symbolizer_answer answer = from->answers[all[i].answer];

		offsets[i] = all[i].offset;
		memcpy(ret->frames + ret->nr_frames, from->frames + answer.first_frame,
		       answer.nr_frames * sizeof(*ret->frames));
		answer.first_frame = (uint32_t)ret->nr_frames;
		ret->nr_frames += answer.nr_frames;
		ret->answers[ret->nr_answers++] = answer;
	}
}

static int rewrite(struct symdisk *d, const struct recordlog_key *key,
		   const struct loading *loading)
{
	_cleanup_(freep) struct merged *all = NULL;
	_cleanup_(freep) uint64_t *offsets = NULL;
	struct symbolizer_result result = SYMBOLIZER_RESULT_NULL;
	size_t nr = 0, nr_frames = 0;
	int r = -ENOMEM;

	for (const struct loaded *l = loading->first; l; l = l->next)
		nr += l->result.nr_answers;
	all = calloc(nr + 1, sizeof(*all));
	offsets = calloc(nr + 1, sizeof(*offsets));
	result.answers = calloc(nr + 1, sizeof(*result.answers));
	nr = all ? sort_out(loading, all) : 0;
	for (size_t i = 0; i < nr; i++) /* answers may share frames: each gets its own here */
		nr_frames += all[i].from->result.answers[all[i].answer].nr_frames;
	if (nr_frames <= FRAMES_MAX)
		result.frames = calloc(nr_frames + 1, sizeof(*result.frames));
	if (all && offsets && result.answers && result.frames) {
		gather(all, nr, offsets, &result);
		r = add_record(d, key, offsets, &result, true);
	}
	codec_result_deinit(&result);
	return r;
}

/* ---- the verbs ---- */

void symdisk_get(struct symdisk *d, const struct symdisk_key *key, symdisk_fn fn, void *userdata)
{
	const struct recordlog_key k = key_of(key);
	_cleanup_(loading_deinitp) struct loading loading = { .last = &loading.first };
	bool young, old;

	young = load(d, d->young, &k, &loading);
	old = load(d, d->old, &k, &loading);
	if (young || old)
		d->counts.hits++;
	else
		d->counts.misses++;
	for (const struct loaded *l = loading.first; l; l = l->next) {
		for (size_t i = 0; i < l->result.nr_answers; i++) {
			struct symbolizer_answer answer = l->result.answers[i];
			const struct symbolizer_frame *frames =
				l->result.frames + answer.first_frame;

			answer.first_frame = 0;
			fn(l->offsets[i], &answer, frames, userdata);
		}
		d->counts.read += l->result.nr_answers;
	}
	/* What is in use does not go with the old generation. */
	if (old && loading.bytes <= MERGE_MAX && !rewrite(d, &k, &loading) && d->old)
		recordlog_forget(d->old, &k);
}

/* Without those that lack something: with more memory or another file they may be better the next time. */
static int leave_out(const uint64_t *offsets, const struct symbolizer_result *from,
		     uint64_t *ret_offsets, struct symbolizer_result *to)
{
	for (size_t i = 0; i < from->nr_answers; i++) {
		if (from->answers[i].less)
			continue;
		ret_offsets[to->nr_answers] = offsets[i];
		to->answers[to->nr_answers++] = from->answers[i];
	}
	return to->nr_answers > 0;
}

void symdisk_put(struct symdisk *d, const struct symdisk_key *key, const uint64_t *offsets,
		 const struct symbolizer_result *result)
{
	const struct recordlog_key k = key_of(key);
	_cleanup_(loading_deinitp) struct loading loading = { .last = &loading.first };
	_cleanup_(freep) uint64_t *kept = calloc(result->nr_answers + 1, sizeof(*kept));
	_cleanup_(freep) struct symbolizer_answer *answers =
		calloc(result->nr_answers + 1, sizeof(*answers));
	struct symbolizer_result whole = { .answers = answers,
					   .frames = result->frames,
					   .nr_frames = result->nr_frames };

	if (!d->young || !kept || !answers || !leave_out(offsets, result, kept, &whole))
		return;
	if (add_record(d, &k, kept, &whole, false) || recordlog_count(d->young, &k) < CHAIN_LONG)
		return;
	load(d, d->young, &k, &loading);
	if (loading.bytes <= MERGE_MAX)
		(void)rewrite(d, &k, &loading);
}

static struct recordlog_key key_of_revision(const struct symdisk_revision *revision)
{
	struct recordlog_key k = { .kind = KIND_DIGEST };

	_Static_assert(sizeof(*revision) == 40, "no padding");
	memcpy(k.bytes, revision, sizeof(*revision));
	return k;
}

struct recall {
	uint8_t *digest;
	bool found;
};

static int on_digest(void *data, size_t size, void *userdata)
{
	struct recall *recall = userdata;

	recall->found = size == SYMBOLIZER_DIGEST_SIZE;
	if (recall->found)
		memcpy(recall->digest, data, size);
	free(data);
	return 1; /* the latest is enough */
}

bool symdisk_recall(struct symdisk *d, const struct symdisk_revision *revision,
		    uint8_t ret[SYMBOLIZER_DIGEST_SIZE])
{
	const struct recordlog_key k = key_of_revision(revision);
	struct recall recall = { .digest = ret };

	if (d->young && recordlog_read(d->young, &k, on_digest, &recall) == 1 && recall.found)
		return true;
	if (!d->old || recordlog_read(d->old, &k, on_digest, &recall) != 1 || !recall.found)
		return false;
	append(d, &k, ret, SYMBOLIZER_DIGEST_SIZE, true);
	return true;
}

void symdisk_remember(struct symdisk *d, const struct symdisk_revision *revision,
		      const uint8_t digest[SYMBOLIZER_DIGEST_SIZE])
{
	const struct recordlog_key k = key_of_revision(revision);

	if (d->young)
		append(d, &k, digest, SYMBOLIZER_DIGEST_SIZE, true);
}

void symdisk_counts(const struct symdisk *d, struct symdisk_counts *ret)
{
	*ret = d->counts;
	for (int i = 0; i < 2; i++) {
		const struct recordlog *log = i ? d->old : d->young;

		if (!log)
			continue;
		ret->bytes += recordlog_bytes(log);
		ret->keys += recordlog_keys(log);
	}
}
