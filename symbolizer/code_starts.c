/* Finds where functions begin. */
#include "symbolizer/code_starts.h"
#include "symbolizer/unwind_rules.h"
#include "symbolizer/x86_insn.h"

#include <errno.h>
#include <string.h>

#define PART_BYTES_MIN 256 /* of code that nobody describes: the C runtime's own bits are less */
#define SMALL_CODE_BYTES (1u << 20) /* whose symbols are read for less, too */
#define ENTRY_BYTES 64 /* of the C runtime's code that hands main on */
#define SPAN_BYTES_MAX (96u << 20) /* of addresses: a bit for each */
#define SHARE_MIN 32 /* one part in so many of all code */
#define SWEEP_BYTES_MAX (32u << 20) /* of stripped code that is read through for calls */
#define NAME_BYTES_MAX 4096 /* of a symbol's: many may share a longer one */
#define DATA_BYTES_MAX (32u << 20) /* of data that is read through for addresses */

struct code_starts {
	Elf *elf;
	const struct segment *segments;
	size_t nr_segments;
	const struct cfi_index *described;
	uint64_t entry, init, main; /* 0: none */
	uint32_t *bounds; /* reached, by enum unwind_bound */
	bool prepared, swept, complete;
	uint64_t low, high; /* of the executable segments */
	uint64_t *sure,
		*pointed; /* bitmaps of low … high; NULL: not read, or nothing was stripped */
};

static bool is_described(const struct code_starts *s, uint64_t address)
{
	size_t i = cfi_index_find(s->described, address);

	return i < s->described->nr && cfi_index_address(s->described, i) == address;
}

/* What is executable at an address; NULL: nothing. */
static const struct segment *code_at(const struct code_starts *s, uint64_t address)
{
	for (size_t i = 0; i < s->nr_segments; i++) {
		const struct segment *segment = &s->segments[i];

		if (segment->executable && address >= segment->vaddr &&
		    address - segment->vaddr < segment->file_size)
			return segment;
	}
	return NULL;
}

/*
 * The entry point hands main's address to the C library. Compilers put main apart from the rest of the code, so it may be
 * all that is not described in its place: too little to read symbols for, though every stack leads through it.
 */
static void find_main(struct code_starts *s)
{
	const struct segment *segment = s->entry ? code_at(s, s->entry) : NULL;
	size_t file_size;
	const uint8_t *file = (const uint8_t *)elf_rawfile(s->elf, &file_size);
	uint64_t at, end;

	if (!segment || !file)
		return;
	at = s->entry - segment->vaddr;
	end = MIN(at + ENTRY_BYTES, segment->file_size);
	while (at < end) {
		uint64_t taken = 0;
		struct x86_insn insn;

		if (!x86_decode(file + segment->offset + at, end - at, &insn) ||
		    insn.flow != X86_NEXT)
			return;
		if (!insn.has_target && insn.target)
			taken = segment->vaddr + at + (uint64_t)insn.target;
		else if (insn.absolute)
			taken = insn.absolute;
		if (taken && code_at(s, taken) && !is_described(s, taken))
			s->main = taken;
		at += insn.size;
	}
}

int code_starts_new(struct code_starts **ret, Elf *elf, const struct segment *segments,
		    size_t nr_segments, const struct cfi_index *described, uint64_t init,
		    uint32_t *bounds)
{
	struct code_starts *s = calloc(1, sizeof(*s));
	GElf_Ehdr ehdr;

	if (!s)
		return -ENOMEM;
	s->elf = elf;
	s->segments = segments;
	s->nr_segments = nr_segments;
	s->described = described;
	s->init = init;
	s->bounds = bounds;
	if (gelf_getehdr(elf, &ehdr) && ehdr.e_type != ET_REL)
		s->entry = ehdr.e_entry;
	find_main(s);
	*ret = s;
	return 0;
}

struct code_starts *code_starts_free(struct code_starts *s)
{
	if (!s)
		return NULL;
	free(s->sure);
	free(s->pointed);
	free(s);
	return NULL;
}

static void mark(const struct code_starts *s, uint64_t *bitmap, uint64_t address)
{
	if (address >= s->low && address < s->high)
		bitmap[(address - s->low) / 64] |= 1ULL << ((address - s->low) & 63);
}

