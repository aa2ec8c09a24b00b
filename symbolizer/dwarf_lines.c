/* Line tables. */
#include "symbolizer/dwarf_lines.h"

#include <dwarf.h>
#include <errno.h>

#define ROWS_MAX (64u << 20)
#define SEQUENCES_MAX (4u << 20)

int dwarf_program_read(struct dwarf_program *ret, const struct dwarf_unit *unit)
{
	struct section section = image_section(unit->line_file->image, IMAGE_LINE);
	struct reader r = reader_from(section.data, section.size, unit->line.u), body, header;
	struct dwarf_program p = { .unit = unit, .max_operations = 1 };
	uint64_t header_length;

	if (!section.data || (unit->line.kind != DWARF_OFFSET && unit->line.kind != DWARF_NUMBER))
		return -ENOENT;
	image_touch(unit->line_file->image, r.at, 4096);
	body = dwarf_read_length(&r, &p.format.offset_size);
	p.format.version = reader_u16(&body);
	p.format.address_size = unit->header.format.address_size;
	if (p.format.version >= 5)
		reader_skip(&body, 2); /* sizes of addresses and of segment selectors */
	header_length = dwarf_read_offset(&body, &p.format);
	header = reader_part(&body, header_length);
	p.min_instruction = reader_u8(&header);
	if (p.format.version >= 4)
		p.max_operations = reader_u8(&header);
	reader_skip(&header, 1); /* is_stmt at the beginning: we take every row */
	p.line_base = (int8_t)reader_u8(&header);
	p.line_range = reader_u8(&header);
	p.opcode_base = reader_u8(&header);
	p.opcode_lengths = reader_bytes(&header, p.opcode_base ? p.opcode_base - 1U : 0);
	if (header.failed || body.failed || !p.line_range || !p.opcode_base || !p.max_operations ||
	    p.format.version < 2 || p.format.version > 5)
		return -EBADMSG;
	p.tables = header;
	p.code = body;
	*ret = p;
	return 0;
}

/* What an opcode of the program's own choice does. */
struct special {
	uint8_t operations;
	int16_t line;
	uint32_t bytes; /* of code, where an instruction is one operation */
};

/* The machine's registers. */
struct registers {
	uint64_t address;
	uint32_t op_index, file, line, column;
};
#define REGISTERS_NULL ((struct registers) { .file = 1, .line = 1 })

/* A run of the program, and where its rows go. */
struct run {
	const struct dwarf_program *p;
	struct special specials[256];

	bool in_sequence;
	uint64_t row_start, sequence_start; /* the row that was begun, of what place */
	struct dwarf_place place;

	struct dwarf_lines *lines; /* either these … */
	const uint64_t *addresses; /* … or only the rows at these */
	size_t nr_addresses, next_address, nr_found;
	struct dwarf_scanned *scanned;
	int error;
};

static size_t first_not_below(const uint64_t *addresses, size_t nr, uint64_t address)
{
	size_t lo = 0;

	while (nr > 0) {
		size_t half = nr / 2;

		if (addresses[lo + half] < address) {
			lo += half + 1;
			nr -= half + 1;
		} else {
			nr = half;
		}
	}
	return lo;
}

static int add_row(struct run *run)
{
	struct dwarf_lines *lines = run->lines;
	struct dwarf_sequence *s = &lines->sequences[lines->nr_sequences];
	const struct dwarf_row *last = s->nr ? &lines->rows[lines->nr_rows - 1] : NULL;
	int r;

	if (last && !memcmp(&last->place, &run->place, sizeof(run->place)))
		return 0;
	r = mem_grow(lines->mem, (void **)&lines->rows, &lines->rows_size, lines->nr_rows,
		     sizeof(*lines->rows), ROWS_MAX);
	if (r)
		return r;
	lines->rows[lines->nr_rows++] =
		(struct dwarf_row) { .start = (uint32_t)(run->row_start - run->sequence_start),
				     .place = run->place };
	s->nr++;
	return 0;
}

