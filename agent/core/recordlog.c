/* A file of checksummed records that only grows. */
#include "agent/core/recordlog.h"
#include "agent/base/err.h"
#include "agent/base/hashmap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define MAGIC 0x31454d414e505246ULL /* "FRPNAME1" */
#define FORMAT 1 /* of the file and its records: another one is started anew */
#define ALIGN 8
#define CHAIN_MAX UINT16_MAX

struct file_head {
	uint64_t magic, format, build;
	uint64_t
		seed; /* of this file's checksums: what an older file left on the disk is not this one's */
	uint64_t sum; /* of the above */
};

struct record_head {
	uint64_t sum; /* of what follows here, with the file's seed and the record's place */
	uint64_t data_sum;
	uint64_t previous; /* of this key; 0: it is the first */
	uint32_t size; /* of the data behind it, then padding to ALIGN */
	uint16_t chain; /* records of this key, with this one */
	uint8_t kind, pad;
	uint8_t key[RECORDLOG_KEY_BYTES];
};
_Static_assert(sizeof(struct record_head) == 96, "no padding");

struct recordlog {
	int fd;
	uint64_t seed, end, max_bytes;
	struct hashmap *places; /* hash of a key → uint64_t place of its latest record */
};

static uint64_t padded(uint64_t size)
{
	return (size + ALIGN - 1) / ALIGN * ALIGN;
}

static uint64_t sum_of_head(const struct recordlog *log, const struct record_head *h, uint64_t at)
{
	return hash_bytes((const uint8_t *)h + sizeof(h->sum), sizeof(*h) - sizeof(h->sum),
			  log->seed + at);
}

static uint64_t hash_of(const struct recordlog_key *key)
{
	return hash_bytes(key, sizeof(*key), 0);
}

static int read_at(int fd, void *data, size_t size, uint64_t at)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = pread(fd, (char *)data + got, size - got, (off_t)(at + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_last() : -EBADMSG;
		got += (size_t)n;
	}
	return 0;
}

/* The head of the record at a place, if there is a whole one. */
static int read_head(const struct recordlog *log, uint64_t at, struct record_head *ret)
{
	int r;

	if (at > log->end || log->end - at < sizeof(*ret))
		return -EBADMSG;
	r = read_at(log->fd, ret, sizeof(*ret), at);
	if (r < 0)
		return r;
	if (ret->sum != sum_of_head(log, ret, at) || ret->size > RECORDLOG_DATA_MAX ||
	    padded(ret->size) > log->end - at - sizeof(*ret) || ret->previous >= at || !ret->chain)
		return -EBADMSG;
	return 0;
}

static struct recordlog_key key_of(const struct record_head *h)
{
	struct recordlog_key key = { .kind = h->kind };

	memcpy(key.bytes, h->key, sizeof(key.bytes));
	return key;
}

static int set_place(struct recordlog *log, const struct recordlog_key *key, uint64_t at)
{
	uint64_t hash = hash_of(key);
	void *place;
	int r = hashmap_put(log->places, &hash, &place, NULL);

	if (r)
		return r < 0 ? r : RECORDLOG_E_FULL;
	*(uint64_t *)place = at;
	return 0;
}

/* Finds the records; what is behind the last good one is cut off. */
static int scan(struct recordlog *log, uint64_t *ret_cut)
{
	uint64_t at = sizeof(struct file_head);
	struct record_head head;
	int r = 0;

	while (!r && at < log->end && !read_head(log, at, &head)) {
		struct recordlog_key key = key_of(&head);

		r = set_place(log, &key, at);
		at += sizeof(head) + padded(head.size);
	}
	if (r < 0)
		return r;
	*ret_cut = log->end - at;
	log->end = at;
	return *ret_cut && ftruncate(log->fd, (off_t)at) < 0 ? err_last() : 0;
}

static uint64_t sum_of_file_head(const struct file_head *h)
{
	return hash_bytes(h, offsetof(struct file_head, sum), 0);
}

/* Is it a file to go on with? */
static bool is_usable(struct recordlog *log, const struct recordlog_config *config)
{
	struct file_head head;

	if (config->fresh || log->end < sizeof(head) || log->end > config->max_bytes ||
	    read_at(log->fd, &head, sizeof(head), 0) < 0)
		return false;
	log->seed = head.seed;
	return head.magic == MAGIC && head.format == FORMAT && head.build == config->build &&
	       head.sum == sum_of_file_head(&head);
}

static int start_anew(struct recordlog *log, uint64_t build)
{
	struct file_head head = { .magic = MAGIC, .format = FORMAT, .build = build };
	ssize_t n;

	if (ftruncate(log->fd, 0) < 0 || getrandom(&head.seed, sizeof(head.seed), 0) < 0)
		return err_last();
	head.sum = sum_of_file_head(&head);
	n = pwrite(log->fd, &head, sizeof(head), 0);
	if (n != sizeof(head))
		return n < 0 ? err_last() : -ENOSPC;
	log->seed = head.seed;
	log->end = sizeof(head);
	return 0;
}

/* A plain file that nobody else can write. */
static int open_file(const struct recordlog_config *config, uint64_t *ret_size)
{
	_cleanup_(closep) int fd =
		openat(config->dir_fd, config->name,
		       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_last();
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_uid != geteuid() || (st.st_mode & 022) || st.st_nlink != 1)
		return -EPERM;
	*ret_size = (uint64_t)st.st_size;
	return TAKE_FD(fd);
}

