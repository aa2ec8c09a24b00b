/*
 * unwind_oracle FILE…: does every row of a file's unwind table say what libdw says?
 *
 * Both are asked at every address where either changes its mind, and each answer is evaluated on the same made-up
 * registers and memory, so that it does not matter how it is written. Prints counts by outcome, and each disagreement;
 * exit status 1 if there was any.
 */
#include "proto/unwind_image.h"
#include "symbolizer/gopclntab.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/unwind_rules.h"
#include "tests/oracle/dwarf_eval.h"

#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <string.h>

#define PADDING_MAX 15 /* behind a function: its last row may go on */
#define SHOWN_MAX 20 /* disagreements of one file */

enum outcome {
	AGREED,
	BOTH_SILENT, /* no FDE, UNWIND_GAP */
	PADDING,
	BY_GO, /* by Go's own tables, which say more than its .debug_frame, or than nothing; CFA and return address agree */
	BY_CODE, /* no FDE, derived from the code; in .init as its pushes and pops say (golden/test_code_rows looks at others) */
	FP_LOST, /* agreed but for the frame pointer, which the rule says is not known */
	UNSUPPORTED, /* by us; libdw has an answer */
	NOT_EVALUATED, /* libdw's answer has an operation that the oracle does not know */
	DISAGREED,
	NR_OUTCOMES
};
static const char *const outcome_names[] = { "agreed",      "no-fde",        "padding",
					     "by-go",       "by-code",       "fp-lost",
					     "unsupported", "not-evaluated", "disagreed" };

struct oracle {
	const char *path;
	const struct unwind_machine *machine;
	Dwarf_CFI *eh, *debug;
	bool is_go, derives; /* some rows are derived from code */
	const uint8_t *init; /* the code of .init */
	uint64_t init_vaddr, init_size;
	uint64_t counts[NR_OUTCOMES];
};

static uint64_t totals[NR_OUTCOMES];
static uint64_t total_rows, total_bytes, nr_files;

/* *ret_by_go: it is for Go's tables to say what is here, since .eh_frame does not. */
static Dwarf_Frame *frame_at(const struct oracle *o, uint64_t pc, bool *ret_by_go)
{
	Dwarf_Frame *frame;

	*ret_by_go = false;
	if (o->eh && !dwarf_cfi_addrframe(o->eh, pc, &frame))
		return frame;
	*ret_by_go = o->is_go;
	if (o->debug && !dwarf_cfi_addrframe(o->debug, pc, &frame))
		return frame;
	return NULL;
}

/* What the caller's registers are. */
struct caller {
	bool root; /* no return address */
	bool fp_known;
	uint64_t cfa, fp, ra;
};

static struct caller by_rule(const struct oracle *o, const struct unwind_rule *rule,
			     const struct machine_state *m)
{
	const struct unwind_machine *machine = o->machine;
	struct caller c = { .fp_known = rule->fp != UNWIND_FP_LOST };
	uint64_t sp = m->regs[machine->sp], fp = m->regs[machine->registers.fp],
		 base = m->regs[rule->reg];

	switch (rule->kind) {
	case UNWIND_SIGNAL: /* x86-64: struct ucontext */
		return (struct caller) { .fp_known = true,
					 .cfa = dwarf_eval_memory(sp + 160),
					 .fp = dwarf_eval_memory(sp + 120),
					 .ra = dwarf_eval_memory(sp + 168) };
	case UNWIND_SP:
	case UNWIND_DEREF_SP:
	case UNWIND_PLT:
		base = sp;
		break;
	case UNWIND_DEREF_INDEXED:
		base = sp + 8 * base;
		break;
	case UNWIND_FP:
	case UNWIND_DEREF_FP:
		base = fp;
		break;
	}
	c.cfa = base + (uint64_t)(int64_t)rule->cfa_off;
	if (rule->kind == UNWIND_PLT)
		c.cfa += (m->pc & 15) >= (uint64_t)rule->add ? 8 : 0;
	else if (rule->kind >= UNWIND_DEREF_SP)
		c.cfa = dwarf_eval_memory(c.cfa) + (uint64_t)(int64_t)rule->add;
	c.fp = fp;
	if (rule->fp == UNWIND_FP_AT_CFA)
		c.fp = dwarf_eval_memory(c.cfa + (uint64_t)(int64_t)rule->fp_off);
	else if (rule->fp == UNWIND_FP_AT_FP)
		c.fp = dwarf_eval_memory(fp + (uint64_t)(int64_t)rule->fp_off);
	c.ra = rule->ra == UNWIND_RA_IN_REG
		       ? m->regs[rule->ra_reg]
		       : dwarf_eval_memory(c.cfa + (uint64_t)(int64_t)rule->ra_off);
	return c;
}

