/* Go's own tables. */
#include "symbolizer/gopclntab.h"
#include "symbolizer/gomodule.h"

#include <errno.h>
#include <gelf.h>
#include <string.h>

#define MAGIC_GO116 0xfffffffau
#define MAGIC_GO118 0xfffffff0u
#define MAGIC_GO120 0xfffffff1u
#define MAGICS_TRIED_MAX 1024 /* of a file without section headers */

#define PCDATA_INLINE_INDEX 2
#define FUNCDATA_INLINE_TREE 3
#define FLAG_TOP_FRAME 1
#define FLAG_SP_WRITE 2
#define NO_FUNCDATA 0xffffffffu
#define PC_STEPS_MAX (1u << 20) /* of one function's value table; real ones have some thousand */
#define NAME_MAX_BYTES 4096

struct span {
	const uint8_t *data;
	size_t size;
};

struct gopclntab {
	uint32_t magic;
	uint32_t quantum; /* instruction size that pc distances are counted in */
	struct span names, units, files, values, functions;
	struct span funcdata; /* go:func.*; empty: not found, no inline trees */
	uint64_t nr_functions;
	uint64_t text; /* what entries are relative to */
	const struct segment *segments;
	size_t nr_segments;
	struct span file;
};

/* One function's record. */
struct function {
	uint64_t entry;
	uint32_t name, frames, files, lines, unit, start_line;
	uint8_t flags; /* since Go 1.17 */
	uint32_t nr_pcdata, nr_funcdata;
	size_t pcdata, funcdata; /* offsets into functions */
};

static struct span cut(struct span s, uint64_t offset)
{
	if (offset >= s.size)
		return (struct span) { .size = 0 };
	return (struct span) { .data = s.data + offset, .size = s.size - (size_t)offset };
}

/* 0 outside of the span: a broken table gives wrong names, never a wrong read. */
static uint32_t u32_at(struct span s, uint64_t offset)
{
	uint32_t v = 0;

	if (s.size >= 4 && offset <= s.size - 4)
		memcpy(&v, s.data + offset, 4);
	return v;
}

static uint64_t u64_at(struct span s, uint64_t offset)
{
	uint64_t v = 0;

	if (s.size >= 8 && offset <= s.size - 8)
		memcpy(&v, s.data + offset, 8);
	return v;
}

static const char *string_at(struct span s, uint64_t offset)
{
	struct span rest = cut(s, offset);

	if (!memchr(rest.data ? rest.data : (const uint8_t *)"x", '\0',
		    MIN(rest.size, (size_t)NAME_MAX_BYTES)))
		return NULL;
	return (const char *)rest.data;
}

static struct span span_at(const struct gopclntab *t, uint64_t vaddr)
{
	for (size_t i = 0; i < t->nr_segments; i++) {
		const struct segment *g = &t->segments[i];
		uint64_t at = vaddr - g->vaddr;
		struct span s;

		if (vaddr < g->vaddr || at >= g->file_size)
			continue;
		s = cut(cut(t->file, g->offset), at);
		s.size = (size_t)MIN((uint64_t)s.size, g->file_size - at);
		return s;
	}
	return (struct span) { .size = 0 };
}

static bool is_relative_to_text(const struct gopclntab *t)
{
	return t->magic != MAGIC_GO116;
}

/* Bytes of an entry of the table that is searched: entry and record offset. */
static uint64_t pair_size(const struct gopclntab *t)
{
	return is_relative_to_text(t) ? 8 : 16;
}

static uint64_t entry_of(const struct gopclntab *t, uint64_t index)
{
	if (is_relative_to_text(t))
		return t->text + u32_at(t->functions, index * 8);
	return u64_at(t->functions, index * 16);
}

static uint64_t record_of(const struct gopclntab *t, uint64_t index)
{
	if (is_relative_to_text(t))
		return u32_at(t->functions, index * 8 + 4);
	return u64_at(t->functions, index * 16 + 8);
}

/* The function that holds vaddr; the entry behind the last function says where the code ends. */
static bool find_function(const struct gopclntab *t, uint64_t vaddr, uint64_t *ret_index)
{
	uint64_t lo = 0, hi = t->nr_functions;

	if (vaddr < entry_of(t, 0) || vaddr >= entry_of(t, t->nr_functions))
		return false;
	while (hi - lo > 1) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (entry_of(t, mid) <= vaddr)
			lo = mid;
		else
			hi = mid;
	}
	*ret_index = lo;
	return true;
}

