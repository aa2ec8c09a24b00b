/* What --container and --cgroup mean to the kernel side. */
#include "agent/core/select.h"
#include "agent/base/clock.h"
#include "agent/core/cgroupfs.h"
#include "agent/core/owner.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <string.h>

#define CANDIDATES_MAX 512
#define DEPTH_FDS 16
#define NAMES_DEADLINE_NS (5 * NSEC_PER_SEC)

static bool has_dots(const char *path)
{
	for (const char *p = strstr(path, ".."); p; p = strstr(p + 1, "..")) {
		if ((p == path || p[-1] == '/') && (!p[2] || p[2] == '/'))
			return true;
	}
	return false;
}

static bool has_id(const struct sampler_filter *filter, uint64_t id)
{
	for (size_t i = 0; i < filter->nr; i++) {
		if (filter->ids[i] == id)
			return true;
	}
	return false;
}

int select_cgroup(const char *path, struct sampler_filter *ret, struct err *err)
{
	struct cgroupfs fs;
	int r = cgroupfs_read(&fs);

	if (r < 0)
		return err_errno(err, r,
				 "cannot find the cgroup hierarchies in /proc/self/mountinfo");
	if (has_dots(path))
		return err_set(err, -EINVAL, "a cgroup's path has no \"..\": %s", path);
	*ret = (struct sampler_filter) { .kind = SAMPLER_FILTER_CGROUPS };
	for (size_t i = 0; i < fs.nr; i++) {
		size_t len = strlen(fs.mounts[i].path);
		bool below =
			!strncmp(path, fs.mounts[i].path, len) && (path[len] == '/' || !path[len]);
		uint64_t key;

		if (cgroupfs_key(&fs.mounts[i], below ? path + len : path, &key) &&
		    !has_id(ret, key) && ret->nr < SAMPLER_FILTER_MAX)
			ret->ids[ret->nr++] = key;
	}
	if (!ret->nr)
		return err_set(
			err, -ENOENT,
			"there is no cgroup %s (give it as /proc/PID/cgroup shows it, or below %s)",
			path, fs.mounts[0].path);
	return 0;
}

/* A container that has a cgroup now. */
struct candidate {
	char id[OWNER_ID_MAX], path[1200], runtime[24], name[OWNER_NAME_MAX];
	uint32_t tgid;
};

/* nftw() has no argument for its callback: the walk's state, for one thread. */
static struct walk {
	const struct cgroupfs_mount *mount;
	struct candidate *candidates;
	size_t nr;
} walk;

static uint32_t first_process(const char *directory)
{
	char path[PATH_MAX];
	_cleanup_(fclosep) FILE *f = NULL;
	unsigned int pid = 0;

	snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%u", &pid) != 1)
		return 0;
	return pid;
}

static int on_directory(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const char *below = path + strlen(walk.mount->path);
	struct candidate *c = &walk.candidates[walk.nr];
	struct owner_ref ref;

	if (type != FTW_D || walk.nr == CANDIDATES_MAX)
		return 0;
	owner_from_cgroup_path(below, &ref);
	/* The container's own directory, not one further in. */
	if (ref.kind != OWNER_CONTAINER || !strstr(strrchr(path, '/'), ref.container_id))
		return 0;
	for (size_t i = 0; i < walk.nr; i++) {
		if (!strcmp(walk.candidates[i].id, ref.container_id)) {
			if (!walk.candidates[i].tgid)
				walk.candidates[i].tgid = first_process(path);
			return 0;
		}
	}
	*c = (struct candidate) { .tgid = first_process(path) };
	snprintf(c->id, sizeof(c->id), "%s", ref.container_id);
	snprintf(c->runtime, sizeof(c->runtime), "%s", ref.runtime);
	snprintf(c->path, sizeof(c->path), "%s", below);
	walk.nr++;
	return 0;
}

