/* Looks for separate debug files. */
#include "agent/core/debugfiles.h"
#include "symbolizer/debug_paths.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct place {
	int root_fd; /* or, if it is -1, that of the process: */
	uint32_t tgid;
	const char *path;
};

struct search {
	struct openclient *opener;
	char paths[DEBUG_PATHS_MAX][DEBUG_PATH_BYTES];
	struct place places[DEBUG_PATHS_MAX + 2];
	size_t nr, next;
	debugfiles_fn fn;
	void *userdata;
};

static void try_next(struct search *s);

static void on_open(int fd, void *userdata)
{
	struct search *s = userdata;

	/* A process or an opener that is gone says nothing of the places that are left, but they are not worth a storm. */
	if (fd >= 0 || fd == -ECONNRESET) {
		s->fn(fd, s->next, s->userdata);
		free(s);
		return;
	}
	try_next(s);
}

static void try_next(struct search *s)
{
	int r = -ENOENT;

	if (s->next < s->nr) {
		const struct place *p = &s->places[s->next++];

		r = p->root_fd >= 0
			    ? openclient_elf_below(s->opener, p->root_fd, p->path, on_open, s)
			    : openclient_elf_in_root(s->opener, p->tgid, 0, p->path, on_open, s);
		if (!r)
			return;
	}
	s->fn(r, s->next, s->userdata);
	free(s);
}

static void plan(struct search *s, int root_fd, const struct symbolizer_identity *identity,
		 const char *path)
{
	size_t nr = debug_paths(identity, path ? path : "", s->paths);

	for (size_t i = 0; i < nr && root_fd >= 0; i++)
		s->places[s->nr++] = (struct place) { .root_fd = root_fd, .path = s->paths[i] };
	if (!nr || identity->build_id_kind != SYMBOLIZER_BUILD_ID_GNU)
		return;
	/* Process 1 has the host's root, wherever we run ourselves; where it is closed to us, our own may be it. */
	for (int own = 0; own < 2; own++)
		s->places[s->nr++] = (struct place) { .root_fd = -1,
						      .tgid = own ? (uint32_t)getpid() : 1,
						      .path = s->paths[0] };
}

int debugfiles_find(struct openclient *opener, int root_fd,
		    const struct symbolizer_identity *identity, const char *path, size_t first,
		    debugfiles_fn fn, void *userdata)
{
	struct search *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->opener = opener;
	s->fn = fn;
	s->userdata = userdata;
	s->next = first;
	plan(s, root_fd, identity, path);
	try_next(s);
	return 0;
}
