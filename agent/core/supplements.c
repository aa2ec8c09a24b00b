/* The files with a part of a program's debug information. */
#include "agent/core/supplements.h"
#include "agent/base/hashmap.h"
#include "agent/base/log.h"
#include "symbolizer/debug_paths.h"

#include <errno.h>
#include <string.h>

/* One file: where it is, or how far it was looked for. */
struct target {
	int fd; /* -1: not open */
	uint32_t next_path; /* of those that it may have */
	bool missing; /* at none of them */
	uint64_t used; /* when, by the program's own clock */
};
#define TARGET_NULL ((struct target) { .fd = -1 })

struct supplements {
	struct openclient *opener;
	struct supplements_counts *counts;
	supplements_missing_fn missing_fn;
	void *missing_userdata;
	struct target alt, package;
	struct hashmap *splits; /* dwo id → struct target */
	size_t nr_open; /* of splits */
	uint64_t clock;
	size_t nr_searches;
	bool stalled;
};

/* The roots that a path is looked up in. */
enum place {
	PLACE_ROOT,
	PLACE_HOST, /* process 1 has the host's root, wherever we run ourselves */
	PLACE_OWN, /* where that is closed to us, our own may be it */
	PLACES_NR
};

/* One call of supplements_find(). */
struct search {
	struct supplements *s;
	struct supplements_program program;
	char *path, *debug_path;
	struct symbolizer_want wants[SYMWIRE_WANTS_MAX]; /* their strings are the search's */
	size_t nr_wants, next; /* 0: the package; else the want before it */
	char paths[DEBUG_PATHS_MAX][DEBUG_PATH_BYTES]; /* of what is being looked for */
	uint32_t nr_paths;
	uint32_t path_at;
	enum place place;
	bool found, package_found;
	supplements_fn fn;
	void *userdata;
};

static void drop_fd(struct supplements *s, struct target *t)
{
	if (t->fd < 0)
		return;
	t->fd = close_fd(t->fd);
	s->counts->open--;
}

int supplements_new(struct supplements **ret, struct openclient *opener,
		    struct supplements_counts *counts, supplements_missing_fn fn, void *userdata)
{
	_cleanup_(supplements_freep) struct supplements *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->opener = opener;
	s->counts = counts;
	s->missing_fn = fn;
	s->missing_userdata = userdata;
	s->alt = s->package = TARGET_NULL;
	r = hashmap_new(&s->splits, sizeof(uint64_t), sizeof(struct target), SUPPLEMENTS_IDS_MAX);
	if (r)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

static void drop_splits(struct supplements *s)
{
	void *value;

	for (size_t it = 0; hashmap_next(s->splits, &it, NULL, &value);)
		drop_fd(s, value);
	hashmap_clear(s->splits);
	s->nr_open = 0;
}

struct supplements *supplements_free(struct supplements *s)
{
	if (!s)
		return NULL;
	if (s->splits)
		drop_splits(s);
	drop_fd(s, &s->alt);
	drop_fd(s, &s->package);
	hashmap_free(s->splits);
	free(s);
	return NULL;
}

bool supplements_busy(const struct supplements *s)
{
	return s->nr_searches;
}

int supplements_alt_fd(const struct supplements *s)
{
	return s->alt.fd;
}

int supplements_package_fd(const struct supplements *s)
{
	return s->package.fd;
}

/* ---- what is known ---- */

static const struct target *known(const struct supplements *s, const struct symbolizer_want *want)
{
	return want->kind == SYMBOLIZER_SUPPLEMENT_ALT ? &s->alt
						       : hashmap_get(s->splits, &want->dwo_id);
}

bool supplements_are_missing(const struct supplements *s, const struct symbolizer_want *wants,
			     size_t nr)
{
	for (size_t i = 0; i < nr && !s->stalled; i++) {
		const struct target *t = known(s, &wants[i]);

		if (!t || !t->missing)
			return false;
	}
	return true;
}

/* The target of a want; NULL without memory. When too many are remembered, all are forgotten. */
static struct target *get_target(struct supplements *s, const struct symbolizer_want *want)
{
	void *value;
	bool is_new;
	int r;

