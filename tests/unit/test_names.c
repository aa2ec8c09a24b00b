/* Where a container's name is looked for: paths out of mountinfo texts of real shape. */
#include "agent/core/names.h"
#include "tests/test.h"

#define ID "873035ffae9c4d5998aa5929b031a42d8b3c812a42b8befd061a5c617ea7e246"
#define DEFAULTS 4

static char paths[NAMES_PATHS_MAX][NAMES_PATH_MAX];

static size_t paths_of(const char *mountinfo)
{
	memset(paths, 0xff, sizeof(paths));
	return names_paths(mountinfo, ID, paths, NAMES_PATHS_MAX);
}

static void check_defaults(size_t at)
{
	CHECK_STR(paths[at],
		  "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID "/config.json");
	CHECK_STR(paths[at + 1],
		  "/run/containerd/io.containerd.runtime.v2.task/default/" ID "/config.json");
	CHECK_STR(paths[at + 2], "/var/lib/docker/containers/" ID "/config.v2.json");
	CHECK_STR(paths[at + 3], "/var/lib/containers/storage/overlay-containers/containers.json");
}

static void test_docker(void)
{
	CHECK_INT(
		paths_of(
			"600 500 0:60 / / rw,relatime - overlay overlay rw,lowerdir=/data/docker/overlay2/l/"
			"AB:/data/docker/overlay2/l/CD,upperdir=/data/docker/overlay2/0f3c/diff,workdir="
			"/data/docker/overlay2/0f3c/work\n"
			"601 600 0:61 / /proc rw,nosuid - proc proc rw\n"),
		1 + DEFAULTS);
	CHECK_STR(paths[0], "/data/docker/containers/" ID "/config.v2.json");
	check_defaults(1);
}

static void test_podman(void)
{
	CHECK_INT(
		paths_of(
			"1 0 0:1 / /other rw - ext4 /dev/vda rw\n"
			"600 500 0:60 / / rw - overlay overlay rw,lowerdir=/s/overlay/l/X,upperdir="
			"/home/u\\040v/.local/share/containers/storage/overlay/9a/diff,workdir=/w"),
		1 + DEFAULTS);
	CHECK_STR(paths[0],
		  "/home/u v/.local/share/containers/storage/overlay-containers/containers.json");
	check_defaults(1);
}

static void test_nothing_to_go_by(void)
{
	static const char *const texts[] = {
		"",
		"\n\n",
		"22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n", /* not an overlay */
		"600 500 0:60 / /mnt rw - overlay overlay rw,upperdir=/d/overlay2/x/diff\n", /* not the root */
		"600 500 0:60 / / rw - overlay overlay rw,lowerdir=/d/overlay2/x\n", /* read-only */
		"600 500 0:60 / / rw - overlay overlay rw,upperdir=relative/overlay2/x\n",
		"600 500 0:60 / / rw - overlay overlay rw,upperdir=/plain/diff\n",
		"600 500 0:60 / / rw - overlay overlay rw,upperdir=",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		CHECK_INT(paths_of(texts[i]), DEFAULTS);
		check_defaults(0);
	}
}

static void test_hostile(void)
{
	static const char *const ids[] = { "", ".", "..", "../x", "a/b", "/" };
	static char text[NAMES_PATH_MAX + 200];

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		CHECK_INT(names_paths("", ids[i], paths, NAMES_PATHS_MAX), 0);
	CHECK_INT(names_paths("", "%s%n%s", paths, NAMES_PATHS_MAX), DEFAULTS); /* no format */
	CHECK_STR(paths[2], "/var/lib/docker/containers/%s%n%s/config.v2.json");
	CHECK_INT(names_paths("", ID, paths, 2), 2);
	CHECK_INT(names_paths("", ID, paths, 0), 0);
	strcpy(text, "600 500 0:60 / / rw - overlay overlay rw,upperdir=/");
	memset(text + strlen(text), 'x', NAMES_PATH_MAX - 60);
	strcat(text, "/overlay2/x");
	CHECK_INT(names_paths(text, ID, paths, NAMES_PATHS_MAX),
		  DEFAULTS); /* too long: left out, not cut */
	/* a name that is both: each runtime's file is asked for */
	CHECK_INT(paths_of("600 500 0:60 / / rw - overlay overlay rw,upperdir=/overlay2/overlay/x"),
		  2 + DEFAULTS);
	CHECK_STR(paths[0], "/containers/" ID "/config.v2.json");
}

int main(void)
{
	RUN(test_docker);
	RUN(test_podman);
	RUN(test_nothing_to_go_by);
	RUN(test_hostile);
	return 0;
}
