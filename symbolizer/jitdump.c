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
#define ENTRY_BYTES 16 /* of debug information, without the name */
#define ELF_HEADER_BYTES 0x40
#define PADDING_MAX 8 /* writers round their records up */
#define SAME_FILE "\xff" /* as that of the entry before */

enum jitdump_record { CODE_LOAD = 0, CODE_MOVE = 1, CODE_DEBUG_INFO = 2 };

struct dump {
	struct jit_names *names;
	struct reader all; /* behind the header */
	uint32_t pid;
	size_t nr_moved; /* hits that have no name yet */
	/* The last debug information, which stands before the code that it is of. */
	uint64_t lines_of, nr_lines;
	struct reader lines;
};

bool jitdump_is(const void *data, size_t size)
{
	struct reader r = reader_of(data, size);

	return size >= HEADER_BYTES && reader_u32(&r) == MAGIC;
}

static struct dump read_header(const void *data, size_t size)
{
	struct reader r = reader_of(data, size);
	struct dump d = { .names = NULL };
	uint32_t header;

	reader_skip(&r, 8); /* magic, version */
	header = reader_u32(&r);
	reader_skip(&r, 8); /* machine, padding */
	d.pid = reader_u32(&r);
	d.all = reader_from(data, size, header < HEADER_BYTES ? HEADER_BYTES : header);
	return d;
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

static bool parse_load(const struct dump *d, struct reader r, struct jit_hit *ret)
{
	uint32_t pid = reader_u32(&r);

	*ret = (struct jit_hit) { .source = SYMBOLIZER_JITDUMP };
	reader_skip(&r, 12); /* tid, and the address that the code was made at */
	ret->start = reader_u64(&r);
	ret->size = reader_u64(&r);
	ret->code = reader_u64(&r);
	ret->name = reader_cstr(&r);
	ret->name_len = ret->name ? strlen(ret->name) : 0;
	return ret->name_len && pid == d->pid;
}

static void on_load(struct dump *d, struct reader r)
{
	struct jit_hit hit;

	if (!parse_load(d, r, &hit))
		return;
	if (d->lines.at && d->lines_of == hit.start) {
		hit.lines = d->lines.at;
		hit.lines_size = reader_left(&d->lines);
		hit.nr_lines = d->nr_lines;
	}
	d->lines = (struct reader) { .at = NULL };
	jit_names_offer(d->names, &hit);
}

static void on_move(struct dump *d, struct reader r)
{
	struct jit_hit hit = { .source = SYMBOLIZER_JITDUMP, .moved = true };
	uint32_t pid = reader_u32(&r);

	reader_skip(&r, 20); /* tid, vma, the old address */
	hit.start = reader_u64(&r);
	hit.size = reader_u64(&r);
	hit.code = reader_u64(&r);
	if (!r.failed && pid == d->pid)
		d->nr_moved += jit_names_offer(d->names, &hit);
}

/* A move names its code by number only: one more pass finds the names of all that were moved, for that is rare. */
static void name_moved(const struct dump *d)
{
	struct reader all = d->all, record;
	struct jit_hit load;
	uint32_t type;

	while (next_record(&all, &type, &record)) {
		if (type != CODE_LOAD || !parse_load(d, record, &load))
			continue;
		for (size_t i = 0; i < d->names->nr; i++) {
			struct jit_hit *hit = &d->names->hits[i];

			if (hit->moved && hit->code == load.code) {
				hit->name = load.name;
				hit->name_len = load.name_len;
			}
		}
	}
}

void jitdump_read(struct jit_names *names, const void *data, size_t size)
{
	struct dump d = read_header(data, size);
	struct reader all = d.all, record;
	uint32_t type;

	d.names = names;
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
			d.nr_lines = reader_u64(&record);
			d.lines = record;
			break;
		}
	}
	if (d.nr_moved)
		name_moved(&d);
}

struct entry {
	uint64_t address;
	uint32_t line;
	const char *file;
};

/* size: of every entry, for those whose names cannot be read; 0: an entry ends with its name. */
static bool next_entry(struct reader *r, size_t size, struct entry *ret)
{
	ret->address = reader_u64(r);
	ret->line = reader_u32(r);
	reader_skip(r, 4); /* discriminator */
	ret->file = NULL;
	if (size)
		reader_skip(r, size - ENTRY_BYTES);
	else
		ret->file = reader_cstr(r);
	return !r->failed;
}

/* Do the entries fill their record, up to the padding behind it? Those of a guessed size must lie in their code, too. */
static bool entries_fit(const struct jit_hit *hit, size_t size)
{
	struct reader r = reader_of(hit->lines, hit->lines_size);
	struct entry e;

	for (size_t i = 0; i < hit->nr_lines; i++) {
		if (!next_entry(&r, size, &e) ||
		    (size && e.address - hit->start > hit->size + ELF_HEADER_BYTES))
			return false;
	}
	return reader_left(&r) < PADDING_MAX;
}

/*
 * V8 up to 11 at least writes names of scripts from memory that it has freed, zeros in it: their entries are found by
 * their equal sizes, and are of the file that the code's own name names, if that name has the length.
 */
static size_t size_of_entries(const struct jit_hit *hit, const char *file)
{
	size_t size = ENTRY_BYTES + strlen(file) + 1;

	return hit->nr_lines <= hit->lines_size / size &&
			       hit->lines_size - hit->nr_lines * size < PADDING_MAX
		       ? size
		       : 0;
}

void jitdump_line(const struct jit_hit *hit, uint64_t address, struct symbolizer_frame *ret)
{
	struct reader r = reader_of(hit->lines, hit->lines_size);
	const char *file = NULL;
	uint64_t best = 0, shift = 0;
	size_t size = 0;
	struct entry e;

	if (!entries_fit(hit, 0)) {
		size = size_of_entries(hit, ret->file);
		if (!size || !entries_fit(hit, size))
			return;
		file = ret->file;
	}
	for (size_t i = 0; i < hit->nr_lines && next_entry(&r, size, &e); i++) {
		/* perf once put code behind an ELF header without moving its lines; V8 still makes up for it. */
		if (!i && e.address == hit->start + ELF_HEADER_BYTES)
			shift = ELF_HEADER_BYTES;
		if (e.file && strcmp(e.file, SAME_FILE))
			file = e.file;
		if (!file || e.address - shift > address || e.address - shift < best)
			continue;
		best = e.address - shift;
		ret->file = file;
		ret->line = e.line;
		ret->column = 0;
	}
}