/* A register by libdw. Returns 0, 1 if it is undefined, -1 if the oracle cannot evaluate it. */
static int register_by_libdw(Dwarf_Frame *frame, uint64_t reg, const struct machine_state *m,
			     uint64_t *ret)
{
	Dwarf_Op memory[3], *ops;
	size_t nr;

	if (dwarf_frame_register(frame, (int)reg, memory, &ops, &nr))
		return -1;
	if (!nr && ops == memory)
		return 1;
	if (!nr) {
		*ret = m->regs[reg];
		return 0;
	}
	return dwarf_eval_register(ops, nr, m, ret) ? 0 : -1;
}

static bool by_libdw(const struct oracle *o, Dwarf_Frame *frame, struct machine_state *m,
		     struct caller *ret)
{
	struct caller c = { .fp_known = true };
	Dwarf_Op *ops;
	size_t nr;
	int r = register_by_libdw(frame, o->machine->ra, m, &c.ra);

	/* Where there is no caller the CFA does not matter. */
	c.root = r == 1;
	if (!c.root && (dwarf_frame_cfa(frame, &ops, &nr) || !dwarf_eval(ops, nr, m, &c.cfa)))
		return false;
	m->cfa = c.cfa;
	if (!c.root)
		r = register_by_libdw(frame, o->machine->ra, m, &c.ra);
	if (r < 0)
		return false;
	r = register_by_libdw(frame, o->machine->registers.fp, m, &c.fp);
	c.fp_known = r == 0;
	*ret = c;
	return true;
}

/* Go's .debug_frame has the CFA and the return address, and takes the frame pointer for untouched. */
static enum outcome compare_to_go(const struct oracle *o, Dwarf_Frame *frame,
				  const struct unwind_rule *rule, uint64_t pc)
{
	struct machine_state m;
	struct caller ours, theirs;

	/* A function that sets its stack pointer, and the first one of a stack: .debug_frame tells of neither. */
	if (rule->kind == UNWIND_GAP || rule->kind == UNWIND_ROOT)
		return BY_GO;
	dwarf_eval_state(&m, pc);
	if (!by_libdw(o, frame, &m, &theirs))
		return NOT_EVALUATED;
	ours = by_rule(o, rule, &m);
	return !theirs.root && ours.cfa == theirs.cfa && ours.ra == theirs.ra ? BY_GO : DISAGREED;
}

static enum outcome compare_at(const struct oracle *o, Dwarf_Frame *frame,
			       const struct unwind_rule *rule, uint64_t pc, uint64_t nibble)
{
	struct machine_state m;
	struct caller ours, theirs;
	bool signal;

	dwarf_eval_state(&m, (pc & ~15ULL) | nibble);
	if (!by_libdw(o, frame, &m, &theirs))
		return rule->kind == UNWIND_UNSUPPORTED ? UNSUPPORTED : NOT_EVALUATED;
	if (rule->kind == UNWIND_UNSUPPORTED)
		return UNSUPPORTED;
	if (rule->kind == UNWIND_ROOT || theirs.root)
		return (rule->kind == UNWIND_ROOT) == theirs.root ? AGREED : DISAGREED;
	ours = by_rule(o, rule, &m);
	dwarf_frame_info(frame, NULL, NULL, &signal);
	if (ours.cfa != theirs.cfa || ours.ra != theirs.ra ||
	    signal != (rule->exact || rule->kind == UNWIND_SIGNAL))
		return DISAGREED;
	if (!ours.fp_known)
		return FP_LOST;
	return theirs.fp_known && ours.fp == theirs.fp ? AGREED : DISAGREED;
}

static enum outcome compare(const struct oracle *o, Dwarf_Frame *frame, uint64_t packed,
			    uint64_t pc, bool by_go)
{
	struct unwind_rule rule = o->machine->unpack(packed);
	enum outcome worst = AGREED;

	if (by_go)
		return compare_to_go(o, frame, &rule, pc);

	if (rule.kind == UNWIND_GAP)
		return DISAGREED;
	if (rule.kind != UNWIND_PLT)
		return compare_at(o, frame, &rule, pc, pc & 15);
	for (uint64_t nibble = 0; nibble < 16; nibble++) {
		enum outcome outcome = compare_at(o, frame, &rule, pc, nibble);

		worst = outcome > worst ? outcome : worst;
	}
	return worst;
}

