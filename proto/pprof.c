/*
 * A profile, or one owner's part of it, as gzip'd pprof.
 *
 * What the file promises to pprof, Parca, Pyroscope and Go's PGO at once:
 * - Addresses are in the ELF file's own space and mappings have start = limit = offset = 0, which all of them
 *   take as "adjusted already"; the build ID says which file.
 * - Only what samples of the wanted owner use is in it; ids count 1…n in the order of first use.
 * - The first mapping gives the tool's reports their title: the main binary of the most sampled process
 *   when there is one owner, the kernel when there are several.
 * - A frame without a name keeps mapping and address, and gets a function "libfoo.so!0x1234": without a line
 *   pprof shows a bare number and Pyroscope adds the frame's time to its caller. A mapping's flags tell of
 *   real names only.
 * - A build ID is whatever a file's author wrote; pprof (Go 1.26) makes paths of it, globs with it, and dies
 *   of one that has a single character. What does not look like one is left out.
 * - Kernel frames with a name go without their address: it would tell whoever gets the file where this
 *   boot's kernel lies, and nobody can use it.
 */
#include "proto/pprof.h"
#include "agent/base/intern.h"
#include "agent/base/text.h"
#include "proto/gzip.h"
#include "proto/profile_binary.h"

#include "proto/profile.pb-c.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define NR_VALUES 2 /* samples/count, cpu/nanoseconds */
#define LABELS_MAX 6 /* of a sample: pid, comm, thread, container, container_id, runtime */
#define PACKED_MAX (1u << 30)
#define STRINGS_MAX (PROFILE_MAX_STRING_BYTES + (1u << 20))

/* Memory that lives as long as the writer. */
struct block {
	struct block *next;
	max_align_t data[];
};

struct pprof {
	const struct profile *profile;
	struct profile_view view;
	struct pprof_part part;
	struct block *blocks;
	struct intern *strings;
	int error; /* the first failure, sticky */

	/* From the profile's indexes to ids of this file; 0: not in it. */
	uint32_t *string_of, *location_of, *function_of, *mapping_of;
	uint32_t *locations; /* used ones, in the order of their ids */
	uint32_t *mappings;
	size_t nr_samples, nr_stack, nr_locations, nr_lines, nr_functions, nr_mappings;
	uint32_t nr_owners; /* that have samples here */
	bool has_cut; /* one location more, behind the others: where the middle of a stack was */

	Perftools__Profiles__Label **pids, **comms; /* of each process */
	Perftools__Profiles__Label **threads; /* of each string */
	Perftools__Profiles__Label **owners; /* three of each owner */
	Perftools__Profiles__Profile message;
};

static void pprof_deinit(struct pprof *w)
{
	while (w->blocks) {
		struct block *block = w->blocks;

		w->blocks = block->next;
		free(block);
	}
	intern_free(w->strings);
}
DEFINE_CLEANUP_EMBEDDED(struct pprof, pprof_deinit)

/* Zeroed memory for nr things; NULL and a sticky error when there is none. */
static void *alloc(struct pprof *w, size_t nr, size_t size)
{
	struct block *block = NULL;

	if (nr <= (SIZE_MAX - sizeof(*block)) / size)
		block = calloc(1, sizeof(*block) + nr * size);
	if (!block) {
		w->error = -ENOMEM;
		return NULL;
	}
	block->next = w->blocks;
	w->blocks = block;
	return block->data;
}

static int64_t add_text(struct pprof *w, const char *s)
{
	uint32_t id = 0;
	int r = intern_add(w->strings, s, strlen(s), &id);

	if (r && !w->error)
		w->error = r < 0 ? r : -ENOSPC;
	return id;
}

static int64_t add_string(struct pprof *w, uint32_t string)
{
	if (string && !w->string_of[string])
		w->string_of[string] = (uint32_t)add_text(w, profile_string(w->profile, string));
	return w->string_of[string];
}

static bool is_wanted(const struct pprof *w, size_t index)
{
	const struct profile_sample *s = &w->view.samples[index];

	if (index < w->part.first_sample || index - w->part.first_sample >= w->part.nr_samples)
		return false;
	if (w->part.owner != PROFILE_ALL_OWNERS && s->owner != w->part.owner)
		return false;
	return s->count || s->value_ns;
}

/* How many locations a stack has here. */
static uint32_t depth_of(const struct pprof *w, const struct profile_sample *s)
{
	return w->part.max_depth ? MIN(s->nr_locations, w->part.max_depth) : s->nr_locations;
}

