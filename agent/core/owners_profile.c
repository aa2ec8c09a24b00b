/* An owner as a profile has it. */
#include "agent/core/owners_profile.h"

int owners_add_to_profile(const struct owners_entry *e, struct profile *p, uint32_t *ret)
{
	struct profile_owner owner = { .samples = 0 };
	int r = profile_add_string(p, owners_name(e), &owner.name);

	if (!r)
		r = profile_add_string(p, e->ref.container_id, &owner.id);
	if (!r)
		r = profile_add_string(p, e->ref.runtime, &owner.runtime);
	if (!r)
		r = profile_add_string(p, e->names.image, &owner.image);
	if (!r)
		r = profile_add_string(p, e->cgroup_path, &owner.cgroup_path);
	return r ? r : profile_add_owner(p, &owner, ret);
}
