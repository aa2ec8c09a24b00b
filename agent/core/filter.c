/* What of the host is sampled. */
#include "agent/core/filter.h"

#include <string.h>

#define ID_BEGINNING_MIN 8

struct filter filter_of_config(const struct config *config)
{
	return (struct filter) { .cgroups = &config->filter.cgroups,
				 .containers = &config->filter.containers,
				 .exclude_cgroups = &config->filter.exclude_cgroups,
				 .exclude_containers = &config->filter.exclude_containers };
}

static bool is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	while (len && top[len - 1] == '/')
		len--;
	return !strncmp(path, top, len) && (!path[len] || path[len] == '/');
}

static bool has_cgroup(const struct config_strings *tops, const char *path)
{
	for (size_t i = 0; i < tops->nr; i++) {
		if (is_below(path, tops->items[i]))
			return true;
	}
	return false;
}

static bool is_called(const struct owner_ref *ref, const char *name, const char *what)
{
	size_t len = strlen(what);

	if (!strcmp(name, what) || !strcmp(ref->container_id, what))
		return true;
	return len >= ID_BEGINNING_MIN && !*ref->within && !strncmp(ref->container_id, what, len);
}

static bool has_container(const struct config_strings *containers, const struct owner_ref *ref,
			  const char *name)
{
	for (size_t i = 0; ref->kind == OWNER_CONTAINER && i < containers->nr; i++) {
		if (is_called(ref, name, containers->items[i]))
			return true;
	}
	return false;
}

enum filter_answer filter_ask(const struct filter *f, const char *path, const struct owner_ref *ref,
			      const char *name, bool name_known)
{
	bool named = name_known || *name || ref->kind != OWNER_CONTAINER;

	if (!f)
		return FILTER_SAMPLED;
	if (has_cgroup(f->exclude_cgroups, path) || has_container(f->exclude_containers, ref, name))
		return FILTER_LEFT_OUT;
	if (!named && f->exclude_containers->nr)
		return FILTER_UNDECIDED;
	if (!f->cgroups->nr && !f->containers->nr)
		return FILTER_SAMPLED;
	if (has_cgroup(f->cgroups, path) || has_container(f->containers, ref, name))
		return FILTER_SAMPLED;
	return !named && f->containers->nr ? FILTER_UNDECIDED : FILTER_LEFT_OUT;
}
