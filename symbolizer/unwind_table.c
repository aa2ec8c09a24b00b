/* Builds unwind tables. */
#include "symbolizer/unwind_table.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/unwind_code.h"
#include "symbolizer/unwind_go.h"
#include "symbolizer/unwind_rows.h"
#include "symbolizer/unwind_rules.h"
#include "symbolizer/unwind_sections.h"
#include "symbolizer/x86_insn.h"

#include <dwarf.h>
#include <errno.h>
#include <gelf.h>
#include <string.h>

#define CIES_CACHED                                                                                \
	64 /* by a hash of their offset; files have a handful, large ones hundreds in order */
#define CONTEXT_BYTES_MAX 64 /* of a function that begins a context's stack */

/* A CIE that has been read and run. */
struct cached_cie {
	const struct cfi_section *section; /* NULL: unused */
	uint64_t offset;
	bool good;
	struct cfi_cie cie;
	struct cfi_state initial;
};

struct builder {
	const struct unwind_machine *machine;
	struct unwind_rows *rows;
	struct unwind_header header;
	struct unwind_sections sections;
	struct cfi_section debug_frame;
	struct cfi_index main, debug; /* debug: what is asked where main says nothing */
	struct gopclntab *go_tables; /* or NULL */
	struct unwind_go go; /* what is asked before debug is */
	struct code_starts *starts; /* NULL, as code is: of another machine */
	struct unwind_code *code; /* the last one that is asked */
	struct cached_cie cies[CIES_CACHED];
	struct segment segments[SEGMENTS_MAX];
	size_t nr_segments;
	/* The FDE that is being run: */
	const struct cfi_cie *cie;
	uint64_t start, from, to; /* where it begins, and of which addresses it may speak */
	uint64_t bias; /* file offset of an address - the address */
	const uint8_t *file; /* the bytes of all segments are in it */
};

/* Good until the next is asked for. */
static const struct cached_cie *get_cie(struct builder *b, const struct cfi_section *section,
					uint64_t offset)
{
	struct cached_cie *c = &b->cies[(offset * 0x9e3779b97f4a7c15ULL) >> 58];

	_Static_assert(CIES_CACHED == 1 << (64 - 58), "the hash's bits");
	if (c->section == section && c->offset == offset)
		return c;
	*c = (struct cached_cie) { .section = section, .offset = offset };
	c->good = !cfi_read_cie(section, offset, &c->cie) &&
		  !cfi_begin(section, &b->machine->registers, &c->cie, &c->initial);
	return c;
}

static void add_rule(struct builder *b, uint64_t address, uint64_t rule)
{
	if (rule == UNWIND_UNSUPPORTED)
		b->header.unsupported_rows++;
	unwind_rows_add(b->rows, (uint32_t)(address + b->bias), rule);
}

static void on_row(void *userdata, uint64_t address, const struct cfi_state *state)
{
	struct builder *b = userdata;

	if (address == b->start || address < b->from)
		address = b->from;
	if (address < b->to)
		add_rule(b, address, unwind_rule_of(b->machine, b->cie, state));
}

/* Reads FDE i; false: it is none, or is broken, which is counted. */
static bool read_fde(struct builder *b, const struct cfi_index *index, size_t i,
		     struct cfi_fde *ret, bool *ret_signal)
{
	const struct cfi_section *section = index->section;
	const struct cached_cie *cie;
	struct reader body;
	int r = cfi_read_fde_head(section, cfi_index_offset(index, i), &body, &ret->cie);

	if (!r) {
		cie = get_cie(b, section, ret->cie);
		r = cie->good ? cfi_read_fde(section, body, &cie->cie, ret) : CFI_E_BROKEN;
	}
	if (!r && ret->start != cfi_index_address(index, i))
		r = CFI_E_BROKEN; /* the search table lies */
	if (r) {
		b->header.bad_fdes += r == CFI_E_BROKEN;
		return false;
	}
	*ret_signal = cie->cie.signal;
	return true;
}

/* The rows of an FDE between two addresses. */
static void run_fde(struct builder *b, const struct cfi_section *section, const struct cfi_fde *fde,
		    uint64_t from, uint64_t to)
{
	const struct cached_cie *cie = get_cie(b, section, fde->cie);
	uint64_t broken_at;

	b->header.nr_fdes++;
	b->cie = &cie->cie;
	b->start = fde->start;
	b->from = from;
	b->to = to;
	if (!cfi_run(section, &b->machine->registers, &cie->cie, fde, &cie->initial, on_row, b,
		     &broken_at))
		return;
	b->header.bad_fdes++;
	if (broken_at < to)
		add_rule(b, MAX(broken_at, from), UNWIND_UNSUPPORTED);
}

