/* The mounted cgroup hierarchies. */
#include "agent/core/cgroupfs.h"
#include "agent/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define TEXT_MAX (4u << 20)

/* The hierarchy number of a controller, from /proc/cgroups; 0 if it is unknown or on v2. */
static uint32_t hierarchy_of(const char *cgroups, const char *controller, size_t len)
{
	for (const char *line = cgroups; *line;) {
		unsigned int number;

		if (!strncmp(line, controller, len) && line[len] == '\t' &&
		    sscanf(line + len, "%u", &number) == 1)
			return number;
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return 0;
}

/* The first of a mount's options that is a controller. */
static uint32_t hierarchy_of_options(const char *cgroups, const char *options)
{
	while (*options && *options != '\n') {
		size_t len = strcspn(options, ",\n ");
		uint32_t number = len ? hierarchy_of(cgroups, options, len) : 0;

		if (number)
			return number;
		options += len;
		options += *options == ',';
	}
	return 0;
}

/* mountinfo writes blanks, tabs, newlines and backslashes as \\040 and the like. */
static void unescape(char *s)
{
	char *out = s;

	while (*s) {
		if (s[0] == '\\' && strspn(s + 1, "01234567") >= 3) {
			*out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

/* Does the mount show its hierarchy from the top? "/", or "/.." and more from a cgroup namespace further in. */
static bool is_whole(const char *root)
{
	if (!strcmp(root, "/"))
		return true;
	while (!strncmp(root, "/..", 3))
		root += 3;
	return !*root;
}

static void parse_line(const char *line, size_t len, const char *cgroups, struct cgroupfs *ret)
{
	struct cgroupfs_mount mount = { .hierarchy = 0 };
	char text[4096], root[1024], path[1024], type[16], *dash;

	if (len >= sizeof(text) || ret->nr == CGROUPFS_MOUNTS_MAX)
		return;
	memcpy(text, line, len);
	text[len] = '\0';
	dash = strstr(text, " - ");
	if (!dash || sscanf(text, "%*u %*u %*s %1023s %1023s", root, path) != 2 ||
	    sscanf(dash, " - %15s", type) != 1 || !is_whole(root) ||
	    strlen(path) >= sizeof(mount.path))
		return;
	unescape(path);
	strcpy(mount.path, path);
	if (!strcmp(type, "cgroup2")) {
		memmove(&ret->mounts[1], &ret->mounts[0], ret->nr * sizeof(mount));
		ret->mounts[0] = mount;
		ret->nr++;
		return;
	}
	if (strcmp(type, "cgroup"))
		return;
	mount.hierarchy = hierarchy_of_options(cgroups, strrchr(dash, ' ') + 1);
	if (mount.hierarchy)
		ret->mounts[ret->nr++] = mount;
}

void cgroupfs_parse(const char *mountinfo, const char *cgroups, struct cgroupfs *ret)
{
	*ret = (struct cgroupfs) { .cpu = hierarchy_of(cgroups, "cpu", strlen("cpu")),
				   .cpuacct = hierarchy_of(cgroups, "cpuacct", strlen("cpuacct")) };
	for (const char *line = mountinfo; *line;) {
		size_t len = strcspn(line, "\n");

		parse_line(line, len, cgroups, ret);
		line += len;
		line += *line == '\n';
	}
}

int cgroupfs_read(struct cgroupfs *ret)
{
	_cleanup_(buf_deinitp) struct buf mountinfo = BUF_NULL, cgroups = BUF_NULL;
	int r;

	buf_init(&mountinfo, TEXT_MAX);
	buf_init(&cgroups, TEXT_MAX);
	r = sys_read_file(AT_FDCWD, "/proc/self/mountinfo", &mountinfo);
	if (!r)
		r = sys_read_file(AT_FDCWD, "/proc/cgroups", &cgroups);
	if (r < 0)
		return r;
	cgroupfs_parse(buf_str(&mountinfo), buf_str(&cgroups), ret);
	return ret->nr ? 0 : -ENOENT;
}

bool cgroupfs_key(const struct cgroupfs_mount *mount, const char *path, uint64_t *ret)
{
	char full[PATH_MAX];
	struct stat st;

	if ((size_t)snprintf(full, sizeof(full), "%s/%s", mount->path, path) >= sizeof(full) ||
	    stat(full, &st) < 0 || !S_ISDIR(st.st_mode))
		return false;
	*ret = ((uint64_t)mount->hierarchy << 56) | (st.st_ino & ((1ULL << 56) - 1));
	return true;
}
