/* Reads compact profiles into a profile. */
#include "proto/compact.h"
#include "proto/compact_format.h"
#include "proto/varint.h"

#include <errno.h>
#include <libdeflate.h>
#include <string.h>

/* A table under construction: the profile's index of each entry that was seen. */
struct table {
	struct varint_reader reader;
	uint32_t *ids;
	size_t nr, max; /* max: as many as the bytes announce */
};

struct compact_decoder {
	struct profile *profile;
	uint32_t owner;
	unsigned int flags;
	uint64_t period_ns;
	uint8_t *payload;
	struct table tables[COMPACT_SECTIONS];
	uint32_t *start_lines; /* of the functions seen */
	uint32_t *stack; /* COMPACT_MAX_DEPTH locations, the root last */
	uint32_t depth;
	size_t next; /* sample */
	int error; /* of the profile's builders, or -EBADMSG */
};

static int fail(struct compact_decoder *d, int r)
{
	if (!d->error)
		d->error = r;
	return d->error;
}

/* A table's next reference: true for a new entry, *ret_index its place in the table. */
static bool get_ref(struct compact_decoder *d, struct varint_reader *r,
		    enum compact_section section, size_t *ret_index)
{
	struct table *t = &d->tables[section];
	uint64_t back = varint_get_max(r, t->nr);

	if (r->broken || (!back && t->nr == t->max)) {
		fail(d, -EBADMSG);
		*ret_index = 0;
		return false;
	}
	*ret_index = t->nr - back;
	if (!back)
		t->nr++;
	return !back;
}

/* The profile's index for a reference, and 0 after an error. */
static uint32_t get_string(struct compact_decoder *d, struct varint_reader *r)
{
	struct table *t = &d->tables[COMPACT_STRINGS];
	const char *s = (const char *)t->reader.p;
	const uint8_t *nul;
	size_t i;
	int e;

	if (!get_ref(d, r, COMPACT_STRINGS, &i))
		return d->error ? 0 : t->ids[i];
	nul = memchr(s, '\0', varint_left(&t->reader));
	if (!nul) {
		fail(d, -EBADMSG);
		return 0;
	}
	t->reader.p = nul + 1;
	e = profile_add_string(d->profile, s, &t->ids[i]);
	return e ? (fail(d, e), 0) : t->ids[i];
}

static uint32_t get_mapping(struct compact_decoder *d, struct varint_reader *from)
{
	struct table *t = &d->tables[COMPACT_MAPPINGS];
	struct profile_mapping m = { .file = 0 };
	uint64_t flags;
	size_t i;
	int e;

	if (!get_ref(d, from, COMPACT_MAPPINGS, &i))
		return d->error ? 0 : t->ids[i];
	m.file = get_string(d, &t->reader);
	m.build_id = get_string(d, &t->reader);
	flags = varint_get_max(&t->reader, COMPACT_MAPPING_FLAGS);
	if (t->reader.broken || d->error)
		return fail(d, -EBADMSG), 0;
	m.has_functions = flags & COMPACT_HAS_FUNCTIONS;
	m.has_filenames = flags & COMPACT_HAS_FILENAMES;
	m.has_line_numbers = flags & COMPACT_HAS_LINE_NUMBERS;
	m.has_inline_frames = flags & COMPACT_HAS_INLINE_FRAMES;
	e = profile_add_mapping(d->profile, &m, &t->ids[i]);
	return e ? (fail(d, e), 0) : t->ids[i];
}

static uint32_t get_function(struct compact_decoder *d, struct varint_reader *from,
			     uint32_t *ret_start)
{
	struct table *t = &d->tables[COMPACT_FUNCTIONS];
	struct profile_function f = { .name = 0 };
	size_t i;
	int e;

	*ret_start = 0;
	if (!get_ref(d, from, COMPACT_FUNCTIONS, &i)) {
		if (d->error)
			return 0;
		*ret_start = d->start_lines[i];
		return t->ids[i];
	}
	f.name = get_string(d, &t->reader);
	f.system_name = get_string(d, &t->reader);
	f.file = get_string(d, &t->reader);
	f.start_line = (uint32_t)varint_get_max(&t->reader, UINT32_MAX);
	if (t->reader.broken || d->error)
		return fail(d, -EBADMSG), 0;
	d->start_lines[i] = *ret_start = f.start_line;
	e = profile_add_function(d->profile, &f, &t->ids[i]);
	return e ? (fail(d, e), 0) : t->ids[i];
}