/* GCC's cold parts have symbols of functions, but are jumped to, with the frame of the function that they belong to. */
static bool is_cold(const char *name)
{
	return name && memmem(name, strnlen(name, NAME_BYTES_MAX), ".cold", 5);
}

static void read_symbols(struct code_starts *s, Elf_Scn *scn, const GElf_Shdr *shdr)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t nr = data ? data->d_size / sizeof(Elf64_Sym) : 0;

	for (size_t i = 0; i < nr && i < INT32_MAX; i++) {
		GElf_Sym sym;
		int type;

		if (!gelf_getsym(data, (int)i, &sym) || sym.st_shndx == SHN_UNDEF)
			continue;
		type = GELF_ST_TYPE(sym.st_info);
		if ((type == STT_FUNC || type == STT_GNU_IFUNC) && sym.st_value >= s->low &&
		    sym.st_value < s->high && !is_described(s, sym.st_value) &&
		    !is_cold(elf_strptr(s->elf, shdr->sh_link, sym.st_name)))
			mark(s, s->sure, sym.st_value);
	}
}

/* Both tables, of which a file has one each; s->complete: there is a .symtab. */
static void read_symbol_tables(struct code_starts *s)
{
	bool dynamic = false;
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(s->elf, scn))) {
		GElf_Shdr shdr;
		bool *done;

		if (!gelf_getshdr(scn, &shdr) ||
		    (shdr.sh_type != SHT_SYMTAB && shdr.sh_type != SHT_DYNSYM))
			continue;
		done = shdr.sh_type == SHT_SYMTAB ? &s->complete : &dynamic;
		if (!*done)
			read_symbols(s, scn, &shdr);
		*done = true;
	}
}

/* One instruction after the other, whatever they are: compilers put no data in between. */
static void sweep_code(struct code_starts *s, const uint8_t *code, const struct segment *segment)
{
	uint64_t first = s->low > segment->vaddr ? s->low - segment->vaddr : 0;

	for (uint64_t at = first; at < segment->file_size;) {
		uint64_t address = segment->vaddr + at;
		struct x86_insn insn;

		if (!x86_decode(code + at, segment->file_size - at, &insn)) {
			at++;
			continue;
		}
		if (insn.has_target && insn.flow == X86_CALL)
			mark(s, s->sure, address + (uint64_t)insn.target);
		else if (!insn.has_target && insn.target)
			mark(s, s->pointed, address + (uint64_t)insn.target);
		else if (insn.absolute)
			mark(s, s->pointed, insn.absolute);
		at += insn.size;
	}
}

/* Words that could be a function's address: of data, and of relocations. */
static void sweep_data(struct code_starts *s, const uint8_t *data, const struct segment *segment)
{
	uint64_t skip = -segment->vaddr & 7;

	for (uint64_t at = skip; at + 8 <= segment->file_size; at += 8) {
		uint64_t word;

		memcpy(&word, data + at, 8);
		mark(s, s->pointed, word);
	}
}

static uint64_t bytes_of_segments(const struct code_starts *s, bool executable)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < s->nr_segments; i++) {
		if (s->segments[i].executable == executable)
			bytes += MIN(s->segments[i].file_size, UINT64_MAX / 2 - bytes);
	}
	return bytes;
}

static void sweep(struct code_starts *s)
{
	size_t file_size;
	const uint8_t *file = (const uint8_t *)elf_rawfile(s->elf, &file_size);
	bool data = bytes_of_segments(s, false) <= DATA_BYTES_MAX;

	if (!file)
		return;
	s->bounds[UNWIND_BOUND_DATA] += !data;
	for (size_t i = 0; i < s->nr_segments; i++) {
		const struct segment *segment = &s->segments[i];

		if (segment->executable)
			sweep_code(s, file + segment->offset, segment);
		else if (data)
			sweep_data(s, file + segment->offset, segment);
	}
}

/*
 * Where the code of a segment begins. One that begins with the file's headers has code from _init on, which GNU's linkers
 * put first; others put it last, so there must be none before.
 */