typedef void (*gap_fn)(struct builder *b, uint64_t from, uint64_t to);

static void on_code_row(uint64_t address, uint64_t rule, void *userdata)
{
	struct builder *b = userdata;

	b->header.derived_rows += rule != UNWIND_GAP;
	add_rule(b, address, rule);
}

/*
 * A function that takes another stack first: glibc's __start_context, which makecontext makes the return address of a
 * context's function. Nobody called it, which its FDE does not say, and it is looked up by the byte before.
 */
static bool begins_context(const struct builder *b, const struct cfi_fde *fde, uint64_t from,
			   uint64_t to)
{
	struct reader instructions = fde->instructions;
	struct x86_insn insn;

	if (!b->code || to - from > CONTEXT_BYTES_MAX)
		return false;
	while (reader_left(&instructions)) {
		if (reader_u8(&instructions) != DW_CFA_nop)
			return false;
	}
	return x86_decode(b->file + (from + b->bias), to - from, &insn) &&
	       insn.effect == X86_LOSE_SP && insn.flow == X86_NEXT;
}

/* Nobody says anything here: what the code itself does is left. The padding behind a function is left to it. */
static void leave_gap(struct builder *b, uint64_t from, uint64_t to)
{
	if (b->code)
		unwind_code_rows(b->code, b->file + (from + b->bias), from, to, on_code_row, b);
	else
		add_rule(b, from, UNWIND_GAP);
}

/*
 * The FDEs of an index between two addresses, in order. An FDE that begins within another ends it there: that is whom
 * a binary search for an address finds.
 */
static void walk(struct builder *b, const struct cfi_index *index, uint64_t from, uint64_t to,
		 gap_fn gap)
{
	uint64_t at = from;
	size_t i = cfi_index_find(index, from);

	if (i)
		i--; /* it may reach into the range */
	for (; i < index->nr && cfi_index_address(index, i) < to; i++) {
		uint64_t next = i + 1 < index->nr ? cfi_index_address(index, i + 1) : UINT64_MAX;
		struct cfi_fde fde;
		uint64_t start, end;
		bool signal;

		if (next <= from || !read_fde(b, index, i, &fde, &signal))
			continue;
		end = MIN(MIN(fde.end, next), to);
		start = MAX(fde.start, at);
		/* A handler returns to the trampoline's first byte, and is looked up by the one before. */
		if (signal && start > at)
			start--;
		if (start >= end)
			continue;
		if (start > at + UNWIND_PADDING_MAX || (start > at && at == from))
			gap(b, at, start);
		if (start > at && begins_context(b, &fde, start, end))
			add_rule(b, start - 1, UNWIND_ROOT);
		run_fde(b, index->section, &fde, start, end);
		at = end;
	}
	if (at < to)
		gap(b, at, to);
}

static void on_go_row(uint64_t address, uint64_t rule, void *userdata)
{
	add_rule(userdata, address, rule);
}

static void ask_debug(struct builder *b, uint64_t from, uint64_t to)
{
	walk(b, &b->debug, from, to, leave_gap);
}

/* Go's .debug_frame does not say where the frame pointer is, and not where stacks end: its own tables come first. */
static void ask_others(struct builder *b, uint64_t from, uint64_t to)
{
	if (!b->go.tables || !unwind_go_rows(&b->go, b->machine, from, to, on_go_row, b))
		ask_debug(b, from, to);
	else if (!b->main.nr)
		b->header.source = UNWIND_SOURCE_GOPCLNTAB;
}