static int get_lines(struct compact_decoder *d, struct varint_reader *r, struct profile_line *lines,
		     size_t nr)
{
	for (size_t i = 0; i < nr && !d->error; i++) {
		uint32_t start;
		int64_t line;

		lines[i].function = get_function(d, r, &start);
		line = varint_get_signed(r) + start;
		lines[i].column = (uint32_t)varint_get_max(r, UINT32_MAX);
		if (r->broken || line < 0 || line > UINT32_MAX)
			return fail(d, -EBADMSG);
		lines[i].line = (uint32_t)line;
	}
	return d->error;
}

static uint32_t get_location(struct compact_decoder *d, struct varint_reader *from)
{
	struct table *t = &d->tables[COMPACT_LOCATIONS];
	_cleanup_(freep) struct profile_line *lines = NULL;
	struct profile_location l = { .mapping = UINT32_MAX };
	uint64_t head;
	size_t i;
	int e;

	if (!get_ref(d, from, COMPACT_LOCATIONS, &i))
		return d->error ? 0 : t->ids[i];
	head = varint_get(&t->reader);
	/* each line takes three bytes and more */
	if ((head >> 4) > varint_left(&t->reader) / 3 || ((head >> 1) & 7) > PROFILE_FRAME_MARK)
		return fail(d, -EBADMSG), 0;
	l.nr_lines = (uint32_t)(head >> 4);
	l.kind = (enum profile_frame_kind)((head >> 1) & 7);
	if (head & 1)
		l.mapping = get_mapping(d, &t->reader);
	l.address = varint_get(&t->reader);
	lines = calloc(l.nr_lines + 1, sizeof(*lines));
	if (!lines)
		return fail(d, -ENOMEM), 0;
	if (get_lines(d, &t->reader, lines, l.nr_lines) || t->reader.broken)
		return fail(d, -EBADMSG), 0;
	if ((d->flags & COMPACT_COARSE) && l.nr_lines)
		l.address = 0;
	e = profile_add_location(d->profile, &l, lines, &t->ids[i]);
	return e ? (fail(d, e), 0) : t->ids[i];
}

static uint32_t get_process(struct compact_decoder *d, struct varint_reader *from)
{
	struct table *t = &d->tables[COMPACT_PROCESSES];
	struct profile_process p = { .tgid = 0 };
	size_t i;
	int e;

	if (!get_ref(d, from, COMPACT_PROCESSES, &i))
		return d->error ? 0 : t->ids[i];
	p.tgid = (uint32_t)varint_get_max(&t->reader, UINT32_MAX);
	p.start_boot_ns = varint_get(&t->reader);
	p.comm = get_string(d, &t->reader);
	if (t->reader.broken || d->error)
		return fail(d, -EBADMSG), 0;
	if (d->flags & COMPACT_STACKS)
		p.comm = 0;
	if (d->flags & (COMPACT_COARSE | COMPACT_STACKS)) {
		p.tgid = 0;
		p.start_boot_ns = 0;
	}
	e = profile_add_process(d->profile, &p, &t->ids[i]);
	return e ? (fail(d, e), 0) : t->ids[i];
}

/* Replaces what the stack does not share with the one before; the root is the array's last place. */
static int get_stack(struct compact_decoder *d, struct varint_reader *r)
{
	uint32_t shared = (uint32_t)varint_get_max(r, d->depth);
	uint32_t fresh = (uint32_t)varint_get_max(r, COMPACT_MAX_DEPTH - shared);

	if (r->broken)
		return fail(d, -EBADMSG);
	d->depth = shared;
	for (uint32_t i = 0; i < fresh && !d->error; i++) {
		uint32_t location = get_location(d, r);

		d->stack[COMPACT_MAX_DEPTH - ++d->depth] = location;
	}
	return d->error;
}

static int get_sample(struct compact_decoder *d)
{
	struct varint_reader *r = &d->tables[COMPACT_SAMPLES].reader;
	struct profile_sample s = { .owner = d->owner };
	uint64_t count;
	int e;

	if (get_stack(d, r))
		return d->error;
	s.process = get_process(d, r);
	s.thread_comm = get_string(d, r);
	count = varint_get(r);
	s.complete = count & 1;
	s.count = count >> 1;
	s.value_ns = s.count * d->period_ns + (uint64_t)varint_get_signed(r);
	/* sums of 2^20 such samples stay within the outputs' signed numbers */
	if (r->broken || d->error || s.count > (1ull << 43) || s.value_ns > (1ull << 60))
		return fail(d, -EBADMSG);
	if (d->flags & COMPACT_STACKS) {
		s.thread_comm = 0;
		s.complete = true;
	}
	s.nr_locations = d->depth;
	e = profile_add_sample(d->profile, &s, d->stack + COMPACT_MAX_DEPTH - d->depth, d->depth);
	return e ? fail(d, e) : 0;
}