static uint64_t code_begins(const struct code_starts *s, const struct segment *segment)
{
	uint64_t begin = segment->vaddr, end = begin + segment->file_size;
	size_t i = cfi_index_find(s->described, begin);
	bool described = i < s->described->nr && cfi_index_address(s->described, i) < s->init;

	if (segment->offset || s->init < begin || s->init >= end || described ||
	    (s->entry > begin && s->entry < s->init))
		return begin;
	return s->init;
}

static void find_span(struct code_starts *s)
{
	s->low = UINT64_MAX;
	for (size_t i = 0; i < s->nr_segments; i++) {
		const struct segment *segment = &s->segments[i];

		if (!segment->executable)
			continue;
		s->low = MIN(s->low, code_begins(s, segment));
		s->high = MAX(s->high, segment->vaddr + segment->file_size);
	}
}

/* A bit for each address; NULL: that is beyond a bound, which is counted. */
static uint64_t *make_bitmap(struct code_starts *s)
{
	uint64_t *bitmap = NULL;

	if (s->high - s->low > SPAN_BYTES_MAX) {
		s->bounds[UNWIND_BOUND_SPAN]++;
		return NULL;
	}
	bitmap = calloc((size_t)((s->high - s->low) / 64 + 1), sizeof(*bitmap));
	if (!bitmap)
		s->bounds[UNWIND_BOUND_MEMORY]++;
	return bitmap;
}

static void prepare_symbols(struct code_starts *s)
{
	s->prepared = true;
	find_span(s);
	if (s->low < s->high)
		s->sure = make_bitmap(s);
	if (s->sure)
		read_symbol_tables(s);
	else
		s->low = s->high = 0;
}

/* A part that is large beside the whole is worth reading all of the file for, if its symbols were stripped. */
static void prepare_stripped(struct code_starts *s, uint64_t bytes)
{
	uint64_t code = bytes_of_segments(s, true);

	if (s->swept || s->complete || bytes < code / SHARE_MIN)
		return;
	s->swept = true;
	if (code > SWEEP_BYTES_MAX) {
		s->bounds[UNWIND_BOUND_CODE]++;
		return;
	}
	s->pointed = make_bitmap(s);
	if (s->pointed)
		sweep(s);
}

void code_starts_prepare(struct code_starts *s, uint64_t bytes)
{
	if (bytes < PART_BYTES_MIN && bytes_of_segments(s, true) > SMALL_CODE_BYTES)
		return;
	if (!s->prepared)
		prepare_symbols(s);
	if (s->sure)
		prepare_stripped(s, bytes);
}

void code_starts_add(struct code_starts *s, uint64_t address)
{
	if (s->pointed)
		mark(s, s->pointed, address);
}

bool code_starts_complete(const struct code_starts *s)
{
	return s->complete;
}

static bool is_marked(const uint64_t *bitmap, uint64_t bit)
{
	return bitmap[bit / 64] >> (bit & 63) & 1;
}

/* The first marked address from … to, or to. */
static uint64_t find_marked(const struct code_starts *s, uint64_t from, uint64_t to)
{
	uint64_t bit = MAX(from, s->low) - s->low;
	uint64_t end = MAX(MIN(to, s->high), s->low) - s->low;

	while (bit < end) {
		uint64_t left =
			(s->sure[bit / 64] | (s->pointed ? s->pointed[bit / 64] : 0)) >> (bit & 63);

		if (left)
			return MIN(s->low + bit + (uint64_t)__builtin_ctzll(left), to);
		bit += 64 - (bit & 63);
	}
	return to;
}

bool code_starts_next(const struct code_starts *s, uint64_t from, uint64_t to, uint64_t *ret,
		      enum code_start *ret_how)
{
	uint64_t best = find_marked(s, from, to);
	bool marked = best < to;

	if (s->init && s->init >= from && s->init <= best && s->init < to)
		best = s->init;
	if (s->main && s->main >= from && s->main <= best && s->main < to)
		best = s->main;
	if (s->entry && s->entry >= from && s->entry <= best && s->entry < to)
		best = s->entry;
	if (best >= to)
		return false;
	*ret = best;
	if (s->entry && best == s->entry)
		*ret_how = CODE_START_ENTRY;
	else if (best == s->init || best == s->main ||
		 (marked && is_marked(s->sure, best - s->low)))
		*ret_how = CODE_START_SURE;
	else
		*ret_how = CODE_START_POINTED;
	return true;
}
