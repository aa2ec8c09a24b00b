/* Debug files on disk. */
#include "agent/exporter/debuginfod_cache.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define SUFFIX ".new" /* of a file that is not whole yet */
#define NAME_BYTES (DEBUGINFOD_ID_HEX + sizeof(SUFFIX))
/* Handed to the disk as it comes, so that the sync at the end has little left to wait for. */
#define FLUSH_BYTES (4u << 20)
#define FREE_CHECK_BYTES (16u << 20) /* how much is written before the disk is looked at again */

struct entry {
	struct debuginfod_id id;
	uint64_t bytes;
	uint64_t used_ns; /* wall clock */
	bool kept; /* it was found to be in use, while room is made */
	int origin; /* -ENOENT: it was there at the start */
};

struct debuginfod_cache {
	struct debuginfod_cache_config config;
	int dir;
	struct entry *entries; /* unordered */
	size_t nr;
	uint64_t reserved; /* by files that are being written */
	struct debuginfod_cache_counts counts; /* bytes: of entries */
};

struct debuginfod_file {
	struct debuginfod_cache *cache;
	struct debuginfod_id id;
	int fd, origin;
	uint64_t written, reserved, flushed;
};

int debuginfod_id_set(struct debuginfod_id *id, const uint8_t *bytes, size_t len)
{
	if (len < WINWIRE_BUILD_ID_MIN || len > sizeof(id->bytes))
		return -EINVAL;
	*id = (struct debuginfod_id) { .len = len };
	memcpy(id->bytes, bytes, len);
	return 0;
}

