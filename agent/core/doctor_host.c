/* The doctor: cgroups and containers, runtimes' files, disk, clocks, limits. */
#include "agent/core/budget.h"
#include "agent/core/doctor_internal.h"
#include "agent/core/owner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/timex.h>
#include <time.h>

#define CONTAINERS_MAX 1024
#define RUNTIMES_MAX 16
#define FILES_MIN 4096
#define FILES_WANTED (16384 + 256)
#define BUILT_AFTER 1735689600 /* 2025: no clock that is right is before it */

static void look_at_cgroups(struct doctor *d)
{
	_cleanup_(closep) int fd = openat(d->root_fd, "sys/fs/cgroup", O_PATH | O_CLOEXEC);
	struct statfs fs;
	bool v2 = fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;

	if (fd < 0)
		doctor_add(
			d, DOCTOR_WARN, "cgroups", "mount /sys/fs/cgroup",
			"no /sys/fs/cgroup: --container and --cgroup find nothing; samples still "
			"know theirs");
	else if (v2)
		doctor_add(d, DOCTOR_OK, "cgroups", NULL, "version 2");
	else if (faccessat(d->root_fd, "sys/fs/cgroup/unified", F_OK, 0) == 0)
		doctor_add(d, DOCTOR_OK, "cgroups", NULL, "versions 1 and 2 side by side (hybrid)");
	else
		doctor_add(d, DOCTOR_OK, "cgroups", NULL, "version 1");
}

struct census {
	char ids[CONTAINERS_MAX][OWNER_ID_MAX];
	size_t nr;
	struct {
		char name[24];
		unsigned int nr;
	} runtimes[RUNTIMES_MAX];
	size_t nr_runtimes;
};

static void count_runtime(struct census *c, const char *runtime)
{
	for (size_t i = 0; i < c->nr_runtimes; i++) {
		if (!strcmp(c->runtimes[i].name, runtime)) {
			c->runtimes[i].nr++;
			return;
		}
	}
	if (c->nr_runtimes == RUNTIMES_MAX)
		return;
	snprintf(c->runtimes[c->nr_runtimes].name, sizeof(c->runtimes[0].name), "%s", runtime);
	c->runtimes[c->nr_runtimes++].nr = 1;
}

static void count_container(struct census *c, const struct owner_ref *ref)
{
	for (size_t i = 0; i < c->nr; i++) {
		if (!strcmp(c->ids[i], ref->container_id))
			return;
	}
	if (c->nr == CONTAINERS_MAX)
		return;
	snprintf(c->ids[c->nr++], OWNER_ID_MAX, "%s", ref->container_id);
	count_runtime(c, ref->runtime);
}

/* "12:pids:/docker/ID" lines: any hierarchy tells the container. */
static void count_process(struct census *c, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *path = strchr(line, '/');
		struct owner_ref ref;

		if (!path)
			continue;
		owner_from_cgroup_path(path, &ref);
		if (ref.kind == OWNER_CONTAINER) {
			count_container(c, &ref);
			return;
		}
	}
}