static int by_offset(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

static size_t fdes_within(const struct cfi_index *index, uint64_t from, uint64_t to)
{
	return cfi_index_find(index, to) - cfi_index_find(index, from);
}

/* Executable segments in the order of the file, as far as frame words reach; of two that overlap, the first counts. */
static void walk_segments(struct builder *b)
{
	uint64_t done = 0; /* bytes of the file */
	size_t within = 0;

	qsort(b->segments, b->nr_segments, sizeof(*b->segments), by_offset);
	for (size_t i = 0; i < b->nr_segments; i++) {
		const struct segment *s = &b->segments[i];
		uint64_t from = MAX(s->offset, done),
			 to = MIN(s->offset + s->file_size, (uint64_t)UINT32_MAX);

		if (!s->executable || from >= to)
			continue;
		b->bias = s->offset - s->vaddr;
		within += fdes_within(&b->main, from - b->bias, to - b->bias);
		walk(b, &b->main, from - b->bias, to - b->bias, ask_others);
		unwind_rows_add(b->rows, (uint32_t)to, UNWIND_GAP);
		done = to;
	}
	b->header.outside_fdes = (uint32_t)(b->main.nr - MIN(within, b->main.nr));
}

/* Only what the file really has, and no arithmetic that wraps. */
static void read_segments(struct builder *b, Elf *elf)
{
	size_t file_size, nr = elf_read_segments(elf, b->segments, SEGMENTS_MAX);

	b->file = (const uint8_t *)elf_rawfile(elf, &file_size);
	if (!b->file)
		return;
	for (size_t i = 0; i < nr; i++) {
		struct segment s = b->segments[i];

		if (s.offset >= file_size)
			continue;
		s.file_size = MIN(s.file_size, file_size - s.offset);
		if (s.file_size > UINT64_MAX - s.vaddr)
			continue;
		b->segments[b->nr_segments++] = s;
	}
}

static uint64_t lowest_address(const struct builder *b)
{
	uint64_t lowest = UINT64_MAX;

	for (size_t i = 0; i < b->nr_segments; i++) {
		if (b->segments[i].executable)
			lowest = MIN(lowest, b->segments[i].vaddr);
	}
	return lowest;
}

static int index_sections(struct builder *b, Elf *elf)
{
	const struct cfi_section *frame = &b->sections.eh_frame;
	int r = 0;

	unwind_sections_find(elf, &b->sections);
	if (frame->size &&
	    !cfi_index_by_table(&b->main, frame, b->sections.hdr, b->sections.hdr_vaddr)) {
		b->header.source = UNWIND_SOURCE_EH_FRAME_HDR;
	} else if (frame->size) {
		r = cfi_index_by_scan(&b->main, frame, lowest_address(b));
		b->header.source = UNWIND_SOURCE_EH_FRAME;
	}
	if (!r && b->debug_frame.size)
		r = cfi_index_by_scan(&b->debug, &b->debug_frame, lowest_address(b));
	if (!b->main.nr && b->debug.nr)
		b->header.source = UNWIND_SOURCE_DEBUG_FRAME;
	return r;
}

static int build(struct builder *b, Elf *elf, struct buf *out)
{
	int r = unwind_rows_new(&b->rows, out);

	if (r)
		return r;
	read_segments(b, elf);
	r = index_sections(b, elf);
	if (!r)
		r = gopclntab_new(&b->go_tables, elf, b->segments, b->nr_segments);
	if (r)
		return r;
	unwind_go_init(&b->go, b->go_tables);
	if (b->machine == &unwind_machine_x86) {
		r = code_starts_new(&b->starts, elf, b->segments, b->nr_segments, &b->main,
				    b->sections.init_vaddr, b->header.code_bounds);
		r = r ? r : unwind_code_new(&b->code, b->starts, b->header.code_bounds);
	}
	if (r)
		return r;
	walk_segments(b);
	if (!b->header.source && b->header.derived_rows)
		b->header.source = UNWIND_SOURCE_CODE;
	b->header.bad_fdes += (uint32_t)(b->main.bad + b->debug.bad);
	return unwind_rows_finish(b->rows, &b->header);
}

int unwind_table_build(Elf *elf, struct section debug_frame, struct buf *out)
{
	_cleanup_(freep) struct builder *b = NULL;
	const struct unwind_machine *machine;
	GElf_Ehdr ehdr;
	int r;

	if (!gelf_getehdr(elf, &ehdr) || ehdr.e_ident[EI_CLASS] != ELFCLASS64 ||
	    ehdr.e_ident[EI_DATA] != ELFDATA2LSB || !(machine = unwind_machine(ehdr.e_machine)))
		return UNWIND_E_MACHINE;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->machine = machine;
	b->header.machine = machine->elf_machine;
	b->debug_frame =
		(struct cfi_section) { .data = debug_frame.data, .size = debug_frame.size };
	r = build(b, elf, out);
	cfi_index_deinit(&b->main);
	cfi_index_deinit(&b->debug);
	gopclntab_free(b->go_tables);
	unwind_code_free(b->code);
	code_starts_free(b->starts);
	unwind_rows_free(b->rows);
	return r;
}
