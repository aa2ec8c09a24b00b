/* Where the cgroup hierarchies are mounted: hybrid, pure v2, pure v1, in a container, and torn texts. */
#include "agent/core/cgroupfs.h"
#include "tests/test.h"

#include <sys/stat.h>

/* /proc/cgroups of a hybrid host: some controllers on v1, hugetlb (0) on v2. */
static const char cgroups[] = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"
			      "cpuset\t3\t4\t1\n"
			      "cpu\t1\t4\t1\n"
			      "cpuacct\t2\t4\t1\n"
			      "memory\t4\t9\t1\n"
			      "pids\t8\t4\t1\n"
			      "hugetlb\t0\t4\t1\n";

static const char hybrid[] =
	"22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
	"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
	"32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
	"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 master:2 - cgroup cgroup rw,memory\n"
	"40 31 0:37 / /sys/fs/cgroup/pids rw,relatime - cgroup none rw,pids\n"
	"41 31 0:38 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd\n"
	"42 31 0:39 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
	"43 31 0:40 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpuset,clone_children\n";

static void test_hybrid(void)
{
	struct cgroupfs fs;

	cgroupfs_parse(hybrid, cgroups, &fs);
	CHECK_INT(fs.nr, 5);
	CHECK_STR(fs.mounts[0].path, "/sys/fs/cgroup/unified"); /* v2 first */
	CHECK_INT(fs.mounts[0].hierarchy, 0);
	CHECK_STR(fs.mounts[1].path, "/sys/fs/cgroup/cpu");
	CHECK_INT(fs.mounts[1].hierarchy, 1);
	CHECK_STR(fs.mounts[2].path, "/sys/fs/cgroup/memory");
	CHECK_INT(fs.mounts[2].hierarchy, 4);
	CHECK_STR(fs.mounts[3].path, "/sys/fs/cgroup/pids");
	CHECK_INT(fs.mounts[3].hierarchy, 8);
	CHECK_STR(fs.mounts[4].path, "/sys/fs/cgroup/cpu,cpuacct");
	CHECK_INT(fs.mounts[4].hierarchy, 3);
}

static void test_v2_and_odd_mount_points(void)
{
	struct cgroupfs fs;

	cgroupfs_parse("30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
		       "", &fs);
	CHECK_INT(fs.nr, 1);
	CHECK_STR(fs.mounts[0].path, "/sys/fs/cgroup");
	/* without a newline at the end; blanks are written in octal */
	cgroupfs_parse("30 24 0:26 / /mnt/my\\040groups\\134x rw - cgroup2 none rw", "", &fs);
	CHECK_INT(fs.nr, 1);
	CHECK_STR(fs.mounts[0].path, "/mnt/my groups\\x");
	cgroupfs_parse("30 24 0:26 / /a\\04 rw - cgroup2 none rw", "", &fs);
	CHECK_STR(fs.mounts[0].path, "/a\\04");
}

/* A container's own mounts show a part of a hierarchy; a host's mount from a namespace further in shows all of it. */
static void test_parts_of_hierarchies(void)
{
	struct cgroupfs fs;

	cgroupfs_parse("50 49 0:39 /docker/abc /sys/fs/cgroup/unified ro - cgroup2 cgroup2 rw\n"
		       "51 49 0:29 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n"
		       "52 49 0:29 /..x /mnt ro - cgroup cgroup rw,cpu\n",
		       cgroups, &fs);
	CHECK_INT(fs.nr, 0);
	cgroupfs_parse("50 49 0:39 /../../.. /host/cgroup ro - cgroup2 cgroup2 rw\n", cgroups, &fs);
	CHECK_INT(fs.nr, 1);
}

static void test_bounds_and_nonsense(void)
{
	static const char *const nonsense[] = {
		"",
		"\n",
		"\n\n\n",
		"x",
		" - cgroup2",
		"1 2 3 4 5 - cgroup2",
		"- cgroup2 -",
		"30 24 0:26 / /x rw - \n",
		"30 24 0:26 / /x rw cgroup2 cgroup2 rw\n",
		"30 24 0:26 / /x rw - cgroup cgroup rw,unknown\n",
		"30 24 0:26 / /x rw - cgroup\n",
	};
	static char many[40 * 80], longer[6000];
	struct cgroupfs fs;

	for (size_t i = 0; i < ARRAY_SIZE(nonsense); i++) {
		cgroupfs_parse(nonsense[i], cgroups, &fs);
		CHECK_INT(fs.nr, 0);
		cgroupfs_parse(hybrid, nonsense[i], &fs); /* no controller is known: v2 alone */
		CHECK_INT(fs.nr, 1);
	}
	for (size_t i = 0, at = 0; i < 40; i++)
		at += (size_t)sprintf(many + at, "30 24 0:26 / /x%zu rw - cgroup2 none rw\n", i);
	cgroupfs_parse(many, "", &fs);
	CHECK_INT(fs.nr, CGROUPFS_MOUNTS_MAX);
	memset(longer, 'x', sizeof(longer) - 1);
	memcpy(longer, "30 24 0:26 / /", 14);
	strcpy(longer + 600,
	       " rw - cgroup2 none rw"); /* a path that has no room: left out, not cut */
	cgroupfs_parse(longer, "", &fs);
	CHECK_INT(fs.nr, 0);
	memset(longer, 'x', sizeof(longer) - 1);
	cgroupfs_parse(longer, "", &fs);
	CHECK_INT(fs.nr, 0);
}

static void test_keys(void)
{
	struct cgroupfs fs;
	struct stat st;
	uint64_t key;

	if (cgroupfs_read(&fs) < 0)
		SKIP("no cgroup hierarchy is mounted here");
	CHECK_INT(stat(fs.mounts[0].path, &st), 0);
	CHECK(cgroupfs_key(&fs.mounts[0], "/", &key));
	CHECK_INT(key & ((1ULL << 56) - 1), st.st_ino);
	CHECK_INT(key >> 56, fs.mounts[0].hierarchy);
	CHECK(!cgroupfs_key(&fs.mounts[0], "/no/such/cgroup", &key));
	CHECK(!cgroupfs_key(&fs.mounts[0], "/cgroup.procs", &key)); /* a file */
}

int main(void)
{
	RUN(test_hybrid);
	RUN(test_v2_and_odd_mount_points);
	RUN(test_parts_of_hierarchies);
	RUN(test_bounds_and_nonsense);
	RUN(test_keys);
	return 0;
}