/* struct _func of runtime/runtime2.go. */
static void read_function(const struct gopclntab *t, uint64_t index, struct function *ret)
{
	struct span f = cut(t->functions, record_of(t, index));
	size_t at = is_relative_to_text(t) ? 4 : 8, end;

	*ret = (struct function) {
		.entry = entry_of(t, index),
		.name = u32_at(f, at),
		.frames = u32_at(f, at + 12),
		.files = u32_at(f, at + 16),
		.lines = u32_at(f, at + 20),
		.nr_pcdata = u32_at(f, at + 24),
		.unit = u32_at(f, at + 28),
	};
	at += 32;
	if (t->magic == MAGIC_GO120) {
		ret->start_line = u32_at(f, at);
		at += 4;
	}
	ret->flags = (uint8_t)(u32_at(f, at) >> 8);
	ret->nr_funcdata = u32_at(f, at) >> 24;
	ret->pcdata = at + 4;
	end = ret->pcdata + 4 * (size_t)MIN(ret->nr_pcdata, 64u);
	ret->funcdata = is_relative_to_text(t) ? end : (end + 7) & ~(size_t)7;
	ret->pcdata += (size_t)record_of(t, index);
	ret->funcdata += (size_t)record_of(t, index);
}

static bool varint(struct span *s, uint32_t *ret)
{
	uint32_t v = 0;

	for (unsigned int shift = 0; shift < 35 && s->size; shift += 7) {
		uint8_t byte = *s->data;

		*s = cut(*s, 1);
		v |= (uint32_t)(byte & 0x7f) << (shift & 31);
		if (!(byte & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

/* The value at vaddr of a table of runs: (difference of the value, zigzag; length of the run). -1: none. */
static int32_t value_at(const struct gopclntab *t, uint32_t table, uint64_t entry, uint64_t vaddr)
{
	struct span s = cut(t->values, table);
	uint32_t difference, length, value = UINT32_MAX;
	uint64_t pc = entry;

	for (uint32_t i = 0; table && i < PC_STEPS_MAX; i++) {
		if (!varint(&s, &difference) || (!difference && i) || !varint(&s, &length))
			break;
		value += (difference >> 1) ^ -(difference & 1);
		pc += (uint64_t)length * t->quantum;
		if (vaddr < pc)
			return (int32_t)value;
	}
	return -1;
}

/* The runs of a function's frame sizes. */
static void each_frame_of(const struct gopclntab *t, const struct function *f, uint64_t end,
			  gopclntab_frame_fn fn, void *userdata)
{
	struct gopclntab_frame frame = { .start = f->entry,
					 .entry = f->entry,
					 .name = string_at(t->names, f->name),
					 .writes_sp = f->flags & FLAG_SP_WRITE,
					 .top = f->flags & FLAG_TOP_FRAME };
	struct span s = cut(t->values, f->frames);
	uint32_t difference, length, value = UINT32_MAX;

	for (uint32_t i = 0; f->frames && i < PC_STEPS_MAX && frame.start < end; i++) {
		if (!varint(&s, &difference) || (!difference && i) || !varint(&s, &length))
			break;
		value += (difference >> 1) ^ -(difference & 1);
		frame.end = MIN(frame.start + (uint64_t)length * t->quantum, end);
		frame.size = MAX((int32_t)value, -1);
		if (frame.end > frame.start)
			fn(&frame, userdata);
		frame.start = frame.end;
	}
}

void gopclntab_each_frame(const struct gopclntab *t, uint64_t from, uint64_t to,
			  gopclntab_frame_fn fn, void *userdata)
{
	uint64_t index = 0;

	if (from > entry_of(t, 0) && !find_function(t, from, &index))
		return;
	for (; index < t->nr_functions && entry_of(t, index) < to; index++) {
		uint64_t end = MIN(entry_of(t, index + 1), to);
		struct function f;

		read_function(t, index, &f);
		if (f.entry >= from && end > f.entry)
			each_frame_of(t, &f, end, fn, userdata);
	}
}

uint64_t gopclntab_find(const struct gopclntab *t, const char *name)
{
	for (uint64_t i = 0; i < t->nr_functions; i++) {
		const char *of_function;
		struct function f;

		read_function(t, i, &f);
		of_function = string_at(t->names, f.name);
		if (of_function && !strcmp(of_function, name))
			return f.entry;
	}
	return 0;
}

const uint8_t *gopclntab_code(const struct gopclntab *t, uint64_t vaddr, size_t *size)
{
	struct span s = span_at(t, vaddr);

	*size = MIN(*size, s.size);
	return s.data;
}

static const char *file_at(const struct gopclntab *t, const struct function *f, uint64_t vaddr)
{
	int32_t number = value_at(t, f->files, f->entry, vaddr);
	uint32_t offset;

	if (number < 0)
		return NULL;
	offset = u32_at(t->units, 4 * ((uint64_t)f->unit + (uint32_t)number));
	return offset == UINT32_MAX ? NULL : string_at(t->files, offset);
}

static struct span inline_tree(const struct gopclntab *t, const struct function *f)
{
	uint64_t address;
	uint32_t offset;

	if (f->nr_funcdata <= FUNCDATA_INLINE_TREE || f->nr_pcdata <= PCDATA_INLINE_INDEX)
		return (struct span) { .size = 0 };
	if (is_relative_to_text(t)) {
		offset = u32_at(t->functions, f->funcdata + 4 * FUNCDATA_INLINE_TREE);
		return offset == NO_FUNCDATA ? (struct span) { .size = 0 }
					     : cut(t->funcdata, offset);
	}
	address = u64_at(t->functions, f->funcdata + 8 * FUNCDATA_INLINE_TREE);
	return address ? span_at(t, address) : (struct span) { .size = 0 };
}

struct inlined_call {
	uint32_t name, parent_pc, start_line;
};

/* struct inlinedCall of runtime/symtabinl.go; of runtime/symtab.go until Go 1.19. */
static bool read_call(const struct gopclntab *t, struct span tree, uint32_t index,
		      struct inlined_call *ret)
{
	size_t size = t->magic == MAGIC_GO120 ? 16 : 20;
	struct span call = cut(tree, (uint64_t)index * size);

	if (call.size < size)
		return false;
	if (t->magic == MAGIC_GO120)
		*ret = (struct inlined_call) { .name = u32_at(call, 4),
					       .parent_pc = u32_at(call, 8),
					       .start_line = u32_at(call, 12) };
	else
		*ret = (struct inlined_call) { .name = u32_at(call, 12),
					       .parent_pc = u32_at(call, 16) };
	return true;
}

static int add_frame(const struct gopclntab *t, const struct function *f, uint64_t vaddr,
		     const struct inlined_call *call, struct result *result)
{
	int32_t line = value_at(t, f->lines, f->entry, vaddr);
	const char *name = string_at(t->names, call ? call->name : f->name);
	const char *file = file_at(t, f, vaddr);
	struct symbolizer_frame frame = {
		.name = name && *name ? name : "?",
		.system_name = name ? name : "",
		.file = file ? file : "",
		.line = line > 0 ? (uint32_t)line : 0,
		.start_line = call ? call->start_line : f->start_line,
		.inlined = call,
	};

	return result_add_stable_frame(result, &frame);
}

int gopclntab_frames(const struct gopclntab *t, uint64_t vaddr, struct result *result)
{
	struct inlined_call call;
	struct function f;
	struct span tree;
	uint64_t index;
	int nr = 0, r;

	if (!find_function(t, vaddr, &index))
		return 0;
	read_function(t, index, &f);
	tree = inline_tree(t, &f);
	while (tree.size && nr < RESULT_FRAMES_PER_ADDRESS_MAX - 1) {
		uint32_t table = u32_at(t->functions, f.pcdata + 4 * PCDATA_INLINE_INDEX);
		int32_t number = value_at(t, table, f.entry, vaddr);

		if (number < 0 || !read_call(t, tree, (uint32_t)number, &call))
			break;
		r = add_frame(t, &f, vaddr, &call, result);
		if (r < 0)
			return r;
		nr++;
		vaddr = f.entry + call.parent_pc;
	}
	r = add_frame(t, &f, vaddr, NULL, result);
	return r < 0 ? r : nr + 1;
}

static bool is_magic(uint32_t v)
{
	return v == MAGIC_GO116 || v == MAGIC_GO118 || v == MAGIC_GO120;
}

/* struct pcHeader of runtime/symtab.go. */
static bool read_header(struct gopclntab *t, struct span table)
{
	unsigned int word = 8;
	uint32_t pads = u32_at(table, 4);

	t->magic = u32_at(table, 0);
	t->quantum = (pads >> 16) & 0xff;
	if (!is_magic(t->magic) || (pads & 0xffff) || pads >> 24 != 8 ||
	    (t->quantum != 1 && t->quantum != 2 && t->quantum != 4))
		return false;
	t->nr_functions = u64_at(table, 8);
	word += 16;
	if (is_relative_to_text(t)) {
		t->text = u64_at(table, word);
		word += 8;
	}
	t->names = cut(table, u64_at(table, word));
	t->units = cut(table, u64_at(table, word + 8));
	t->files = cut(table, u64_at(table, word + 16));
	t->values = cut(table, u64_at(table, word + 24));
	t->functions = cut(table, u64_at(table, word + 32));
	return t->nr_functions && t->names.size && t->files.size && t->values.size &&
	       t->nr_functions < t->functions.size / pair_size(t);
}

static bool is_table_section(const char *name)
{
	return !strcmp(name, ".gopclntab") || !strcmp(name, ".data.rel.ro.gopclntab");
}

static uint64_t find_section(struct gopclntab *t, Elf *elf, struct span *ret)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) < 0)
		return 0;
	while ((scn = elf_nextscn(elf, scn))) {
		const char *name;
		GElf_Shdr shdr;

		if (!gelf_getshdr(scn, &shdr) || !(name = elf_strptr(elf, names, shdr.sh_name)) ||
		    !is_table_section(name))
			continue;
		*ret = span_at(t, shdr.sh_addr);
		if (read_header(t, *ret))
			return shdr.sh_addr;
	}
	return 0;
}

/* Without section headers, or linked into a section of another name: by the header's own look. */
static uint64_t find_in_segment(struct gopclntab *t, const struct segment *g, struct span *ret)
{
	struct span s = span_at(t, g->vaddr);
	const uint8_t *hit;
	size_t at = 1;

	for (size_t tried = 0; at < s.size && tried < MAGICS_TRIED_MAX; tried++) {
		/* The last three bytes of each magic, and the padding behind it. */
		hit = memmem(s.data + at, s.size - at, "\xff\xff\xff\0\0", 5);
		if (!hit)
			break;
		at = (size_t)(hit - s.data) + 1;
		*ret = cut(s, at - 2);
		if (is_magic(u32_at(*ret, 0)) && read_header(t, *ret))
			return g->vaddr + at - 2;
	}
	return 0;
}

static uint64_t find_header(struct gopclntab *t, struct span *ret)
{
	for (size_t i = 0; i < t->nr_segments; i++) {
		uint64_t vaddr =
			t->segments[i].executable ? 0 : find_in_segment(t, &t->segments[i], ret);

		if (vaddr)
			return vaddr;
	}
	return 0;
}

/* Whether the binary is Go's at all is cheap to say: each one has this note, or its build information. */
static bool looks_like_go(Elf *elf)
{
	Elf_Scn *scn = NULL;
	size_t names, nr;

	if (elf_getshdrstrndx(elf, &names) < 0 || elf_getshdrnum(elf, &nr) < 0 || !nr)
		return true; /* without section headers: look for the table itself */
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;
		const char *name =
			gelf_getshdr(scn, &shdr) ? elf_strptr(elf, names, shdr.sh_name) : NULL;

		if (name && (is_table_section(name) || !strcmp(name, ".note.go.buildid") ||
			     !strcmp(name, ".go.buildinfo")))
			return true;
	}
	return false;
}

