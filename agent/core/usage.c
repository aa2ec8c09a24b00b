/* The kernel's own count of CPU time. */
#include "agent/core/usage.h"
#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/base/log.h"
#include "agent/base/sys.h"
#include "agent/core/cgroupfs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define STAT_MAX 4096

struct cgroup {
	struct cgroup *next;
	bool v2, alone;
	struct usage_numbers last;
	char path[];
};

struct owner {
	struct cgroup *cgroups;
	size_t nr;
	bool incomplete; /* it has a cgroup that is not followed */
};

struct usage {
	struct cgroupfs fs;
	const struct cgroupfs_mount *v2, *cpu, *cpuacct; /* NULL: not mounted */
	size_t max_owners, nr;
	uint64_t refused;
	struct owner owners[];
};

static const struct usage_numbers unknown = { USAGE_UNKNOWN, USAGE_UNKNOWN, USAGE_UNKNOWN };

static const struct cgroupfs_mount *mount_of(const struct cgroupfs *fs, uint32_t hierarchy)
{
	for (size_t i = 0; i < fs->nr; i++) {
		if (fs->mounts[i].hierarchy == hierarchy)
			return &fs->mounts[i];
	}
	return NULL;
}

int usage_new(struct usage **ret, size_t max_owners)
{
	struct usage *u = calloc(1, sizeof(*u) + max_owners * sizeof(*u->owners));
	int r;

	if (!u)
		return -ENOMEM;
	u->max_owners = max_owners;
	r = cgroupfs_read(&u->fs);
	if (r < 0)
		log_debug("no cgroup hierarchy is mounted: %s", err_str(r));
	u->v2 = mount_of(&u->fs, 0);
	if (u->fs.cpu)
		u->cpu = mount_of(&u->fs, u->fs.cpu);
	if (u->fs.cpuacct)
		u->cpuacct = mount_of(&u->fs, u->fs.cpuacct);
	*ret = u;
	return 0;
}

struct usage *usage_free(struct usage *u)
{
	if (!u)
		return NULL;
	for (size_t i = 0; i < u->max_owners; i++)
		usage_forget(u, (uint32_t)i);
	free(u);
	return NULL;
}

void usage_forget(struct usage *u, uint32_t owner)
{
	struct owner *o = &u->owners[owner];

	while (o->cgroups) {
		struct cgroup *c = o->cgroups;

		o->cgroups = c->next;
		free(c);
	}
	u->nr -= o->nr;
	*o = (struct owner) { .nr = 0 };
}

static void add(uint64_t *sum, uint64_t n)
{
	*sum = (*sum == USAGE_UNKNOWN ? 0 : *sum) + n;
}

void usage_parse_stat(const char *text, struct usage_numbers *ret)
{
	while (*text) {
		uint64_t n;

		if (sscanf(text, "usage_usec %" SCNu64, &n) == 1)
			add(&ret->usage_ns, n * NSEC_PER_USEC);
		else if (sscanf(text, "nr_throttled %" SCNu64, &n) == 1)
			add(&ret->nr_throttled, n);
		else if (sscanf(text, "throttled_usec %" SCNu64, &n) == 1)
			add(&ret->throttled_ns, n * NSEC_PER_USEC);
		else if (sscanf(text, "throttled_time %" SCNu64, &n) == 1)
			add(&ret->throttled_ns, n);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
}

static int read_file(const struct cgroupfs_mount *mount, const char *path, const char *name,
		     struct buf *out)
{
	char full[PATH_MAX];

	if (!mount)
		return -ENOENT;
	if ((size_t)snprintf(full, sizeof(full), "%s%s/%s", mount->path, path, name) >=
	    sizeof(full))
		return -ENAMETOOLONG;
	buf_reset(out);
	return sys_read_file(AT_FDCWD, full, out);
}

static bool has_children(const struct cgroupfs_mount *mount, const char *path)
{
	char full[PATH_MAX];
	struct stat st;

	/* kernfs counts a directory's subdirectories among its links */
	return mount &&
	       (size_t)snprintf(full, sizeof(full), "%s%s", mount->path, path) < sizeof(full) &&
	       !stat(full, &st) && st.st_nlink > 2;
}

/* Where nothing could be read, everything is unknown. */
static struct usage_numbers read_cgroup(const struct usage *u, const struct cgroup *c)
{
	_cleanup_(buf_deinitp) struct buf text = BUF_NULL;
	struct usage_numbers numbers = unknown;

	if (c->alone && has_children(c->v2 ? u->v2 : u->cpu, c->path))
		return unknown;
	buf_init(&text, STAT_MAX);
	if (!read_file(c->v2 ? u->v2 : u->cpu, c->path, "cpu.stat", &text))
		usage_parse_stat(buf_str(&text), &numbers);
	if (!c->v2 && !read_file(u->cpuacct, c->path, "cpuacct.usage", &text)) {
		text.data[strcspn(text.data, "\n")] = '\0';
		if (sys_parse_u64(text.data, 10, 0, UINT64_MAX - 1, &numbers.usage_ns) < 0)
			numbers.usage_ns = USAGE_UNKNOWN;
	}
	return numbers;
}

void usage_see(struct usage *u, uint32_t owner, uint32_t hierarchy, const char *path, size_t len,
	       bool alone)
{
	struct owner *o = &u->owners[owner];
	struct cgroup *c;

	for (c = o->cgroups; c; c = c->next) {
		/* on hybrid hosts it may come by both hierarchies */
		if (strlen(c->path) == len && !memcmp(c->path, path, len))
			return;
	}
	c = o->nr < USAGE_CGROUPS_PER_OWNER && u->nr < USAGE_CGROUPS_MAX
		    ? calloc(1, sizeof(*c) + len + 1)
		    : NULL;
	if (!c) {
		u->refused++;
		o->incomplete = true;
		return;
	}
	memcpy(c->path, path, len);
	c->v2 = !hierarchy;
	c->alone = alone;
	c->last = read_cgroup(u, c);
	c->next = o->cgroups;
	o->cgroups = c;
	o->nr++;
	u->nr++;
}

/* One number's difference; a cgroup without it makes the sum unknown. */
static void add_difference(uint64_t *sum, uint64_t from, uint64_t to)
{
	if (*sum == USAGE_UNKNOWN || from == USAGE_UNKNOWN || to == USAGE_UNKNOWN || to < from)
		*sum = USAGE_UNKNOWN;
	else
		*sum += to - from;
}

struct usage_numbers usage_take(struct usage *u, uint32_t owner)
{
	struct owner *o = &u->owners[owner];
	struct usage_numbers sum = { 0 };
	struct cgroup **link = &o->cgroups;

	if (!o->nr)
		return unknown;
	while (*link) {
		struct cgroup *c = *link;
		struct usage_numbers now = read_cgroup(u, c);

		add_difference(&sum.usage_ns, c->last.usage_ns, now.usage_ns);
		add_difference(&sum.nr_throttled, c->last.nr_throttled, now.nr_throttled);
		add_difference(&sum.throttled_ns, c->last.throttled_ns, now.throttled_ns);
		c->last = now;
		if (now.usage_ns != USAGE_UNKNOWN) {
			link = &c->next;
			continue;
		}
		*link = c->next; /* it is gone */
		free(c);
		o->nr--;
		u->nr--;
	}
	return o->incomplete ? unknown : sum;
}

uint64_t usage_refused(const struct usage *u)
{
	return u->refused;
}