/* Of two sequences that cover an address the one that begins later counts, as in a table; else the first. */
static void set_scanned(struct run *run, struct dwarf_scanned *s, uint64_t end)
{
	run->nr_found += !s->sequence;
	if (run->sequence_start > s->sequence)
		*s = (struct dwarf_scanned) { .place = run->place,
					      .stretch = { .start = run->row_start, .end = end },
					      .sequence = run->sequence_start };
}

/* [row_start, end) is of one place. */
static void end_row(struct run *run, uint64_t end)
{
	if (end <= run->row_start)
		return;
	if (run->lines) {
		if (!run->error)
			run->error = add_row(run);
		return;
	}
	while (run->next_address < run->nr_addresses && run->addresses[run->next_address] < end)
		set_scanned(run, &run->scanned[run->next_address++], end);
}

static void begin_sequence(struct run *run, uint64_t address)
{
	struct dwarf_lines *lines = run->lines;

	run->in_sequence = true;
	run->sequence_start = run->row_start = address;
	if (!lines) {
		/* As below: what begins at 0 was discarded. */
		run->next_address =
			address ? first_not_below(run->addresses, run->nr_addresses, address)
				: run->nr_addresses;
		return;
	}
	if (!run->error)
		run->error =
			mem_grow(lines->mem, (void **)&lines->sequences, &lines->sequences_size,
				 lines->nr_sequences, sizeof(*lines->sequences), SEQUENCES_MAX);
	if (!run->error)
		lines->sequences[lines->nr_sequences] =
			(struct dwarf_sequence) { .start = address,
						  .first = (uint32_t)lines->nr_rows };
}

/* What a linker discarded begins at 0 or at the end of the address space, and is left out. */
static void end_sequence(struct run *run, uint64_t end)
{
	struct dwarf_lines *lines = run->lines;
	struct dwarf_sequence *s;

	end_row(run, end);
	run->in_sequence = false;
	if (!lines || run->error)
		return;
	s = &lines->sequences[lines->nr_sequences];
	s->end = end;
	if (s->start && s->nr && s->end > s->start)
		lines->nr_sequences++;
	else
		lines->nr_rows = s->first;
}

static struct dwarf_place place_of(const struct registers *row)
{
	return (struct dwarf_place) {
		.line = row->line,
		.file = row->file >> DWARF_FILE_BITS ? 0 : row->file,
		.column = row->column >> DWARF_COLUMN_BITS ? 0 : row->column,
	};
}

/*
 * What runs the program. Most of its rows begin before the next address that matters: they replace the row before, and
 * nobody else hears of them. All of it lives in registers, so it is handed to others by value.
 */
struct machine {
	struct reader r;
	struct registers g, row; /* the row that was begun */
	uint64_t boundary; /* a row that begins above it ends the one before */
};

/* No row was begun: the next one is above the boundary. */
#define NO_BOUNDARY 0
#define NO_ROW ((struct registers) { .address = UINT64_MAX })

static uint64_t boundary_of(const struct run *run, uint64_t address)
{
	uint64_t boundary;

	if (run->lines)
		return address;
	if (__builtin_add_overflow(run->sequence_start, UINT32_MAX, &boundary))
		boundary = UINT64_MAX;
	if (run->next_address < run->nr_addresses)
		boundary = MIN(boundary, run->addresses[run->next_address]);
	return boundary;
}

/* A row at address: what was before it ends here. Returns up to where the next ones need not be told of. */
static __attribute__((noinline)) uint64_t next_row(struct run *run, struct registers row,
						   uint64_t address)
{
	run->row_start = row.address;
	run->place = place_of(&row);
	if (run->in_sequence &&
	    (address < run->row_start || address - run->sequence_start > UINT32_MAX))
		end_sequence(run, run->row_start); /* nonsense, or two in one */
	if (!run->in_sequence)
		begin_sequence(run, address);
	else
		end_row(run, address);
	return boundary_of(run, address);
}

static void last_row(struct run *run, struct registers row, uint64_t end)
{
	if (!run->in_sequence)
		return;
	run->row_start = row.address;
	run->place = place_of(&row);
	end_sequence(run, end);
}