static void report(struct oracle *o, enum outcome outcome, uint64_t pc, uint64_t packed,
		   Dwarf_Frame *frame)
{
	if ((outcome != DISAGREED && outcome != UNSUPPORTED && outcome != NOT_EVALUATED &&
	     outcome != FP_LOST) ||
	    o->counts[outcome] > SHOWN_MAX)
		return;
	printf("%s: %s at 0x%" PRIx64 ": rule 0x%" PRIx64, o->path, outcome_names[outcome], pc,
	       packed);
	if (frame)
		dwarf_eval_print(frame, (int)o->machine->registers.fp, (int)o->machine->ra);
	putchar('\n');
}

/*
 * No FDE at pc. Behind a function its last row may go on for a few bytes, and a trampoline's begins a byte early: then
 * libdw's next frame is near. Returns where, or 0.
 */
static uint64_t next_frame_near(const struct oracle *o, uint64_t pc)
{
	for (uint64_t at = pc + 1; at <= pc + PADDING_MAX; at++) {
		bool by_go;
		Dwarf_Frame *frame = frame_at(o, at, &by_go);

		free(frame);
		if (frame)
			return at;
	}
	return 0;
}

static bool is_in_init(const struct oracle *o, uint64_t pc)
{
	return pc - o->init_vaddr < o->init_size;
}

/* How far the stack pointer is below the caller's at pc: by the instructions that move it, all of x86-64's crti and crtn. */
static enum outcome compare_to_code(const struct oracle *o, uint64_t packed, uint64_t pc)
{
	static const uint8_t sub_8[] = { 0x48, 0x83, 0xec, 8 }, add_8[] = { 0x48, 0x83, 0xc4, 8 };
	struct unwind_rule rule = o->machine->unpack(packed);
	struct machine_state m;
	struct caller ours;
	uint64_t depth = 8;

	for (uint64_t i = 0; i + sizeof(sub_8) <= pc - o->init_vaddr; i++) {
		depth += memcmp(o->init + i, sub_8, sizeof(sub_8)) ? 0 : 8;
		depth -= memcmp(o->init + i, add_8, sizeof(add_8)) ? 0 : 8;
	}
	dwarf_eval_state(&m, pc);
	ours = by_rule(o, &rule, &m);
	return rule.kind == UNWIND_SP && ours.cfa == m.regs[o->machine->sp] + depth &&
			       ours.ra == dwarf_eval_memory(ours.cfa - 8) && ours.fp_known &&
			       ours.fp == m.regs[o->machine->registers.fp]
		       ? BY_CODE
		       : DISAGREED;
}

/* At pc our rule is packed, up to next. Returns how far the answers of both hold. */
static uint64_t check_address(struct oracle *o, uint64_t pc, uint64_t packed, uint64_t next)
{
	bool by_go;
	Dwarf_Frame *frame = frame_at(o, pc, &by_go);
	enum outcome outcome;
	Dwarf_Addr start, end;
	uint64_t near;

	if (frame) {
		outcome = compare(o, frame, packed, pc, by_go);
		dwarf_frame_info(frame, &start, &end, NULL);
		o->counts[outcome]++;
		report(o, outcome, pc, packed, frame);
		free(frame);
		return end > pc && end < next ? end : next;
	}
	if (packed == UNWIND_GAP) { /* nobody tells where libdw's next FDE begins */
		o->counts[BOTH_SILENT]++;
		return next - pc > 16 ? (pc | 15) + 1 : next;
	}
	if (is_in_init(o, pc)) {
		outcome = compare_to_code(o, packed, pc);
		o->counts[outcome]++;
		report(o, outcome, pc, packed, NULL);
		return pc + 1;
	}
	near = next_frame_near(o, pc);
	outcome = near ? PADDING : by_go ? BY_GO : o->derives ? BY_CODE : DISAGREED;
	o->counts[outcome]++;
	report(o, outcome, pc, packed, NULL);
	return near && near < next ? near : next;
}

static void check_row(struct oracle *o, const struct segment *s, uint64_t from, uint64_t to,
		      uint64_t packed)
{
	uint64_t bias = s->vaddr - s->offset, pc = from;

	while (pc < to)
		pc = check_address(o, pc + bias, packed, to + bias) - bias;
}

static const struct segment *segment_of(const struct segment *segments, size_t nr, uint64_t offset)
{
	for (size_t i = 0; i < nr; i++) {
		if (segments[i].executable && offset >= segments[i].offset &&
		    offset - segments[i].offset < segments[i].file_size)
			return &segments[i];
	}
	return NULL;
}