/* The i-th of them, leaf first; UINT32_MAX: the place where the middle was. */
static uint32_t stack_at(const struct pprof *w, const struct profile_sample *s, uint32_t i)
{
	uint32_t depth = depth_of(w, s), leaf = depth / 2;

	if (depth < s->nr_locations && i >= leaf) {
		if (i == leaf)
			return UINT32_MAX;
		i += s->nr_locations - depth; /* the root's half */
	}
	return w->view.stack_locations[s->first_location + i];
}

static const struct profile_location *location_at(const struct pprof *w, size_t index)
{
	return &w->view.locations[w->locations[index]];
}

static void use_mapping(struct pprof *w, uint32_t mapping)
{
	if (mapping == UINT32_MAX || w->mapping_of[mapping])
		return;
	w->mappings[w->nr_mappings++] = mapping;
	w->mapping_of[mapping] = (uint32_t)w->nr_mappings;
}

static void use_location(struct pprof *w, uint32_t index)
{
	const struct profile_location *l;

	if (index == UINT32_MAX) {
		w->has_cut = true;
		return;
	}
	if (w->location_of[index])
		return;
	l = &w->view.locations[index];
	w->locations[w->nr_locations++] = index;
	w->location_of[index] = (uint32_t)w->nr_locations;
	w->nr_lines += MAX(l->nr_lines, 1u);
	if (!l->nr_lines)
		w->nr_functions++; /* made up for it */
	for (uint32_t i = 0; i < l->nr_lines; i++) {
		uint32_t f = w->view.lines[l->first_line + i].function;

		w->nr_functions += !w->function_of[f];
		w->function_of[f] = 1; /* its id comes when it is written */
	}
	use_mapping(w, l->mapping);
}

/* Finds out what the wanted samples use, and how much room it takes. */
static int collect(struct pprof *w)
{
	const struct profile_view *v = &w->view;
	uint32_t last_owner = UINT32_MAX;

	w->string_of = alloc(w, v->nr_strings, sizeof(*w->string_of));
	w->location_of = alloc(w, v->nr_locations, sizeof(*w->location_of));
	w->function_of = alloc(w, v->nr_functions, sizeof(*w->function_of));
	w->mapping_of = alloc(w, v->nr_mappings, sizeof(*w->mapping_of));
	w->locations = alloc(w, v->nr_locations, sizeof(*w->locations));
	w->mappings = alloc(w, v->nr_mappings, sizeof(*w->mappings));
	if (w->error)
		return w->error;
	for (size_t i = 0; i < v->nr_samples; i++) {
		const struct profile_sample *s = &v->samples[i];

		if (!is_wanted(w, i))
			continue;
		w->nr_samples++;
		w->nr_stack += depth_of(w, s);
		for (uint32_t j = 0; j < depth_of(w, s); j++)
			use_location(w, stack_at(w, s, j));
		w->nr_owners += s->owner != last_owner && w->nr_owners < 2;
		last_owner = s->owner;
	}
	return 0;
}

static uint32_t kernel_mapping(const struct pprof *w)
{
	for (size_t i = 0; i < w->nr_locations; i++) {
		if (location_at(w, i)->kind == PROFILE_FRAME_KERNEL)
			return location_at(w, i)->mapping;
	}
	return UINT32_MAX;
}

/* Gives the mapping that titles the reports the first id, by changing places with what has it. */
static void order_mappings(struct pprof *w)
{
	uint32_t first = w->nr_owners > 1 ? kernel_mapping(w)
					  : profile_main_binary(w->profile, w->part.owner);
	uint32_t place;

	if (first == UINT32_MAX || !w->mapping_of[first])
		return; /* none, or not in this part */
	place = w->mapping_of[first] - 1;
	w->mappings[place] = w->mappings[0];
	w->mappings[0] = first;
	w->mapping_of[w->mappings[place]] = place + 1;
	w->mapping_of[first] = 1;
}

