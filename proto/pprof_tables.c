/* A pprof file's tables: locations, the functions that they are the first to use, and mappings. */
#include "proto/pprof_internal.h"

#include <string.h>

static const struct profile_location *location_at(const struct pprof *w, size_t index)
{
	return &w->view.locations[w->locations[index]];
}

/* Functions have room for one of each line of the piece. */
static Perftools__Profiles__Function *add_function(struct pprof *w, int64_t name)
{
	Perftools__Profiles__Function *f = w->piece.function[w->piece.n_function++];

	perftools__profiles__function__init(f);
	f->id = ++w->nr_functions;
	f->name = f->system_name = name;
	return f;
}

/* The id of the function of a location's line; made up when the location has none. */
static uint64_t use_function(struct pprof *w, uint32_t location, uint32_t line)
{
	const struct profile_location *l = &w->view.locations[location];
	const struct profile_function *from;
	Perftools__Profiles__Function *f;
	char tmp[PROFILE_MAX_NAME];
	const char *name = profile_frame_name(w->profile, location, line, tmp);
	uint32_t index;

	if (!l->nr_lines)
		return add_function(w, pprof_add_text(w, name))->id;
	index = w->view.lines[l->first_line + line].function;
	from = &w->view.functions[index];
	if (w->function_of[index])
		return w->function_of[index];
	f = add_function(w, from->name ? pprof_add_string(w, from->name) : pprof_add_text(w, name));
	if (from->system_name)
		f->system_name = pprof_add_string(w, from->system_name);
	f->filename = pprof_add_string(w, from->file);
	f->start_line = from->start_line;
	w->function_of[index] = (uint32_t)f->id;
	return f->id;
}

/* A mapping's flags say what its locations in this file have, not what they might have had. */
static void raise_flags(struct pprof *w, const struct profile_location *l)
{
	struct pprof_flags *flags;

	if (l->mapping == UINT32_MAX || !l->nr_lines)
		return;
	flags = &w->flags[l->mapping];
	flags->functions = true;
	for (uint32_t i = 0; i < l->nr_lines; i++) {
		const struct profile_line *line = &w->view.lines[l->first_line + i];

		flags->filenames |= w->view.functions[line->function].file != 0;
		flags->line_numbers |= line->line != 0;
	}
	flags->inline_frames =
		flags->line_numbers && w->view.mappings[l->mapping].has_inline_frames;
}

/* Room for the piece's lines, handed out from the front. */
struct line_room {
	Perftools__Profiles__Line *lines, **pointers;
};

static void add_location(struct pprof *w, Perftools__Profiles__Location *to, size_t nr_lines,
			 struct line_room *room)
{
	perftools__profiles__location__init(to);
	to->n_line = nr_lines;
	to->line = room->pointers;
	for (size_t i = 0; i < nr_lines; i++) {
		perftools__profiles__line__init(&room->lines[i]);
		room->pointers[i] = &room->lines[i];
	}
	room->lines += nr_lines;
	room->pointers += nr_lines;
	w->piece.location[w->piece.n_location++] = to;
}

static void put_location(struct pprof *w, Perftools__Profiles__Location *to, size_t index,
			 struct line_room *room)
{
	const struct profile_location *from = location_at(w, index);

	add_location(w, to, MAX(from->nr_lines, 1u), room);
	to->id = index + 1;
	if (from->mapping != UINT32_MAX)
		to->mapping_id = w->mapping_of[from->mapping];
	if (from->kind != PROFILE_FRAME_KERNEL || !from->nr_lines)
		to->address = from->address;
	for (uint32_t i = 0; i < to->n_line; i++) {
		to->line[i]->function_id = use_function(w, w->locations[index], i);
		if (!from->nr_lines)
			continue;
		to->line[i]->line = w->view.lines[from->first_line + i].line;
		to->line[i]->column = w->view.lines[from->first_line + i].column;
	}
	raise_flags(w, from);
}

static void put_cut(struct pprof *w, Perftools__Profiles__Location *to, struct line_room *room)
{
	add_location(w, to, 1, room);
	to->id = w->nr_locations + 1;
	to->line[0]->function_id = add_function(w, pprof_add_text(w, "[cut]"))->id;
}

/* Room for the locations from the next on, up to end, and the place behind the last for the cut. */
static Perftools__Profiles__Location *make_room(struct pprof *w, size_t end, struct line_room *ret)
{
	size_t nr = end - w->next + 1, nr_lines = 1;
	Perftools__Profiles__Location *all = pprof_alloc(w, nr, sizeof(*all));
	Perftools__Profiles__Function *functions;

	for (size_t i = w->next; i < end; i++)
		nr_lines += MAX(location_at(w, i)->nr_lines, 1u);
	functions = pprof_alloc(w, nr_lines, sizeof(*functions));
	ret->lines = pprof_alloc(w, nr_lines, sizeof(*ret->lines));
	ret->pointers = pprof_alloc(w, nr_lines, sizeof(*ret->pointers));
	w->piece.location = pprof_alloc(w, nr, sizeof(*w->piece.location));
	w->piece.function = pprof_alloc(w, nr_lines, sizeof(*w->piece.function));
	if (w->error)
		return NULL;
	for (size_t i = 0; i < nr_lines; i++)
		w->piece.function[i] = &functions[i];
	return all;
}

int pprof_put_locations(struct pprof *w, size_t nr)
{
	size_t end = w->next + MIN(nr, w->nr_locations - w->next);
	struct line_room room;
	Perftools__Profiles__Location *to = make_room(w, end, &room);

	if (!to)
		return w->error;
	for (; w->next < end; w->next++)
		put_location(w, to++, w->next, &room);
	if (w->next < w->nr_locations)
		return 1;
	if (w->has_cut)
		put_cut(w, to, &room);
	return w->error;
}

/* GNU: hexadecimal; Go: four parts in base64url, with slashes between them. */
static bool is_build_id(const char *s)
{
	size_t len = strspn(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-/");

	return len >= 4 && !s[len] && s[0] != '/';
}

static void put_mapping(struct pprof *w, Perftools__Profiles__Mapping *m, size_t index)
{
	const struct profile_mapping *from = &w->view.mappings[w->mappings[index]];
	const struct pprof_flags *flags = &w->flags[w->mappings[index]];

	perftools__profiles__mapping__init(m);
	m->id = index + 1;
	m->filename = pprof_add_string(w, from->file);
	if (is_build_id(profile_string(w->profile, from->build_id)))
		m->build_id = pprof_add_string(w, from->build_id);
	m->has_functions = flags->functions;
	m->has_filenames = flags->filenames;
	m->has_line_numbers = flags->line_numbers;
	m->has_inline_frames = flags->inline_frames;
	w->piece.mapping[w->piece.n_mapping++] = m;
}

int pprof_put_mappings(struct pprof *w, size_t nr)
{
	size_t end = w->next + MIN(nr, w->nr_mappings - w->next);
	Perftools__Profiles__Mapping *to = pprof_alloc(w, end - w->next, sizeof(*to));

	w->piece.mapping = pprof_alloc(w, end - w->next, sizeof(*w->piece.mapping));
	if (w->error)
		return w->error;
	for (; w->next < end; w->next++)
		put_mapping(w, to++, w->next);
	return w->error ?: w->next < w->nr_mappings;
}