/* One row after the other, clipped to executable segments; before the first and behind the last there is a gap. */
static void check_image(struct oracle *o, const void *image, const struct segment *segments,
			size_t nr)
{
	struct unwind_iterator it = UNWIND_ITERATOR_NULL;
	uint64_t from = 0, to, rule = UNWIND_GAP, next_rule;
	bool more = true;

	while (more) {
		const struct segment *s;

		more = unwind_image_next(image, &it, &to, &next_rule);
		if (!more)
			to = UINT32_MAX;
		while (from < to) {
			uint64_t part = to;

			s = segment_of(segments, nr, from);
			for (size_t i = 0; i < nr; i++) { /* the next border of a segment */
				uint64_t begin = segments[i].offset,
					 end = begin + segments[i].file_size;

				part = begin > from && begin < part ? begin : part;
				part = end > from && end < part ? end : part;
			}
			if (s)
				check_row(o, s, from, part, rule);
			from = part;
		}
		rule = next_rule;
	}
}

static void find_init(struct oracle *o, Elf *elf)
{
	Elf_Scn *section = NULL;
	size_t names;
	GElf_Shdr header;

	if (elf_getshdrstrndx(elf, &names))
		return;
	while ((section = elf_nextscn(elf, section))) {
		const char *name = gelf_getshdr(section, &header)
					   ? elf_strptr(elf, names, header.sh_name)
					   : NULL;
		Elf_Data *data = name && !strcmp(name, ".init") ? elf_rawdata(section, NULL) : NULL;

		if (!data || !data->d_buf)
			continue;
		o->init = data->d_buf;
		o->init_vaddr = header.sh_addr;
		o->init_size = data->d_size;
	}
}

static void check_elf(struct oracle *o, Elf *elf, const void *image)
{
	struct segment segments[SEGMENTS_MAX];
	size_t nr = elf_read_segments(elf, segments, SEGMENTS_MAX);
	Dwarf *dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
	_cleanup_(gopclntab_freep) struct gopclntab *go = NULL;

	find_init(o, elf);
	gopclntab_new(&go, elf, segments, nr);
	o->is_go = go;
	o->derives = ((const struct unwind_header *)image)->derived_rows;
	o->eh = dwarf_getcfi_elf(elf);
	o->debug = dwarf ? dwarf_getcfi(dwarf) : NULL;
	check_image(o, image, segments, nr);
	if (o->eh)
		dwarf_cfi_end(o->eh);
	dwarf_end(dwarf);
}

static void print_counts(const char *what, const uint64_t counts[NR_OUTCOMES])
{
	printf("%s:", what);
	for (int i = 0; i < NR_OUTCOMES; i++)
		printf(" %s %" PRIu64, outcome_names[i], counts[i]);
	putchar('\n');
}

static int check_file(const char *path)
{
	_cleanup_(symbolizer_file_freep) struct symbolizer_file *file = NULL;
	_cleanup_(buf_deinitp) struct buf image = BUF_NULL;
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct oracle o = { .path = path };
	Elf *elf;
	int r;

	if (fd < 0 || symbolizer_file_new(&file, fd, NULL))
		return 0; /* no ELF file */
	buf_init(&image, UNWIND_IMAGE_BYTES_MAX);
	r = symbolizer_file_unwind(file, &image);
	if (r == SYMBOLIZER_E_NOT_ELF)
		return 0;
	if (r || !unwind_image_check(image.data, image.len)) {
		printf("%s: no table: %d\n", path, r);
		return 1;
	}
	o.machine = unwind_machine(((struct unwind_header *)image.data)->machine);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	check_elf(&o, elf, image.data);
	elf_end(elf);
	nr_files++;
	total_rows += ((struct unwind_header *)image.data)->nr_rows;
	total_bytes += image.len;
	for (int i = 0; i < NR_OUTCOMES; i++)
		totals[i] += o.counts[i];
	if (getenv("VERBOSE"))
		print_counts(path, o.counts);
	return o.counts[DISAGREED] > 0;
}

int main(int argc, char **argv)
{
	int bad = 0;

	for (int i = 1; i < argc; i++)
		bad += check_file(argv[i]);
	printf("%" PRIu64 " files, %" PRIu64 " rows, %" PRIu64 " bytes, %d files disagree\n",
	       nr_files, total_rows, total_bytes, bad);
	print_counts("addresses", totals);
	return bad ? 1 : 0;
}