static int inflate(struct compact_decoder *d, const void *data, size_t len, size_t *ret_len)
{
	struct libdeflate_decompressor *inflater;
	struct varint_reader r;
	const uint8_t *magic;
	enum libdeflate_result result;

	varint_reader_init(&r, data, len);
	magic = varint_get_raw(&r, strlen(COMPACT_MAGIC));
	*ret_len = varint_get_max(&r, COMPACT_MAX_PAYLOAD);
	if (r.broken || memcmp(magic, COMPACT_MAGIC, strlen(COMPACT_MAGIC)))
		return -EBADMSG;
	if (*ret_len > COMPACT_MAX_RATIO * (varint_left(&r) + 1))
		return -EBADMSG;
	d->payload = malloc(*ret_len + 1);
	inflater = libdeflate_alloc_decompressor();
	if (!d->payload || !inflater) {
		libdeflate_free_decompressor(inflater);
		return -ENOMEM;
	}
	result = libdeflate_deflate_decompress(inflater, r.p, varint_left(&r), d->payload, *ret_len,
					       NULL);
	libdeflate_free_decompressor(inflater);
	return result == LIBDEFLATE_SUCCESS ? 0 : -EBADMSG;
}

/* Finds the sections and makes room for as many entries as each announces. */
static int split(struct compact_decoder *d, size_t len)
{
	struct varint_reader r;

	varint_reader_init(&r, d->payload, len);
	d->period_ns = varint_get_max(&r, INT64_MAX);
	for (size_t i = 0; i < COMPACT_SECTIONS; i++) {
		struct table *t = &d->tables[i];
		const uint8_t *bytes;
		size_t size;

		t->max = varint_get(&r);
		bytes = varint_get_bytes(&r, COMPACT_MAX_PAYLOAD, &size);
		if (!bytes || t->max > size)
			return -EBADMSG; /* every entry takes a byte or more */
		varint_reader_init(&t->reader, bytes, size);
		t->ids = calloc(t->max + 1, sizeof(*t->ids));
		if (!t->ids)
			return -ENOMEM;
	}
	d->start_lines = calloc(d->tables[COMPACT_FUNCTIONS].max + 1, sizeof(*d->start_lines));
	d->stack = calloc(COMPACT_MAX_DEPTH, sizeof(*d->stack));
	if (!d->start_lines || !d->stack)
		return -ENOMEM;
	return varint_left(&r) ? -EBADMSG : 0;
}

int compact_decoder_new(struct compact_decoder **ret, const void *data, size_t len,
			struct profile *p, uint32_t owner, unsigned int flags)
{
	_cleanup_(compact_decoder_freep) struct compact_decoder *d = calloc(1, sizeof(*d));
	size_t payload_len;
	int r;

	if (!d)
		return -ENOMEM;
	d->profile = p;
	d->owner = owner;
	d->flags = flags;
	r = inflate(d, data, len, &payload_len);
	r = r ?: split(d, payload_len);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(d);
	return 0;
}

struct compact_decoder *compact_decoder_free(struct compact_decoder *d)
{
	if (!d)
		return NULL;
	for (size_t i = 0; i < COMPACT_SECTIONS; i++)
		free(d->tables[i].ids);
	free(d->start_lines);
	free(d->stack);
	free(d->payload);
	free(d);
	return NULL;
}

int compact_decoder_step(struct compact_decoder *d, size_t max_samples)
{
	size_t end = d->tables[COMPACT_SAMPLES].max;

	end = d->next + MIN(max_samples, end - d->next);
	for (; d->next < end; d->next++) {
		int r = get_sample(d);

		if (r < 0)
			return r;
	}
	if (d->next < d->tables[COMPACT_SAMPLES].max)
		return 1;
	for (size_t i = 0; i < COMPACT_SECTIONS; i++) {
		if (varint_left(&d->tables[i].reader))
			return -EBADMSG;
	}
	return 0;
}

int compact_decode(const void *data, size_t len, struct profile *p, uint32_t owner,
		   unsigned int flags)
{
	_cleanup_(compact_decoder_freep) struct compact_decoder *d = NULL;
	int r = compact_decoder_new(&d, data, len, p, owner, flags);

	return r ?: compact_decoder_step(d, SIZE_MAX);
}