int recordlog_open(struct recordlog **ret, const struct recordlog_config *config,
		   struct recordlog_found *ret_found)
{
	_cleanup_(recordlog_freep) struct recordlog *log = calloc(1, sizeof(*log));
	struct recordlog_found found = { .cut = 0 };
	int r;

	if (!log)
		return -ENOMEM;
	log->max_bytes = config->max_bytes;
	log->fd = r = open_file(config, &log->end);
	if (r < 0)
		return r;
	r = hashmap_new(&log->places, sizeof(uint64_t), sizeof(uint64_t), config->max_keys);
	if (r < 0)
		return r;
	if (is_usable(log, config)) {
		r = scan(log, &found.cut);
	} else {
		found.dropped = log->end && !config->fresh;
		r = start_anew(log, config->build);
	}
	if (r < 0)
		return r;
	/* The records are wanted soon, and whoever reads them then should not wait for the disk. */
	posix_fadvise(log->fd, 0, 0, POSIX_FADV_WILLNEED);
	*ret_found = found;
	*ret = TAKE_PTR(log);
	return 0;
}

struct recordlog *recordlog_free(struct recordlog *log)
{
	if (!log)
		return NULL;
	close_fd(log->fd);
	hashmap_free(log->places);
	free(log);
	return NULL;
}

uint64_t recordlog_bytes(const struct recordlog *log)
{
	return log->end;
}

size_t recordlog_keys(const struct recordlog *log)
{
	return hashmap_count(log->places);
}

/* The place and head of the key's latest record. */
static bool find(const struct recordlog *log, const struct recordlog_key *key, uint64_t *ret_at,
		 struct record_head *ret)
{
	uint64_t hash = hash_of(key);
	const uint64_t *place = hashmap_get(log->places, &hash);

	if (!place || read_head(log, *place, ret) < 0)
		return false;
	*ret_at = *place;
	return ret->kind == key->kind && !memcmp(ret->key, key->bytes, sizeof(ret->key));
}

unsigned int recordlog_count(const struct recordlog *log, const struct recordlog_key *key)
{
	struct record_head head;
	uint64_t at;

	return find(log, key, &at, &head) ? head.chain : 0;
}

void recordlog_forget(struct recordlog *log, const struct recordlog_key *key)
{
	uint64_t hash = hash_of(key);

	hashmap_remove(log->places, &hash);
}

static int write_record(struct recordlog *log, const struct record_head *head, const void *data,
			size_t size)
{
	static const char zeros[ALIGN];
	const struct iovec parts[] = {
		{ .iov_base = (void *)head, .iov_len = sizeof(*head) },
		{ .iov_base = (void *)data, .iov_len = size },
		{ .iov_base = (void *)zeros, .iov_len = padded(size) - size },
	};
	size_t whole = sizeof(*head) + padded(size);
	ssize_t n = pwritev(log->fd, parts, ARRAY_SIZE(parts), (off_t)log->end);
	int r = n == (ssize_t)whole ? 0 : n < 0 ? err_last() : -ENOSPC;

	if (r < 0 && ftruncate(log->fd, (off_t)log->end) < 0)
		return err_last();
	return r;
}

int recordlog_append(struct recordlog *log, const struct recordlog_key *key, const void *data,
		     size_t size, bool first)
{
	struct record_head before, head = { .size = (uint32_t)size, .kind = key->kind, .chain = 1 };
	uint64_t whole = sizeof(head) + padded(size);
	int r;

	if (size > RECORDLOG_DATA_MAX)
		return -EMSGSIZE;
	if (whole > log->max_bytes || log->end > log->max_bytes - whole)
		return RECORDLOG_E_FULL;
	memcpy(head.key, key->bytes, sizeof(head.key));
	if (!first && find(log, key, &head.previous, &before)) {
		if (before.chain == CHAIN_MAX)
			return RECORDLOG_E_FULL;
		head.chain = (uint16_t)(before.chain + 1);
	}
	head.data_sum = hash_bytes(data, size, log->seed + log->end);
	head.sum = sum_of_head(log, &head, log->end);
	r = write_record(log, &head, data, size);
	if (!r)
		r = set_place(log, key, log->end);
	if (!r)
		log->end += whole; /* else the next one is written over it */
	return r;
}

static int read_data(const struct recordlog *log, uint64_t at, const struct record_head *head,
		     void **ret)
{
	_cleanup_(freep) void *data = malloc(head->size + 1);
	int r;

	if (!data)
		return -ENOMEM;
	r = read_at(log->fd, data, head->size, at + sizeof(*head));
	if (!r && hash_bytes(data, head->size, log->seed + at) != head->data_sum)
		r = -EBADMSG;
	if (r < 0)
		return r;
	*ret = TAKE_PTR(data);
	return 0;
}

static int read_one(const struct recordlog *log, const struct recordlog_key *key, uint64_t at,
		    struct record_head *head, void **ret)
{
	int r = read_head(log, at, head);

	if (!r && (head->kind != key->kind || memcmp(head->key, key->bytes, sizeof(head->key))))
		r = -EBADMSG;
	return r ?: read_data(log, at, head, ret);
}

int recordlog_read(struct recordlog *log, const struct recordlog_key *key, recordlog_fn fn,
		   void *userdata)
{
	struct record_head head;
	uint64_t at;
	void *data = NULL;
	int r;

	if (!find(log, key, &at, &head))
		return -ENOENT;
	do {
		r = read_one(log, key, at, &head, &data);
		if (r == -EBADMSG)
			recordlog_forget(log, key);
		if (r < 0)
			return r;
		r = fn(data, head.size, userdata);
		at = head.previous;
	} while (!r && at);
	return r;
}