static uint64_t first_code_address(const struct gopclntab *t, Elf *elf)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) < 0)
		return 0;
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;
		const char *name =
			gelf_getshdr(scn, &shdr) ? elf_strptr(elf, names, shdr.sh_name) : NULL;

		if (name && !strcmp(name, ".text"))
			return shdr.sh_addr;
	}
	for (size_t i = 0; i < t->nr_segments; i++) {
		if (t->segments[i].executable)
			return t->segments[i].vaddr;
	}
	return 0;
}

int gopclntab_new(struct gopclntab **ret, Elf *elf, const struct segment *segments,
		  size_t nr_segments)
{
	_cleanup_(gopclntab_freep) struct gopclntab *t = calloc(1, sizeof(*t));
	struct span table;
	struct gomodule module;
	uint64_t vaddr;
	GElf_Ehdr ehdr;

	*ret = NULL;
	if (!t)
		return -ENOMEM;
	if (!gelf_getehdr(elf, &ehdr) || ehdr.e_ident[EI_CLASS] != ELFCLASS64 ||
	    ehdr.e_ident[EI_DATA] != ELFDATA2LSB || !looks_like_go(elf))
		return 0;
	t->segments = segments;
	t->nr_segments = nr_segments;
	t->file.data = (const uint8_t *)elf_rawfile(elf, &t->file.size);
	if (!t->file.data)
		return 0;
	vaddr = find_section(t, elf, &table);
	if (!vaddr)
		vaddr = find_header(t, &table);
	if (!vaddr)
		return 0;
	gomodule_find(elf, segments, nr_segments, vaddr,
		      (uint64_t)(t->functions.data - table.data) + t->nr_functions * pair_size(t),
		      vaddr + (uint64_t)(t->names.data - table.data), t->magic == MAGIC_GO120,
		      &module);
	if (module.text)
		t->text = module.text;
	else if (!t->text || ehdr.e_type == ET_DYN)
		t->text = first_code_address(t, elf);
	if (module.gofunc && is_relative_to_text(t))
		t->funcdata = span_at(t, module.gofunc);
	*ret = TAKE_PTR(t);
	return 0;
}

struct gopclntab *gopclntab_free(struct gopclntab *t)
{
	free(t);
	return NULL;
}
