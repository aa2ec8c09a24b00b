/* The texts of /proc/self/mountinfo and /proc/cgroups: mounts within the table, whole paths. */
#include "agent/core/cgroupfs.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Both texts in one input, with a form feed between them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *mountinfo = strndup((const char *)data, size);
	struct cgroupfs fs;
	char *cgroups;

	assert(mountinfo);
	cgroups = mountinfo + strcspn(mountinfo, "\f");
	if (*cgroups)
		*cgroups++ = '\0';
	cgroupfs_parse(mountinfo, cgroups, &fs);
	assert(fs.nr <= CGROUPFS_MOUNTS_MAX);
	for (size_t i = 0; i < fs.nr; i++) {
		assert(memchr(fs.mounts[i].path, '\0', sizeof(fs.mounts[i].path)));
		assert(!i || fs.mounts[i].hierarchy >=
				     (fs.mounts[i - 1].hierarchy ? 1 : 0)); /* v2 first */
	}
	return 0;
}