static int find_candidates(struct candidate *candidates, size_t *ret_nr, struct err *err)
{
	struct cgroupfs fs;
	int r = cgroupfs_read(&fs);

	if (r < 0)
		return err_errno(err, r,
				 "cannot find the cgroup hierarchies in /proc/self/mountinfo");
	walk = (struct walk) { .candidates = candidates };
	for (size_t i = 0; i < fs.nr; i++) {
		walk.mount = &fs.mounts[i];
		nftw(fs.mounts[i].path, on_directory, DEPTH_FDS, FTW_PHYS);
	}
	*ret_nr = walk.nr;
	return 0;
}

static void on_name(const struct owner_names *names, void *userdata)
{
	struct candidate *c = userdata;

	snprintf(c->name, sizeof(c->name), "%s", names->name);
}

static void ask_names(struct candidate *candidates, size_t nr, struct names *names,
		      struct loop *loop)
{
	uint64_t deadline = clock_boot_ns() + NAMES_DEADLINE_NS;

	for (size_t i = 0; i < nr; i++)
		names_look_up(names, candidates[i].id, candidates[i].tgid, 0, on_name,
			      &candidates[i]);
	while (names_pending(names) && clock_boot_ns() < deadline) {
		if (loop_run_once(loop, 100) < 0)
			break;
	}
}

static bool fits(const struct candidate *c, const char *what, bool by_name)
{
	if (by_name)
		return !strcmp(c->name, what);
	return !strncmp(c->id, what, strlen(what));
}

static void describe(const struct candidate *candidates, size_t nr, const char *what, bool all,
		     bool by_name, struct err *err)
{
	size_t at = strlen(err->text), listed = 0;

	for (size_t i = 0; i < nr && at + 160 < sizeof(err->text); i++) {
		const struct candidate *c = &candidates[i];

		if (all || fits(c, what, by_name))
			at += (size_t)snprintf(err->text + at, sizeof(err->text) - at,
					       "%s %.12s (%s%s%s)", listed++ ? "," : "", c->id,
					       c->runtime, *c->name ? " " : "", c->name);
	}
}

/* The one candidate that fits; -ENOENT if none does, -ENOTUNIQ if several do. */
static int choose(const struct candidate *candidates, size_t nr, const char *what, bool by_name,
		  const struct candidate **ret)
{
	*ret = NULL;
	for (size_t i = 0; i < nr; i++) {
		if (!fits(&candidates[i], what, by_name))
			continue;
		if (*ret)
			return -ENOTUNIQ;
		*ret = &candidates[i];
	}
	return *ret ? 0 : -ENOENT;
}

static int choose_any(struct candidate *candidates, size_t nr, const char *what,
		      const struct candidate **ret, struct err *err)
{
	bool by_name = true;
	int r;

	/* A name wins over the beginning of an id, as the runtimes have it. */
	r = choose(candidates, nr, what, true, ret);
	if (r == -ENOENT) {
		by_name = false;
		r = choose(candidates, nr, what, false, ret);
	}
	if (r == -ENOTUNIQ) {
		err_set(err, r, "several containers are called %s; choose one by its id:", what);
		describe(candidates, nr, what, false, by_name, err);
	} else if (r == -ENOENT) {
		err_set(err, r, "there is no container %s%s", what,
			nr ? "; there are:" : ": none runs on this host");
		describe(candidates, nr, what, true, by_name, err);
	}
	return r;
}

int select_container(const char *what, struct names *names, struct loop *loop,
		     struct sampler_filter *ret, struct err *err)
{
	_cleanup_(freep) struct candidate *candidates =
		calloc(CANDIDATES_MAX + 1, sizeof(*candidates));
	const struct candidate *chosen;
	size_t nr;
	int r;

	if (!*what) /* the beginning of every id */
		return err_set(err, -EINVAL, "--container needs a name or an id");
	if (!candidates)
		return -ENOMEM;
	r = find_candidates(candidates, &nr, err);
	if (r < 0)
		return r;
	ask_names(candidates, nr, names, loop);
	r = choose_any(candidates, nr, what, &chosen, err);
	return r ? r : select_cgroup(chosen->path, ret, err);
}