bool debuginfod_id_equal(const struct debuginfod_id *a, const struct debuginfod_id *b)
{
	return a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

void debuginfod_id_print(const struct debuginfod_id *id, char ret[DEBUGINFOD_ID_HEX])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < id->len; i++) {
		ret[2 * i] = digits[id->bytes[i] >> 4];
		ret[2 * i + 1] = digits[id->bytes[i] & 15];
	}
	ret[2 * id->len] = '\0';
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int debuginfod_id_parse(const char *hex, struct debuginfod_id *ret)
{
	size_t len = strlen(hex);
	uint8_t bytes[WINWIRE_BUILD_ID_MAX];

	if (len % 2 || len > 2 * sizeof(bytes))
		return -EINVAL;
	for (size_t i = 0; i < len; i += 2) {
		int high = nibble(hex[i]), low = nibble(hex[i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		bytes[i / 2] = (uint8_t)(high << 4 | low);
	}
	return debuginfod_id_set(ret, bytes, len / 2);
}

static struct entry *find(struct debuginfod_cache *c, const struct debuginfod_id *id)
{
	for (size_t i = 0; i < c->nr; i++) {
		if (debuginfod_id_equal(&c->entries[i].id, id))
			return &c->entries[i];
	}
	return NULL;
}

static void forget(struct debuginfod_cache *c, struct entry *e)
{
	c->counts.bytes -= e->bytes;
	*e = c->entries[--c->nr];
}

/* Takes its name away, unless somebody has it open. */
static bool evict(struct debuginfod_cache *c, struct entry *e)
{
	char name[DEBUGINFOD_ID_HEX];
	_cleanup_(closep) int fd = -1;

	debuginfod_id_print(&e->id, name);
	fd = openat(c->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		return false;
	if (unlinkat(c->dir, name, 0) < 0 && errno != ENOENT)
		return false;
	log_debug("debug file %s makes room", name);
	c->counts.evicted++;
	forget(c, e);
	return true;
}

/* The longest unused one that may go, or NULL. */
static struct entry *longest_unused(struct debuginfod_cache *c)
{
	struct entry *oldest = NULL;

	for (size_t i = 0; i < c->nr; i++) {
		struct entry *e = &c->entries[i];

		if (!e->kept && (!oldest || e->used_ns < oldest->used_ns))
			oldest = e;
	}
	return oldest;
}

static bool has_room(const struct debuginfod_cache *c, uint64_t bytes, size_t files)
{
	uint64_t taken = c->counts.bytes + c->reserved;

	return taken <= c->config.max_bytes && bytes <= c->config.max_bytes - taken &&
	       c->nr + files <= DEBUGINFODCACHE_FILES_MAX;
}

/* Room for so much more. */
static int make_room(struct debuginfod_cache *c, uint64_t bytes, size_t files)
{
	struct entry *e;

	if (bytes > c->config.max_bytes) /* for nothing would the others go */
		return -ENOSPC;
	for (size_t i = 0; i < c->nr; i++)
		c->entries[i].kept = false;
	while (!has_room(c, bytes, files)) {
		e = longest_unused(c);
		if (!e)
			return -ENOSPC;
		e->kept = !evict(c, e);
	}
	return 0;
}

static bool is_disk_full(const struct debuginfod_cache *c)
{
	struct statvfs st;

	return fstatvfs(c->dir, &st) < 0 ||
	       (double)st.f_bavail * 100 < (double)st.f_blocks * c->config.min_free_percent;
}

static void remove_leftover(struct debuginfod_cache *c, const char *name)
{
	if (unlinkat(c->dir, name, 0) == 0)
		c->counts.leftovers++;
}

static uint64_t time_ns(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * NSEC_PER_SEC + (uint64_t)ts->tv_nsec;
}

static bool ends_with(const char *s, const char *end)
{
	size_t len = strlen(s), end_len = strlen(end);

	return len >= end_len && !strcmp(s + len - end_len, end);
}

/* A name of ours that is a whole file is known from now on; what a crash left is removed; the rest is not ours. */
static void look_at(struct debuginfod_cache *c, const char *name)
{
	struct debuginfod_id id;
	struct stat st;

	if (fstatat(c->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return;
	if (ends_with(name, SUFFIX)) {
		remove_leftover(c, name);
		return;
	}
	if (debuginfod_id_parse(name, &id) < 0)
		return;
	if (!st.st_size || c->nr == DEBUGINFODCACHE_FILES_MAX) {
		remove_leftover(c, name);
		return;
	}
	c->entries[c->nr++] = (struct entry) { .id = id,
					       .bytes = (uint64_t)st.st_size,
					       .used_ns = time_ns(&st.st_mtim),
					       .origin = -ENOENT };
	c->counts.bytes += (uint64_t)st.st_size;
}

static int scan(struct debuginfod_cache *c)
{
	int fd = openat(c->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(closedirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		int r = err_last();

		close_fd(fd);
		return r;
	}
	while ((entry = readdir(dir)))
		look_at(c, entry->d_name);
	if (make_room(c, 0, 0) < 0)
		log_warn("the debug files in use are more than debuginfod.cache_size");
	return 0;
}

int debuginfodcache_new(struct debuginfod_cache **ret, const struct debuginfod_cache_config *config,
			struct err *err)
{
	_cleanup_(debuginfodcache_freep) struct debuginfod_cache *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->config = *config;
	c->dir = -1;
	c->entries = calloc(DEBUGINFODCACHE_FILES_MAX, sizeof(*c->entries));
	if (!c->entries)
		return -ENOMEM;
	if (mkdir(config->dir, 0700) < 0 && errno != EEXIST)
		return err_errno(err, err_last(), "cannot make %s", config->dir);
	c->dir = open(config->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	r = c->dir < 0 ? err_last() : scan(c);
	if (r < 0)
		return err_errno(err, r, "cannot read %s", config->dir);
	*ret = TAKE_PTR(c);
	return 0;
}

struct debuginfod_cache *debuginfodcache_free(struct debuginfod_cache *c)
{
	if (!c)
		return NULL;
	close_fd(c->dir);
	free(c->entries);
	free(c);
	return NULL;
}

/* Locked while it is open, see above. */
static int open_locked(struct debuginfod_cache *c, const char *name)
{
	_cleanup_(closep) int fd =
		openat(c->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return err_last();
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return err_last();
	return TAKE_FD(fd);
}

int debuginfodcache_open(struct debuginfod_cache *c, const struct debuginfod_id *id)
{
	const uint64_t now_ns = clock_wall_ns();
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
					   { .tv_sec = (time_t)(now_ns / NSEC_PER_SEC),
					     .tv_nsec = (long)(now_ns % NSEC_PER_SEC) } };
	struct entry *e = find(c, id);
	char name[DEBUGINFOD_ID_HEX];
	int fd;

	if (!e)
		return -ENOENT;
	debuginfod_id_print(id, name);
	fd = open_locked(c, name);
	if (fd == -ENOENT)
		forget(c, e); /* somebody cleaned up */
	if (fd < 0)
		return fd;
	e->used_ns = now_ns;
	if (futimens(fd, times) < 0)
		log_debug("a use of debug file %s is not written down: %s", name,
			  err_str(err_last()));
	return fd;
}

int debuginfodcache_remove(struct debuginfod_cache *c, const struct debuginfod_id *id)
{
	struct entry *e = find(c, id);
	int origin = e ? e->origin : -ENOENT;
	char name[DEBUGINFOD_ID_HEX];

	if (!e)
		return origin;
	debuginfod_id_print(id, name);
	if (unlinkat(c->dir, name, 0) < 0 && errno != ENOENT)
		log_warn("cannot remove debug file %s: %s", name, err_str(err_last()));
	forget(c, e);
	return origin;
}

static void temporary_name(const struct debuginfod_id *id, char ret[NAME_BYTES])
{
	debuginfod_id_print(id, ret);
	strcat(ret, SUFFIX);
}

int debuginfodcache_begin(struct debuginfod_cache *c, const struct debuginfod_id *id, int origin,
			  struct debuginfod_file **ret)
{
	struct debuginfod_file *f;
	char name[NAME_BYTES];

	if (is_disk_full(c))
		return -ENOSPC;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	temporary_name(id, name);
	f->cache = c;
	f->id = *id;
	f->origin = origin;
	f->fd = openat(c->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->fd < 0) {
		int r = err_last();

		free(f);
		return r;
	}
	*ret = f;
	return 0;
}

int debuginfodcache_reserve(struct debuginfod_file *f, uint64_t bytes)
{
	int r;

	if (bytes <= f->reserved)
		return 0;
	r = make_room(f->cache, bytes - f->reserved, 1);
	if (r < 0)
		return r;
	f->cache->reserved += bytes - f->reserved;
	f->reserved = bytes;
	return 0;
}

int debuginfodcache_write(struct debuginfod_file *f, const void *data, size_t len)
{
	uint64_t before = f->written;
	int r = debuginfodcache_reserve(f, f->written + len);

	if (r == 0 && before / FREE_CHECK_BYTES != (before + len) / FREE_CHECK_BYTES &&
	    is_disk_full(f->cache))
		r = -ENOSPC;
	r = r ?: sys_write_all(f->fd, data, len);
	if (r < 0)
		return r;
	f->written += len;
	if (f->written - f->flushed >= FLUSH_BYTES) {
		sync_file_range(f->fd, (off_t)f->flushed, (off_t)(f->written - f->flushed),
				SYNC_FILE_RANGE_WRITE);
		f->flushed = f->written;
	}
	return 0;
}

uint64_t debuginfodcache_written(const struct debuginfod_file *f)
{
	return f->written;
}

static void file_free(struct debuginfod_file *f)
{
	f->cache->reserved -= f->reserved;
	close_fd(f->fd);
	free(f);
}

struct debuginfod_file *debuginfodcache_abort(struct debuginfod_file *f)
{
	char name[NAME_BYTES];

	if (!f)
		return NULL;
	temporary_name(&f->id, name);
	unlinkat(f->cache->dir, name, 0);
	file_free(f);
	return NULL;
}

int debuginfodcache_commit(struct debuginfod_file *f)
{
	struct debuginfod_cache *c = f->cache;
	struct debuginfod_id id = f->id;
	uint64_t bytes = f->written;
	char from[NAME_BYTES], to[DEBUGINFOD_ID_HEX];
	int origin = f->origin, r = bytes ? make_room(c, 0, 1) : -ENODATA;

	temporary_name(&id, from);
	debuginfod_id_print(&id, to);
	if (r == 0 && (fdatasync(f->fd) < 0 || renameat(c->dir, from, c->dir, to) < 0))
		r = err_last();
	if (r < 0) {
		debuginfodcache_abort(f);
		return r;
	}
	if (find(c, &id))
		forget(c, find(c, &id));
	c->entries[c->nr++] = (struct entry) { .id = id, .bytes = bytes, .origin = origin };
	c->counts.bytes += bytes;
	file_free(f);
	return debuginfodcache_open(c, &id);
}

void debuginfodcache_counts(const struct debuginfod_cache *c, struct debuginfod_cache_counts *ret)
{
	*ret = c->counts;
	ret->bytes += c->reserved;
	ret->files = c->nr;
}