	if (want->kind == SYMBOLIZER_SUPPLEMENT_ALT)
		return &s->alt;
	r = hashmap_put(s->splits, &want->dwo_id, &value, &is_new);
	if (r > 0) {
		s->counts->dropped += hashmap_count(s->splits);
		drop_splits(s);
		r = hashmap_put(s->splits, &want->dwo_id, &value, &is_new);
	}
	if (r)
		return NULL;
	if (is_new)
		*(struct target *)value = TARGET_NULL;
	return value;
}

/* Makes room for one more descriptor, by closing the one that was not used for the longest time. */
static bool make_room(struct supplements *s)
{
	struct target *oldest = NULL;
	void *value;

	if (s->nr_open < SUPPLEMENTS_OPEN_OF_ONE_MAX && s->counts->open < SUPPLEMENTS_OPEN_MAX)
		return true;
	for (size_t it = 0; hashmap_next(s->splits, &it, NULL, &value);) {
		struct target *t = value;

		if (t->fd >= 0 && (!oldest || t->used < oldest->used))
			oldest = t;
	}
	s->counts->dropped++;
	if (!oldest)
		return false;
	drop_fd(s, oldest);
	oldest->next_path = 0; /* it may be opened again */
	s->nr_open--;
	return true;
}

void supplements_bring_alt(struct supplements *s, int fd)
{
	_cleanup_(closep) int owned = fd;

	if (s->alt.fd >= 0 || !make_room(s))
		return;
	s->alt = (struct target) { .fd = TAKE_FD(owned), .next_path = DEBUG_PATHS_MAX };
	s->counts->open++;
	s->counts->found++;
}

/* ---- the search ---- */

static void next_place(struct search *search);

static bool looks_for_package(const struct search *search)
{
	return !search->next;
}

static struct target *current(struct search *search)
{
	return looks_for_package(search) ? &search->s->package
					 : get_target(search->s, &search->wants[search->next - 1]);
}

static void free_search(struct search *search)
{
	for (size_t i = 0; i < search->nr_wants; i++) {
		free((char *)search->wants[i].path);
		free((char *)search->wants[i].directory);
	}
	free(search->path);
	free(search->debug_path);
	free(search);
}

/* What there is now of what was wanted. */
static void finish(struct search *search)
{
	struct supplements *s = search->s;
	struct supplements_given give = { .alt = s->alt.fd >= 0, .package = s->package.fd >= 0 };

	for (size_t i = 0; i < search->nr_wants && give.nr < SYMWIRE_SPLITS_MAX; i++) {
		const struct symbolizer_want *want = &search->wants[i];
		const struct target *t = known(s, want);

		if (want->kind != SYMBOLIZER_SUPPLEMENT_SPLIT || !t || t->fd < 0)
			continue;
		give.fds[give.nr] = t->fd;
		give.ids[give.nr++] = want->dwo_id;
	}
	s->nr_searches--;
	search->fn(search->found, &give, search->userdata);
	free_search(search);
}

static bool is_wanted(const struct search *search, enum symbolizer_supplement kind)
{
	for (size_t i = 0; i < search->nr_wants; i++) {
		if (search->wants[i].kind == kind)
			return true;
	}
	return false;
}

/* Is there nothing to look for? */
static bool is_settled(struct search *search, const struct target *t)
{
	const struct symbolizer_want *want = search->next ? &search->wants[search->next - 1] : NULL;

	if (!t)
		return true;
	if (looks_for_package(search))
		return t->fd >= 0 || t->missing || !is_wanted(search, SYMBOLIZER_SUPPLEMENT_SPLIT);
	if (t->fd >= 0) { /* known from another time: it may help here, too */
		search->found = true;
		return true;
	}
	/* A package that is new here has the units, or the next answer wants them again. */
	return t->missing || (want->kind == SYMBOLIZER_SUPPLEMENT_SPLIT && search->package_found);
}

/* The next file that is to be looked for. */
static void next_target(struct search *search)
{
	for (; search->next <= search->nr_wants; search->next++) {
		struct target *t = current(search);

		if (is_settled(search, t))
			continue;
		search->nr_paths =
			(uint32_t)(looks_for_package(search)
					   ? debug_paths_of_package(search->path, search->paths)
					   : debug_paths_of_want(&search->wants[search->next - 1],
								 search->path, search->debug_path,
								 search->paths));
		search->path_at = t->next_path;
		search->place = PLACE_ROOT;
		next_place(search);
		return;
	}
	finish(search);
}

/* Takes the descriptor: whether it is the right file, the symbolizer will see. */
static void take(struct search *search, int fd)
{
	struct supplements *s = search->s;
	struct target *t = current(search);
	bool split =
		search->next && search->wants[search->next - 1].kind == SYMBOLIZER_SUPPLEMENT_SPLIT;

	if (!t || t->fd >= 0 || !make_room(s)) { /* another search was quicker, or no room */
		search->found |= t && t->fd >= 0;
		close_fd(fd);
		return;
	}
	*t = (struct target) { .fd = fd, .next_path = search->path_at + 1, .used = s->clock };
	s->nr_open += split;
	s->counts->open++;
	s->counts->found++;
	search->found = true;
	search->package_found |= looks_for_package(search);
}

static void on_open(int fd, void *userdata)
{
	struct search *search = userdata;

	if (fd == -ETIMEDOUT) {
		search->s->stalled = true;
		search->s->counts->stalled++;
	}
	if (fd == -ETIMEDOUT || fd == -ECONNRESET) {
		finish(search);
		return;
	}
	if (fd < 0) {
		search->place++;
		next_place(search);
		return;
	}
	take(search, fd);
	search->next++;
	next_target(search);
}

/* Asks for the path in the search's place; false: not there. */
static bool ask(struct search *search, const char *path)
{
	const struct supplements_program *p = &search->program;
	struct openclient *opener = search->s->opener;

	switch (search->place) {
	case PLACE_ROOT:
		return p->root_fd >= 0 &&
		       !openclient_elf_below(opener, p->root_fd, path, on_open, search);
	case PLACE_HOST:
		return debug_path_is_public(path) &&
		       !openclient_elf_in_root(opener, 1, 0, path, on_open, search);
	case PLACE_OWN:
		return debug_path_is_public(path) &&
		       !openclient_elf_in_root(opener, (uint32_t)getpid(), 0, path, on_open,
					       search);
	case PLACES_NR:
		break;
	}
	return false;
}

static void tell_missing(const struct search *search)
{
	const struct symbolizer_want *want = search->next ? &search->wants[search->next - 1] : NULL;

	if (want && want->kind == SYMBOLIZER_SUPPLEMENT_ALT)
		search->s->missing_fn(want, search->s->missing_userdata);
}

static void next_place(struct search *search)
{
	struct target *t;

	for (; search->path_at < search->nr_paths; search->path_at++, search->place = PLACE_ROOT) {
		for (; search->place < PLACES_NR; search->place++) {
			if (ask(search, search->paths[search->path_at]))
				return;
		}
	}
	t = current(search);
	if (t && t->fd < 0) {
		t->missing = true;
		search->s->counts->missing += !looks_for_package(search);
		tell_missing(search);
	}
	search->next++;
	next_target(search);
}

/* ---- a new search ---- */

/* What went with the last request and is wanted still was not the right file: the next place is tried. */
static void refuse_given(struct supplements *s, const struct symbolizer_want *want,
			 const struct supplements_given *given)
{
	struct target *t = get_target(s, want);
	bool alt = want->kind == SYMBOLIZER_SUPPLEMENT_ALT, was_given = alt && given->alt;

	for (size_t i = 0; !alt && i < given->nr; i++)
		was_given |= given->ids[i] == want->dwo_id;
	if (!t || t->fd < 0 || !was_given)
		return;
	drop_fd(s, t);
	s->nr_open -= !alt;
	s->counts->refused++;
}

static int add_want(struct search *search, const struct symbolizer_want *want)
{
	struct symbolizer_want *copy = &search->wants[search->nr_wants];
	struct target *t = get_target(search->s, want);

	for (size_t i = 0; i < search->nr_wants; i++) {
		if (search->wants[i].kind == want->kind && search->wants[i].dwo_id == want->dwo_id)
			return 0;
	}
	if (search->nr_wants == SYMWIRE_WANTS_MAX)
		return 0;
	*copy = *want;
	copy->path = strdup(want->path);
	copy->directory = strdup(want->directory);
	search->nr_wants++;
	if (t)
		t->used = search->s->clock;
	return copy->path && copy->directory ? 0 : -ENOMEM;
}

int supplements_find(struct supplements *s, const struct supplements_program *program,
		     const struct symbolizer_want *wants, size_t nr,
		     const struct supplements_given *given, supplements_fn fn, void *userdata)
{
	struct search *search = s->stalled ? NULL : calloc(1, sizeof(*search));
	int r = 0;

	if (!search)
		return s->stalled ? -ETIMEDOUT : -ENOMEM;
	s->clock++;
	search->s = s;
	search->program = *program;
	search->path = strdup(program->path ? program->path : "");
	search->debug_path = strdup(program->debug_path ? program->debug_path : "");
	search->fn = fn;
	search->userdata = userdata;
	search->found = search->package_found = s->package.fd >= 0 && !given->package;
	for (size_t i = 0; i < nr && !r; i++) {
		refuse_given(s, &wants[i], given);
		r = add_want(search, &wants[i]);
	}
	if (r || !search->path || !search->debug_path) {
		free_search(search);
		return -ENOMEM;
	}
	s->nr_searches++;
	next_target(search);
	return 0;
}
