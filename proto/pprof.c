/*
 * A profile, or one owner's part of it, as pprof.
 *
 * The file is made of pieces, each a message of its own: messages that stand one behind the other are one message
 * (protobuf's encoding, "Last One Wins"), in which the tables' parts follow each other. So neither the time of a step
 * nor the memory for what is unpacked grows with the profile.
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
#include "agent/base/text.h"
#include "proto/gzip.h"
#include "proto/pprof_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define PACKED_MAX (1u << 30)
#define STRINGS_MAX (PROFILE_MAX_STRING_BYTES + (1u << 20))
#define STEP 2000 /* things in a piece, where nobody waits */

/* Memory that lives as long as the piece. */
struct pprof_block {
	struct pprof_block *next;
	max_align_t data[];
};

void *pprof_alloc(struct pprof *w, size_t nr, size_t size)
{
	struct pprof_block *block = NULL;

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

static void free_piece(struct pprof *w)
{
	while (w->blocks) {
		struct pprof_block *block = w->blocks;

		w->blocks = block->next;
		free(block);
	}
}

int64_t pprof_add_text(struct pprof *w, const char *s)
{
	uint32_t id = 0;
	int r = intern_add(w->strings, s, strlen(s), &id);

	if (r && !w->error)
		w->error = r < 0 ? r : -ENOSPC;
	return id;
}

int64_t pprof_add_string(struct pprof *w, uint32_t string)
{
	if (string && !w->string_of[string])
		w->string_of[string] =
			(uint32_t)pprof_add_text(w, profile_string(w->profile, string));
	return w->string_of[string];
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
	w->piece.comment[w->piece.n_comment++] = pprof_add_text(w, text);
}

/* What made the file, and the loss equation: a profile says itself what is missing from it. */
static void add_comments(struct pprof *w)
{
	const struct profile_meta *meta = w->view.meta;

	w->piece.comment = pprof_alloc(w, meta->nr_losses + 3, sizeof(*w->piece.comment));
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
	Perftools__Profiles__ValueType *t = pprof_alloc(w, 1, sizeof(*t));

	if (!t)
		return NULL;
	perftools__profiles__value_type__init(t);
	t->type = pprof_add_text(w, type);
	t->unit = pprof_add_text(w, unit);
	return t;
}

static void add_types(struct pprof *w)
{
	Perftools__Profiles__Profile *m = &w->piece;
	const struct profile_meta *meta = w->view.meta;

	m->sample_type = pprof_alloc(w, PPROF_NR_VALUES, sizeof(*m->sample_type));
	if (w->error)
		return;
	m->n_sample_type = PPROF_NR_VALUES;
	m->sample_type[0] = new_type(w, "samples", "count");
	m->sample_type[1] = m->period_type = new_type(w, "cpu", "nanoseconds");
	m->default_sample_type = pprof_add_text(w, "cpu");
	m->period = (int64_t)MAX(meta->period_ns, 1u);
	m->time_nanos = (int64_t)meta->time_wall_ns;
	m->duration_nanos = (int64_t)meta->duration_ns;
}

/* Strings that the piece was the first to use; "" is the first of all. */
static void add_strings(struct pprof *w)
{
	size_t nr = intern_count(w->strings) - w->nr_strings_written;
	char **table = pprof_alloc(w, nr, sizeof(*table));

	if (!table)
		return;
	for (size_t i = 0; i < nr; i++)
		table[i] = (char *)intern_get(w->strings, w->nr_strings_written++, NULL);
	w->piece.string_table = table;
	w->piece.n_string_table = nr;
}

static int write_piece(struct pprof *w, struct buf *out)
{
	void *packed;

	add_strings(w);
	if (w->error)
		return w->error;
	packed = buf_grow(out, perftools__profiles__profile__get_packed_size(&w->piece));
	if (!packed)
		return out->error;
	perftools__profiles__profile__pack(&w->piece, packed);
	return 0;
}

static int put_head(struct pprof *w, size_t nr)
{
	add_types(w);
	if (!w->error)
		add_comments(w);
	return w->error;
}

int pprof_step(struct pprof *w, size_t nr, struct buf *out)
{
	static int (*const phases[PPROF_DONE])(struct pprof * w, size_t nr) = {
		[PPROF_HEAD] = put_head,
		[PPROF_SELECT] = pprof_select,
		[PPROF_LOCATIONS] = pprof_put_locations,
		[PPROF_MAPPINGS] = pprof_put_mappings,
		[PPROF_SAMPLES] = pprof_put_samples,
	};
	int more, r;

	if (w->phase == PPROF_DONE)
		return 0;
	perftools__profiles__profile__init(&w->piece);
	more = phases[w->phase](w, nr);
	r = more < 0 ? more : write_piece(w, out);
	free_piece(w);
	if (r < 0)
		return r;
	if (!more) {
		w->phase++;
		w->next = 0;
	}
	return w->phase != PPROF_DONE;
}

/* Zeroed, for the writer's life: a table of nr entries at most. */
static void *table(struct pprof *w, size_t nr, size_t size)
{
	void *data = calloc(nr + 1, size);

	if (!data)
		w->error = -ENOMEM;
	return data;
}

static int make_tables(struct pprof *w)
{
	const struct profile_view *v = &w->view;

	w->string_of = table(w, v->nr_strings, sizeof(*w->string_of));
	w->location_of = table(w, v->nr_locations, sizeof(*w->location_of));
	w->locations = table(w, v->nr_locations, sizeof(*w->locations));
	w->function_of = table(w, v->nr_functions, sizeof(*w->function_of));
	w->mapping_of = table(w, v->nr_mappings, sizeof(*w->mapping_of));
	w->mappings = table(w, v->nr_mappings, sizeof(*w->mappings));
	w->flags = table(w, v->nr_mappings, sizeof(*w->flags));
	if (w->part.without_labels)
		return w->error;
	w->pids = table(w, v->nr_processes, sizeof(*w->pids));
	w->comms = table(w, v->nr_processes, sizeof(*w->comms));
	w->threads = table(w, v->nr_strings, sizeof(*w->threads));
	w->owners = table(w, v->nr_owners * 3, sizeof(*w->owners));
	return w->error;
}

int pprof_new(struct pprof **ret, const struct profile *p, const struct pprof_part *part)
{
	_cleanup_(pprof_freep) struct pprof *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->profile = p;
	w->part = *part;
	w->last_owner = w->kernel_mapping = UINT32_MAX;
	profile_view(p, &w->view);
	r = intern_new(&w->strings, STRINGS_MAX);
	r = r ?: make_tables(w);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(w);
	return 0;
}

struct pprof *pprof_free(struct pprof *w)
{
	if (!w)
		return NULL;
	free_piece(w);
	intern_free(w->strings);
	free(w->string_of);
	free(w->location_of);
	free(w->locations);
	free(w->function_of);
	free(w->mapping_of);
	free(w->mappings);
	free(w->flags);
	free(w->pids);
	free(w->comms);
	free(w->threads);
	free(w->owners);
	free(w);
	return NULL;
}

int pprof_pack(const struct profile *p, const struct pprof_part *part, struct buf *out)
{
	_cleanup_(pprof_freep) struct pprof *w = NULL;
	int r = pprof_new(&w, p, part);

	if (r < 0)
		return r;
	do
		r = pprof_step(w, STEP, out);
	while (r > 0);
	return r;
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
