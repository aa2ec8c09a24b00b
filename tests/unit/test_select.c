/* --cgroup: which cgroups of which hierarchies a path means. */
#include "agent/core/select.h"
#include "agent/core/cgroupfs.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static struct cgroupfs fs;

static void test_the_root_is_in_every_hierarchy(void)
{
	struct sampler_filter filter;
	struct err err = ERR_NULL;

	CHECK_INT(select_cgroup("/", &filter, &err), 0);
	CHECK_INT(filter.kind, SAMPLER_FILTER_CGROUPS);
	CHECK_INT(filter.nr, fs.nr);
	for (size_t i = 0; i < filter.nr; i++) {
		CHECK_INT(filter.ids[i] >> 56, fs.mounts[i].hierarchy);
		for (size_t j = 0; j < i; j++)
			CHECK(filter.ids[i] != filter.ids[j]);
	}
}

static void test_below_a_mount_is_the_same_cgroup(void)
{
	struct sampler_filter filter, below;
	char path[600];

	CHECK_INT(select_cgroup("/", &filter, NULL), 0);
	snprintf(path, sizeof(path), "%s/", fs.mounts[0].path);
	CHECK_INT(select_cgroup(path, &below, NULL), 0);
	CHECK(below.nr >= 1);
	CHECK(below.ids[0] == filter.ids[0]);
	CHECK_INT(select_cgroup(fs.mounts[0].path, &below, NULL), 0);
	CHECK(below.ids[0] == filter.ids[0]);
}

static void test_what_is_not_there(void)
{
	struct sampler_filter filter;
	struct err err = ERR_NULL;

	CHECK_INT(select_cgroup("/no/such.service", &filter, &err), -ENOENT);
	CHECK(strstr(err.text, "/no/such.service") && strstr(err.text, fs.mounts[0].path));
	CHECK_INT(select_cgroup("/../../etc", &filter, &err),
		  -EINVAL); /* not out of the hierarchy */
	CHECK_INT(select_cgroup("..", &filter, &err), -EINVAL);
	CHECK_INT(select_cgroup("/a/..", &filter, &err), -EINVAL);
	CHECK_INT(select_cgroup("/a..b", &filter, &err), -ENOENT);
	CHECK_INT(select_container("", NULL, NULL, &filter, &err), -EINVAL);
}

/* A real cgroup, where we may make one. */
static void test_a_new_cgroup(void)
{
	struct sampler_filter filter;
	char path[600], name[64];
	uint64_t key;
	bool found = false;
	int r;

	snprintf(name, sizeof(name), "/fleetprof-test-%d", (int)getpid());
	snprintf(path, sizeof(path), "%s%s", fs.mounts[0].path, name);
	if (mkdir(path, 0755) < 0)
		return; /* the rest was tested */
	CHECK(cgroupfs_key(&fs.mounts[0], name, &key));
	r = select_cgroup(name, &filter, NULL);
	for (size_t i = 0; !r && i < filter.nr; i++)
		found = found || filter.ids[i] == key;
	rmdir(path);
	CHECK_INT(r, 0);
	CHECK(found);
	CHECK_INT(select_cgroup(name, &filter, NULL), -ENOENT);
}

int main(void)
{
	if (cgroupfs_read(&fs) < 0)
		SKIP("no cgroup hierarchy is mounted here");
	RUN(test_the_root_is_in_every_hierarchy);
	RUN(test_below_a_mount_is_the_same_cgroup);
	RUN(test_what_is_not_there);
	RUN(test_a_new_cgroup);
	return 0;
}