static void look_at_containers(struct doctor *d)
{
	int fd = openat(d->root_fd, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(closedirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	_cleanup_(freep) struct census *c = calloc(1, sizeof(*c));
	char text[8192], list[DOCTOR_TEXT_MAX] = "";
	size_t len = 0;

	for (struct dirent *e; dir && c && (e = readdir(dir));) {
		char path[300];

		snprintf(path, sizeof(path), "proc/%s/cgroup", e->d_name);
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' &&
		    doctor_read(d, path, text, sizeof(text)))
			count_process(c, text);
	}
	for (size_t i = 0; c && i < c->nr_runtimes; i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%u %s", i ? ", " : "",
					c->runtimes[i].nr, c->runtimes[i].name);
	doctor_add(d, DOCTOR_OK, "containers", NULL, "%s", *list ? list : "none is running");
}

struct runtime_files {
	const char *runtime, *path;
};

static const struct runtime_files runtime_files[] = {
	{ "docker", "var/lib/docker/containers" },
	{ "containerd", "run/containerd/io.containerd.runtime.v2.task" },
	{ "cri-o", "var/run/containers/storage/overlay-containers" },
	{ "podman", "var/lib/containers/storage/overlay-containers" },
};

static void look_at_runtimes(struct doctor *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(runtime_files); i++) {
		const struct runtime_files *f = &runtime_files[i];
		_cleanup_(closep) int fd =
			openat(d->root_fd, f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			doctor_add(
				d, DOCTOR_WARN, "container names",
				"CAP_DAC_READ_SEARCH reads it; else containers are shown by their "
				"ids",
				"%s: /%s cannot be read: %s", f->runtime, f->path,
				err_str(err_last()));
		else
			doctor_add(d, DOCTOR_OK, "container names", NULL, "%s: /%s can be read",
				   f->runtime, f->path);
	}
}

/* The nearest folder above that exists. */
static void existing_parent(const struct doctor *d, const char *path, char *ret, size_t size)
{
	snprintf(ret, size, "%s", path + strspn(path, "/"));
	while (*ret && faccessat(d->root_fd, ret, F_OK, 0) < 0) {
		char *slash = strrchr(ret, '/');

		*(slash ? slash : ret) = '\0';
	}
	if (!*ret)
		snprintf(ret, size, ".");
}

static void say_space(struct doctor *d, const char *dir, const struct statfs *fs)
{
	double total = (double)fs->f_blocks * (double)fs->f_frsize;
	double free_percent =
		fs->f_blocks ? 100.0 * (double)fs->f_bavail / (double)fs->f_blocks : 0;
	double share = total * (double)d->config->store.max_share / 100;
	double most = (double)d->config->store.max_bytes;

	if (d->config->store.max_share && share < most)
		most = share;
	if (free_percent < (double)d->config->store.min_free)
		doctor_add(
			d, DOCTOR_WARN, "disk",
			"make room, or set state_dir to another file system, or lower "
			"store.min_free",
			"%s: %.0f %% of the file system is free, less than store.min_free (%" PRIu64
			" %%): the store does not grow",
			dir, free_percent, d->config->store.min_free);
	else if (fs->f_type == TMPFS_MAGIC)
		doctor_add(d, DOCTOR_WARN, "disk", "set state_dir to a folder on a disk",
			   "%s lies in memory: the history does not survive a restart of the host",
			   dir);
	else if (fs->f_type == NFS_SUPER_MAGIC)
		doctor_add(d, DOCTOR_WARN, "disk", "set state_dir to a folder on a local disk",
			   "%s lies on NFS, where a database can be damaged", dir);
	else
		doctor_add(
			d, DOCTOR_OK, "disk", NULL,
			"%s: %.0f %% of the file system is free; the history takes at most %.0f MiB",
			dir, free_percent, most / (1 << 20));
}

static void look_at_disk(struct doctor *d)
{
	char parent[PATH_MAX];
	_cleanup_(closep) int fd = -1;
	struct statfs fs;

	if (!d->config)
		return;
	existing_parent(d, d->config->state_dir, parent, sizeof(parent));
	fd = openat(d->root_fd, parent, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstatfs(fd, &fs) < 0)
		doctor_add(d, DOCTOR_WARN, "disk", "set state_dir to a folder that can be written",
			   "%s: %s", d->config->state_dir, err_str(err_last()));
	else if (faccessat(d->root_fd, parent, W_OK, AT_EACCESS) < 0)
		doctor_add(
			d, DOCTOR_WARN, "disk",
			"run the agent as root, or set state_dir to a folder that can be written",
			"%s cannot be written: %s", d->config->state_dir, err_str(err_last()));
	else
		say_space(d, d->config->state_dir, &fs);
}

static void look_at_clock(struct doctor *d)
{
	struct timex tx = { .modes = 0 }; /* reads only */
	char source[64];

	if (time(NULL) < BUILT_AFTER)
		doctor_add(d, DOCTOR_WARN, "clock", "set the clock (chrony, systemd-timesyncd)",
			   "it says a time before this program was written: what is stored is "
			   "found under wrong times, and nothing is uploaded");
	else if (adjtimex(&tx) == TIME_ERROR || (tx.status & STA_UNSYNC))
		doctor_add(d, DOCTOR_OK, "clock", NULL,
			   "plausible; no one says that it is kept right (no NTP, or a virtual "
			   "machine whose host does it)");
	else
		doctor_add(d, DOCTOR_OK, "clock", NULL, "kept right by NTP");
	if (!doctor_read(d, "sys/devices/system/clocksource/clocksource0/current_clocksource",
			 source, sizeof(source)))
		return;
	if (!strcmp(source, "hpet") || !strcmp(source, "acpi_pm"))
		doctor_add(d, DOCTOR_WARN, "clock source",
			   "see dmesg for why the kernel does not trust the TSC",
			   "%s, which is slow: each interrupt and each sample costs more", source);
	else
		doctor_add(d, DOCTOR_OK, "clock source", NULL, "%s", source);
}

static void look_at_limits(struct doctor *d)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	if (files.rlim_max < FILES_WANTED)
		doctor_add(d, DOCTOR_WARN, "open files",
			   "raise it: LimitNOFILE=65536 of a unit, ulimit -Hn 65536 in a shell",
			   "at most %" PRIu64
			   ": with many programs mapped, the files of some are not "
			   "kept, and their functions stay without names",
			   (uint64_t)files.rlim_max);
	else
		doctor_add(d, DOCTOR_OK, "open files", NULL, "up to %" PRIu64,
			   (uint64_t)files.rlim_max);
}