/* Is all known that was asked for? */
static bool is_done(const struct run *run)
{
	return run->error || (run->scanned && run->nr_found == run->nr_addresses);
}

static inline __attribute__((always_inline)) void emit(struct run *run, struct machine *m)
{
	uint64_t address = m->g.address;

	if (__builtin_expect(address < m->row.address || address > m->boundary, 0)) {
		m->boundary = next_row(run, m->row, address);
		if (is_done(run))
			m->r.at = m->r.end;
	}
	m->row = m->g;
}

static inline __attribute__((always_inline)) void advance(const struct dwarf_program *p,
							  struct registers *g, uint64_t operations)
{
	if (__builtin_expect(p->max_operations == 1, 1)) {
		g->address += operations * p->min_instruction;
		return;
	}
	operations += g->op_index;
	g->address += operations / p->max_operations * p->min_instruction;
	g->op_index = (uint32_t)(operations % p->max_operations);
}

static inline __attribute__((always_inline)) void advance_special(const struct run *run,
								  struct registers *g,
								  uint8_t opcode)
{
	if (__builtin_expect(run->p->max_operations == 1, 1))
		g->address += run->specials[opcode].bytes;
	else
		advance(run->p, g, run->specials[opcode].operations);
}

static inline __attribute__((always_inline)) void extended(struct run *run, struct machine *m)
{
	uint64_t length = reader_uleb(&m->r);
	struct reader r = reader_part(&m->r, length);

	switch (reader_u8(&r)) {
	case DW_LNE_end_sequence:
		last_row(run, m->row, m->g.address);
		run->in_sequence = false;
		m->g = REGISTERS_NULL;
		m->row = NO_ROW;
		m->boundary = NO_BOUNDARY;
		if (is_done(run))
			m->r.at = m->r.end;
		break;
	case DW_LNE_set_address:
		m->g.address = reader_uint(&r, (uint32_t)reader_left(&r));
		m->g.op_index = 0;
		break;
	default: /* discriminators; files defined on the way, which no compiler does */
		break;
	}
}

