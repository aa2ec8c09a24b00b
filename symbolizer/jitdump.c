/*
 * jitdump: what generated code is called, where it moved, and its source lines.
 *
 * Format: linux/tools/perf/Documentation/jitdump-specification.txt. The code itself is in there too, and passed over.
 */
#include "symbolizer/jit.h"
#include "symbolizer/reader.h"

#define MAGIC 0x4a695444u /* "JiTD", in the writer's byte order */
#define HEADER_BYTES 40
#define RECORD_BYTES 16

enum jitdump_record { CODE_LOAD = 0, CODE_MOVE = 1, CODE_DEBUG_INFO = 2 };

struct dump {
	struct jit_names *names;
	struct reader all; /* behind the header */
	/* The last debug information, which stands before the code that it is of. */
	uint64_t lines_of;
	struct reader lines;
};

bool jitdump_is(const void *data, size_t size)
{
	struct reader r = reader_of(data, size);

	return size >= HEADER_BYTES && reader_u32(&r) == MAGIC;
}

static struct reader skip_header(const void *data, size_t size)
{
	struct reader r = reader_of(data, size);
	uint32_t header;

	reader_skip(&r, 8);
	header = reader_u32(&r);
	return reader_from(data, size, header < HEADER_BYTES ? HEADER_BYTES : header);
}

/* The next record's type and contents; false at the end, or where the file is still being written. */
static bool next_record(struct reader *r, uint32_t *ret_type, struct reader *ret)
{
	uint32_t size;

	*ret_type = reader_u32(r);
	size = reader_u32(r);
	reader_skip(r, 8);
	if (r->failed || size < RECORD_BYTES)
		return false;
	*ret = reader_part(r, size - RECORD_BYTES);
	return !ret->failed;
}

static const char *string(struct reader *r, size_t *ret_len)
{
	const char *s = (const char *)r->at;
	const char *end = reader_left(r) ? memchr(s, '\0', reader_left(r)) : NULL;

	if (!end) {
		reader_fail(r);
		return NULL;
	}
	*ret_len = (size_t)(end - s);
	reader_skip(r, *ret_len + 1);
	return s;
}

struct load {
	uint64_t address, size, index;
	struct jit_hit hit;
};

static bool parse_load(struct reader r, struct load *ret)
{
	*ret = (struct load) { .index = 0 };
	reader_skip(&r, 16); /* pid, tid, and the address that the code was made at */
	ret->address = reader_u64(&r);
	ret->size = reader_u64(&r);
	ret->index = reader_u64(&r);
	ret->hit.name = string(&r, &ret->hit.name_len);
	return !r.failed && ret->hit.name_len;
}

/* A move names its code by number only: its load is looked for from the beginning, which is rare. */
static bool find_load(const struct dump *d, uint64_t index, struct load *ret)
{
	struct reader all = d->all, record;
	uint32_t type;

	while (next_record(&all, &type, &record)) {
		if (type == CODE_LOAD && parse_load(record, ret) && ret->index == index)
			return true;
	}
	return false;
}

static void on_move(struct dump *d, struct reader r)
{
	uint64_t address, size, index;
	struct load load;
	struct jit_hit none = { .name = NULL };

	reader_skip(&r, 24); /* pid, tid, vma, the old address */
	address = reader_u64(&r);
	size = reader_u64(&r);
	index = reader_u64(&r);
	if (!r.failed && jit_names_offer(d->names, address, size, &none) &&
	    find_load(d, index, &load))
		jit_names_offer(d->names, address, size, &load.hit);
}

static void on_load(struct dump *d, struct reader r)
{
	struct load load;

	if (!parse_load(r, &load))
		return;
	if (d->lines.at && d->lines_of == load.address) {
		load.hit.lines = d->lines.at;
		load.hit.lines_size = reader_left(&d->lines);
	}
	d->lines = (struct reader) { .at = NULL };
	jit_names_offer(d->names, load.address, load.size, &load.hit);
}

void jitdump_read(struct jit_names *names, const void *data, size_t size)
{
	struct dump d = { .names = names, .all = skip_header(data, size) };
	struct reader all = d.all, record;
	uint32_t type;

	while (next_record(&all, &type, &record)) {
		switch (type) {
		case CODE_LOAD:
			on_load(&d, record);
			break;
		case CODE_MOVE:
			on_move(&d, record);
			break;
		case CODE_DEBUG_INFO:
			d.lines_of = reader_u64(&record);
			reader_skip(&record, 8); /* how many lines: they end with the record */
			d.lines = record;
			break;
		}
	}
}

void jitdump_line(const struct jit_hit *hit, uint64_t address, const char **ret_file,
		  uint32_t *ret_line)
{
	struct reader r = reader_of(hit->lines, hit->lines_size);
	const char *file = NULL;
	size_t len;

	while (reader_left(&r)) {
		uint64_t at = reader_u64(&r);
		uint32_t line = reader_u32(&r);
		const char *name;

		reader_skip(&r, 4); /* discriminator */
		name = string(&r, &len);
		if (r.failed || at > address)
			return;
		if (!(len == 1 && (unsigned char)name[0] == 0xff)) /* the same file as before */
			file = name;
		if (file) {
			*ret_file = file;
			*ret_line = line;
		}
	}
}