/* The least memory that a cgroup at or above ours allows; UINT64_MAX: none does. Version 2 only. */
static uint64_t memory_allowed(const struct doctor *d)
{
	char text[4096], path[PATH_MAX + 64], max[64];
	uint64_t least = UINT64_MAX;
	char *own;

	if (!doctor_read(d, "proc/self/cgroup", text, sizeof(text)))
		return least;
	own = strncmp(text, "0::/", 4) ? NULL : text + 3;
	while (own && *own) {
		char *slash = strrchr(own, '/');

		snprintf(path, sizeof(path), "sys/fs/cgroup%s/memory.max", own);
		if (doctor_read(d, path, max, sizeof(max)) && max[0] >= '0' && max[0] <= '9')
			least = MIN(least, strtoull(max, NULL, 10));
		*slash = '\0';
	}
	return least;
}

static void look_at_memory(struct doctor *d)
{
	uint64_t allowed = memory_allowed(d);

	if (!d->config)
		return;
	if (allowed < d->config->memory.limit)
		doctor_add(
			d, DOCTOR_WARN, "memory",
			"set memory.limit a little below that, or allow more",
			"memory.limit is %.0f MiB, but this cgroup may have %.0f MiB: it would be "
			"killed",
			(double)d->config->memory.limit / (1 << 20), (double)allowed / (1 << 20));
	else
		doctor_add(d, DOCTOR_OK, "memory", NULL,
			   "memory.limit is %.0f MiB; no cgroup allows less",
			   (double)d->config->memory.limit / (1 << 20));
}

/* Whether a server answers is for the exporter to find out: nothing here touches the network. */
static void look_at_debuginfod(struct doctor *d)
{
	const struct config_strings *urls = d->config ? &d->config->debuginfod.urls : NULL;

	if (!urls)
		return;
	if (!urls->nr)
		doctor_add(d, DOCTOR_OK, "debuginfod", NULL,
			   "off: debug files are looked for on this host and in its containers "
			   "only (the agent asks the servers that debuginfod.urls names)");
	else
		doctor_add(
			d, DOCTOR_OK, "debuginfod", NULL,
			"%s%s is asked by the agent for debug files that this host does not have",
			urls->items[0], urls->nr > 1 ? " (and more)" : "");
}

void doctor_host(struct doctor *d)
{
	look_at_cgroups(d);
	look_at_containers(d);
	look_at_runtimes(d);
	look_at_debuginfod(d);
	look_at_disk(d);
	look_at_memory(d);
	look_at_limits(d);
	look_at_clock(d);
}