/* GNU: hexadecimal; Go: four parts in base64url, with slashes between them. */
static bool is_build_id(const char *s)
{
	size_t len = strspn(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-/");

	return len >= 4 && !s[len] && s[0] != '/';
}

static void fill_mapping(struct pprof *w, Perftools__Profiles__Mapping *m, size_t index)
{
	const struct profile_mapping *from = &w->view.mappings[w->mappings[index]];

	perftools__profiles__mapping__init(m);
	m->id = index + 1;
	m->filename = add_string(w, from->file);
	if (is_build_id(profile_string(w->profile, from->build_id)))
		m->build_id = add_string(w, from->build_id);
}

static void add_mappings(struct pprof *w)
{
	Perftools__Profiles__Mapping *mappings = alloc(w, w->nr_mappings, sizeof(*mappings));

	w->message.mapping = alloc(w, w->nr_mappings, sizeof(*w->message.mapping));
	if (w->error)
		return;
	w->message.n_mapping = w->nr_mappings;
	for (size_t i = 0; i < w->nr_mappings; i++) {
		w->message.mapping[i] = &mappings[i];
		fill_mapping(w, &mappings[i], i);
	}
}

static Perftools__Profiles__Function *add_function(struct pprof *w, int64_t name)
{
	Perftools__Profiles__Function *f = w->message.function[w->message.n_function++];

	perftools__profiles__function__init(f);
	f->id = w->message.n_function;
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
		return add_function(w, add_text(w, name))->id;
	index = w->view.lines[l->first_line + line].function;
	from = &w->view.functions[index];
	if (w->function_of[index] > 1)
		return w->function_of[index] - 1;
	f = add_function(w, from->name ? add_string(w, from->name) : add_text(w, name));
	if (from->system_name)
		f->system_name = add_string(w, from->system_name);
	f->filename = add_string(w, from->file);
	f->start_line = from->start_line;
	w->function_of[index] = (uint32_t)f->id + 1; /* 1 is taken: used, not written yet */
	return f->id;
}

/* A mapping's flags say what its locations in this file have, not what they might have had. */
static void raise_flags(struct pprof *w, const struct profile_location *l)
{
	Perftools__Profiles__Mapping *m;

	if (l->mapping == UINT32_MAX || !l->nr_lines)
		return;
	m = w->message.mapping[w->mapping_of[l->mapping] - 1];
	m->has_functions = true;
	for (uint32_t i = 0; i < l->nr_lines; i++) {
		const struct profile_line *line = &w->view.lines[l->first_line + i];

		m->has_filenames |= w->view.functions[line->function].file != 0;
		m->has_line_numbers |= line->line != 0;
	}
	m->has_inline_frames =
		m->has_line_numbers && w->view.mappings[l->mapping].has_inline_frames;
}

static void fill_location(struct pprof *w, Perftools__Profiles__Location *to, size_t index,
			  Perftools__Profiles__Line *lines, Perftools__Profiles__Line **pointers)
{
	const struct profile_location *from = location_at(w, index);

	perftools__profiles__location__init(to);
	to->id = index + 1;
	if (from->mapping != UINT32_MAX)
		to->mapping_id = w->mapping_of[from->mapping];
	if (from->kind != PROFILE_FRAME_KERNEL || !from->nr_lines)
		to->address = from->address;
	to->n_line = MAX(from->nr_lines, 1u);
	to->line = pointers;
	for (uint32_t i = 0; i < to->n_line; i++) {
		perftools__profiles__line__init(&lines[i]);
		pointers[i] = &lines[i];
		lines[i].function_id = use_function(w, w->locations[index], i);
		if (!from->nr_lines)
			continue;
		lines[i].line = w->view.lines[from->first_line + i].line;
		lines[i].column = w->view.lines[from->first_line + i].column;
	}
	raise_flags(w, from);
}

static void add_cut(struct pprof *w, Perftools__Profiles__Location *to,
		    Perftools__Profiles__Line *line, Perftools__Profiles__Line **pointer)
{
	perftools__profiles__location__init(to);
	perftools__profiles__line__init(line);
	line->function_id = add_function(w, add_text(w, "[cut]"))->id;
	*pointer = line;
	to->id = w->nr_locations + 1;
	to->line = pointer;
	to->n_line = 1;
	w->message.location[w->message.n_location++] = to;
}

static void add_locations(struct pprof *w)
{
	Perftools__Profiles__Location *all = alloc(w, w->nr_locations + 1, sizeof(*all));
	Perftools__Profiles__Function *functions =
		alloc(w, w->nr_functions + 1, sizeof(*functions));
	Perftools__Profiles__Line *lines = alloc(w, w->nr_lines + 1, sizeof(*lines));
	Perftools__Profiles__Line **pointers = alloc(w, w->nr_lines + 1, sizeof(*pointers));
	size_t line = 0;

	w->message.location = alloc(w, w->nr_locations + 1, sizeof(*w->message.location));
	w->message.function = alloc(w, w->nr_functions + 1, sizeof(*w->message.function));
	if (w->error)
		return;
	for (size_t i = 0; i <= w->nr_functions; i++)
		w->message.function[i] = &functions[i];
	w->message.n_location = w->nr_locations;
	for (size_t i = 0; i < w->nr_locations; i++) {
		w->message.location[i] = &all[i];
		fill_location(w, &all[i], i, lines + line, pointers + line);
		line += all[i].n_line;
	}
	if (w->has_cut)
		add_cut(w, &all[w->nr_locations], lines + line, pointers + line);
}

static Perftools__Profiles__Label *new_label(struct pprof *w, const char *key, int64_t str)
{
	Perftools__Profiles__Label *label = alloc(w, 1, sizeof(*label));

	if (!label)
		return NULL;
	perftools__profiles__label__init(label);
	label->key = add_text(w, key);
	label->str = str;
	return label;
}

/* Equal labels are one object: the same few stand at every sample. An empty string has none. */
static Perftools__Profiles__Label *share(struct pprof *w, Perftools__Profiles__Label **slot,
					 const char *key, uint32_t string)
{
	if (!*slot && string)
		*slot = new_label(w, key, add_string(w, string));
	return *slot;
}

static Perftools__Profiles__Label *share_pid(struct pprof *w, uint32_t process)
{
	Perftools__Profiles__Label **slot = &w->pids[process];

	if (*slot)
		return *slot;
	*slot = new_label(w, "pid", 0);
	if (*slot) {
		(*slot)->num = w->view.processes[process].tgid;
		(*slot)->num_unit = add_text(w, "id");
	}
	return *slot;
}

static size_t add_labels(struct pprof *w, const struct profile_sample *s,
			 Perftools__Profiles__Label **labels)
{
	const struct profile_owner *o = &w->view.owners[s->owner];
	Perftools__Profiles__Label **of_owner = &w->owners[(size_t)s->owner * 3];
	Perftools__Profiles__Label *all[LABELS_MAX] = {
		share_pid(w, s->process),
		share(w, &w->comms[s->process], "comm", w->view.processes[s->process].comm),
		share(w, &w->threads[s->thread_comm], "thread", s->thread_comm),
		share(w, &of_owner[0], "container", o->name),
		share(w, &of_owner[1], "container_id", o->id),
		share(w, &of_owner[2], "runtime", o->runtime),
	};
	size_t nr = 0;

	for (size_t i = 0; i < LABELS_MAX; i++) {
		if (all[i])
			labels[nr++] = all[i];
	}
	return nr;
}

/* Room for one kind of thing in all samples, handed out from the front. */
struct sample_room {
	uint64_t *ids;
	int64_t *values;
	Perftools__Profiles__Label **labels;
};

static void fill_sample(struct pprof *w, Perftools__Profiles__Sample *to,
			const struct profile_sample *from, struct sample_room *room)
{
	perftools__profiles__sample__init(to);
	to->location_id = room->ids;
	to->n_location_id = depth_of(w, from);
	for (uint32_t i = 0; i < to->n_location_id; i++) {
		uint32_t location = stack_at(w, from, i);

		room->ids[i] =
			location == UINT32_MAX ? w->nr_locations + 1 : w->location_of[location];
	}
	to->value = room->values;
	to->n_value = NR_VALUES;
	room->values[0] = (int64_t)from->count;
	room->values[1] = (int64_t)from->value_ns;
	to->label = room->labels;
	if (!w->part.without_labels)
		to->n_label = add_labels(w, from, room->labels);
	room->ids += to->n_location_id;
	room->values += NR_VALUES;
	room->labels += to->n_label;
}

static void add_samples(struct pprof *w)
{
	Perftools__Profiles__Sample *samples = alloc(w, w->nr_samples, sizeof(*samples));
	struct sample_room room = {
		.ids = alloc(w, w->nr_stack, sizeof(*room.ids)),
		.values = alloc(w, w->nr_samples * NR_VALUES, sizeof(*room.values)),
		.labels =
			alloc(w, w->nr_samples * LABELS_MAX, sizeof(Perftools__Profiles__Label *)),
	};

	w->message.sample = alloc(w, w->nr_samples, sizeof(*w->message.sample));
	w->pids = alloc(w, w->view.nr_processes, sizeof(Perftools__Profiles__Label *));
	w->comms = alloc(w, w->view.nr_processes, sizeof(Perftools__Profiles__Label *));
	w->threads = alloc(w, w->view.nr_strings, sizeof(Perftools__Profiles__Label *));
	w->owners = alloc(w, w->view.nr_owners * 3, sizeof(Perftools__Profiles__Label *));
	if (w->error)
		return;
	for (size_t i = 0; i < w->view.nr_samples; i++) {
		Perftools__Profiles__Sample *to = &samples[w->message.n_sample];

		if (!is_wanted(w, i))
			continue;
		w->message.sample[w->message.n_sample++] = to;
		fill_sample(w, to, &w->view.samples[i], &room);
	}
}

static void add_comment(struct pprof *w, const char *fmt, ...) _printf_(2, 3);
static void add_comment(struct pprof *w, const char *fmt, ...)
{
	char raw[1024], text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	text_repair(raw, strlen(raw), text, sizeof(text));
	w->message.comment[w->message.n_comment++] = add_text(w, text);
}

/* What made the file, and the loss equation: a profile says itself what is missing from it. */
static void add_comments(struct pprof *w)
{
	const struct profile_meta *meta = w->view.meta;

	w->message.comment = alloc(w, meta->nr_losses + 3, sizeof(*w->message.comment));
	if (w->error)
		return;
	add_comment(w, "fleetprof %s on %s, Linux %s", meta->version, meta->host, meta->kernel);
	add_comment(w, "%" PRIu32 " Hz on %" PRIu32 " CPUs", meta->rate_hz, meta->nr_cpus);
	for (size_t i = 0; i < meta->nr_losses; i++)
		add_comment(w, "%s: %" PRIu64, meta->losses[i].name, meta->losses[i].count);
	if (w->view.dropped_samples)
		add_comment(w, "lost: no room for stack: %" PRIu64, w->view.dropped_samples);
}

static Perftools__Profiles__ValueType *new_type(struct pprof *w, const char *type, const char *unit)
{
	Perftools__Profiles__ValueType *t = alloc(w, 1, sizeof(*t));

	if (!t)
		return NULL;
	perftools__profiles__value_type__init(t);
	t->type = add_text(w, type);
	t->unit = add_text(w, unit);
	return t;
}

static void add_types(struct pprof *w)
{
	Perftools__Profiles__Profile *m = &w->message;
	const struct profile_meta *meta = w->view.meta;

	m->sample_type = alloc(w, NR_VALUES, sizeof(*m->sample_type));
	if (w->error)
		return;
	m->n_sample_type = NR_VALUES;
	m->sample_type[0] = new_type(w, "samples", "count");
	m->sample_type[1] = m->period_type = new_type(w, "cpu", "nanoseconds");
	m->default_sample_type = add_text(w, "cpu");
	m->period = (int64_t)MAX(meta->period_ns, 1u);
	m->time_nanos = (int64_t)meta->time_wall_ns;
	m->duration_nanos = (int64_t)meta->duration_ns;
}

static void add_string_table(struct pprof *w)
{
	Perftools__Profiles__Profile *m = &w->message;

	m->string_table = alloc(w, intern_count(w->strings), sizeof(*m->string_table));
	if (w->error)
		return;
	m->n_string_table = intern_count(w->strings);
	for (uint32_t i = 0; i < m->n_string_table; i++)
		m->string_table[i] = (char *)intern_get(w->strings, i, NULL);
}

static int build(struct pprof *w)
{
	static void (*const steps[])(struct pprof * w) = {
		add_types,   order_mappings, add_mappings,     add_locations,
		add_samples, add_comments,   add_string_table,
	};
	int r;

	r = intern_new(&w->strings, STRINGS_MAX);
	if (!r)
		r = collect(w);
	if (r < 0)
		return r;
	perftools__profiles__profile__init(&w->message);
	for (size_t i = 0; !w->error && i < ARRAY_SIZE(steps); i++)
		steps[i](w);
	return w->error;
}

int pprof_pack(const struct profile *p, const struct pprof_part *part, struct buf *out)
{
	_cleanup_(pprof_deinitp) struct pprof w = { .profile = p, .part = *part };
	void *packed;
	int r;

	profile_view(p, &w.view);
	r = build(&w);
	if (r < 0)
		return r;
	packed = buf_grow(out, perftools__profiles__profile__get_packed_size(&w.message));
	if (!packed)
		return out->error;
	perftools__profiles__profile__pack(&w.message, packed);
	return 0;
}

int pprof_write(const struct profile *p, uint32_t owner, struct buf *out)
{
	const struct pprof_part all = { .owner = owner, .nr_samples = SIZE_MAX };
	_cleanup_(buf_deinitp) struct buf packed = BUF_NULL;
	int r;

	buf_init(&packed, PACKED_MAX);
	r = pprof_pack(p, &all, &packed);
	return r ?: gzip_compress(packed.data, packed.len, out);
}
