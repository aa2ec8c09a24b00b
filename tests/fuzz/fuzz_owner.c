/* Cgroup paths: whatever the path, the owner is whole, and an owner's own part of the tree stays its own. */
#include "agent/core/owner.h"
#include "agent/base/cleanup.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_whole(const struct owner_ref *ref)
{
	assert(ref->kind == OWNER_HOST || ref->kind == OWNER_CONTAINER || ref->kind == OWNER_UNIT ||
	       ref->kind == OWNER_CGROUP);
	assert(ref->name[0] && memchr(ref->name, '\0', sizeof(ref->name)));
	assert(ref->runtime[0] && memchr(ref->runtime, '\0', sizeof(ref->runtime)));
	assert(memchr(ref->container_id, '\0', sizeof(ref->container_id)));
	assert(memchr(ref->pod_uid, '\0', sizeof(ref->pod_uid)));
	assert(memchr(ref->nested_id, '\0', sizeof(ref->nested_id)));
	assert(memchr(ref->within, '\0', sizeof(ref->within)));
	assert((ref->kind == OWNER_CONTAINER) == (ref->container_id[0] != '\0'));
	assert(ref->kind == OWNER_CONTAINER ||
	       (!*ref->pod_uid && !*ref->nested_id && !*ref->within));
}

static void below(const char *prefix, const char *path, struct owner_ref *ret)
{
	_cleanup_(freep) char *whole = NULL;

	assert(asprintf(&whole, "%s%s%s", prefix, *path == '/' ? "" : "/", path) >= 0);
	owner_from_cgroup_path(whole, ret);
	check_whole(ret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char victim[] =
		"/docker/873035ffae9c4d5998aa5929b031a42d8b3c812a42b8befd061a5c617ea7e246";
	_cleanup_(freep) char *path = strndup((const char *)data, size);
	struct owner_ref ref;

	assert(path);
	memset(&ref, 0xff, sizeof(ref));
	owner_from_cgroup_path(path, &ref);
	check_whole(&ref);
	/* Whatever a container makes below its own cgroup is the container's … */
	below(victim, path, &ref);
	assert(ref.kind == OWNER_CONTAINER && !strcmp(ref.container_id, victim + 8) &&
	       !*ref.within);
	/* … and whatever a user makes below his is his. */
	below("/user.slice/user-7.slice/user@7.service", path, &ref);
	assert(ref.kind == OWNER_CONTAINER ? !strcmp(ref.within, "user@7")
					   : !strncmp(ref.name, "user@7", 6));
	return 0;
}