static uint32_t at_most_32(uint64_t value)
{
	return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static inline __attribute__((always_inline)) void standard(struct run *run, struct machine *m,
							   uint8_t opcode)
{
	const struct dwarf_program *p = run->p;
	struct registers *g = &m->g;

	switch (opcode) {
	case DW_LNS_copy:
		emit(run, m);
		break;
	case DW_LNS_advance_pc:
		advance(p, g, reader_uleb(&m->r));
		break;
	case DW_LNS_advance_line:
		g->line += (uint32_t)reader_sleb(&m->r);
		break;
	case DW_LNS_set_file:
		g->file = at_most_32(reader_uleb(&m->r));
		break;
	case DW_LNS_set_column:
		g->column = at_most_32(reader_uleb(&m->r));
		break;
	case DW_LNS_negate_stmt: /* every row counts */
	case DW_LNS_set_basic_block:
		break;
	case DW_LNS_const_add_pc:
		advance_special(run, g, 255);
		break;
	case DW_LNS_fixed_advance_pc:
		g->address += reader_u16(&m->r);
		g->op_index = 0;
		break;
	default: /* and what is yet to be invented */
		for (uint32_t i = 0; i < p->opcode_lengths[opcode - 1]; i++)
			reader_skip_leb(&m->r);
	}
}

static void set_specials(struct run *run)
{
	const struct dwarf_program *p = run->p;
	uint32_t operations = 0, line = 0;

	for (uint32_t i = p->opcode_base; i < 256; i++) {
		run->specials[i] = (struct special) { .operations = (uint8_t)operations,
						      .line = (int16_t)(p->line_base + (int)line),
						      .bytes = operations * p->min_instruction };
		if (++line == p->line_range) {
			line = 0;
			operations++;
		}
	}
}

#define TOUCH_STEP (64u << 10)

static void run_program(struct run *run)
{
	const struct dwarf_program *p = run->p;
	struct machine m = {
		.r = p->code, .g = REGISTERS_NULL, .row = NO_ROW, .boundary = NO_BOUNDARY
	};
	const uint8_t *touched = m.r.at;

	set_specials(run);
	if (is_done(run))
		return;
	while (reader_left(&m.r)) {
		uint8_t opcode = *m.r.at;

		if (__builtin_expect(m.r.at >= touched, 0)) {
			image_touch(p->unit->line_file->image, m.r.at, TOUCH_STEP);
			touched = m.r.at + TOUCH_STEP;
		}
		m.r.at++;
		if (opcode >= p->opcode_base) {
			advance_special(run, &m.g, opcode);
			m.g.line += (uint32_t)(int32_t)run->specials[opcode].line;
			emit(run, &m);
		} else if (!opcode) {
			extended(run, &m);
		} else {
			standard(run, &m, opcode);
		}
	}
	last_row(run, m.row, m.row.address); /* it broke off */
}

static int compare(const void *a, const void *b)
{
	const struct dwarf_sequence *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->first > y->first ? -1
				   : 1; /* of equals the first stands last, where searches begin */
}

int dwarf_lines_init(struct dwarf_lines *lines, const struct dwarf_program *program,
		     struct mem *mem)
{
	struct dwarf_lines l = { .mem = mem };
	struct run run = { .p = program, .lines = &l };

	run_program(&run);
	if (run.error == -ENOMEM) {
		dwarf_lines_deinit(&l);
		return -ENOMEM;
	}
	if (l.nr_sequences > 1)
		qsort(l.sequences, l.nr_sequences, sizeof(*l.sequences), compare);
	*lines = l;
	return 0;
}

void dwarf_lines_deinit(struct dwarf_lines *lines)
{
	mem_free(lines->mem, lines->rows, lines->rows_size * sizeof(*lines->rows));
	mem_free(lines->mem, lines->sequences, lines->sequences_size * sizeof(*lines->sequences));
	*lines = (struct dwarf_lines) { .mem = lines->mem };
}

/* The place of the row at address, which lies in the sequence. */
static bool find_row(const struct dwarf_lines *lines, const struct dwarf_sequence *s,
		     uint64_t address, struct stretch *stretch, struct dwarf_place *ret)
{
	const struct dwarf_row *rows = &lines->rows[s->first];
	uint32_t at = (uint32_t)(address - s->start);
	size_t lo = 0, n = s->nr;

	while (n > 0) { /* the first above */
		size_t half = n / 2;
		bool below = rows[lo + half].start <= at;

		lo = below ? lo + half + 1 : lo;
		n = below ? n - half - 1 : half;
	}
	if (!lo)
		return false;
	stretch_narrow(stretch, s->start + rows[lo - 1].start,
		       lo < s->nr ? s->start + rows[lo].start : s->end);
	*ret = rows[lo - 1].place;
	return true;
}

bool dwarf_lines_find(const struct dwarf_lines *lines, uint64_t address, struct stretch *stretch,
		      struct dwarf_place *ret)
{
	size_t lo = 0, n = lines->nr_sequences;

	while (n > 0) { /* the first that begins above */
		size_t half = n / 2;
		bool below = lines->sequences[lo + half].start <= address;

		lo = below ? lo + half + 1 : lo;
		n = below ? n - half - 1 : half;
	}
	if (lo < lines->nr_sequences)
		stretch_narrow(stretch, 0, lines->sequences[lo].start);
	/* Sequences do not overlap, but where the same code was kept once and described twice. */
	for (size_t i = 0; i < 4 && lo > 0; i++) {
		const struct dwarf_sequence *s = &lines->sequences[--lo];

		stretch_narrow(stretch, address < s->end ? s->start : s->end, UINT64_MAX);
		if (address < s->end)
			return find_row(lines, s, address, stretch, ret);
	}
	return false;
}

void dwarf_lines_scan(const struct dwarf_program *program, const uint64_t *addresses, size_t nr,
		      struct dwarf_scanned *ret)
{
	struct run run = {
		.p = program, .addresses = addresses, .nr_addresses = nr, .scanned = ret
	};

	run_program(&run);
}
