/* An ELF file's answers: Go's own tables where it has them, else DWARF, else its symbol tables. */
#include "symbolizer/debug_file.h"
#include "symbolizer/dwarf.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/demangle.h"
#include "symbolizer/gopclntab.h"
#include "symbolizer/unwind_table.h"

#include <errno.h>
#include <string.h>

#define TABLES_MAX                                                                                 \
	(20u << 20) /* of debug information that is kept because it may be asked for again */

struct symbolizer_file {
	int fd, debug_fd;
	Elf *elf, *debug; /* the file, and its separate debug file */
	struct minidebug mini;
	struct symtab *symtab;
	struct dwarf_index *dwarf;
	struct gopclntab *go;
	struct symbolizer_identity identity;
	struct segment segments[SEGMENTS_MAX];
	size_t nr_segments;
	enum symbolizer_demangle demangle;
	struct mem mem;
	struct symbolizer_stats stats;
	bool tables_tried, no_dwarf;
};

/* A file truncated while it is mapped gives SIGBUS, which the supervisor knows how to read. */
static int open_elf(int fd, Elf **ret, struct err *err)
{
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);

	if (!elf) {
		err_set(err, 0, "libelf: %s", elf_errmsg(-1));
		return SYMBOLIZER_E_BROKEN;
	}
	if (elf_kind(elf) != ELF_K_ELF) {
		elf_end(elf);
		err_set(err, 0, "not an ELF file");
		return SYMBOLIZER_E_NOT_ELF;
	}
	*ret = elf;
	return 0;
}

int symbolizer_file_new(struct symbolizer_file **ret, int fd, struct err *err)
{
	_cleanup_(symbolizer_file_freep) struct symbolizer_file *file = calloc(1, sizeof(*file));
	int r;

	if (!file)
		return -ENOMEM;
	file->fd = fd;
	file->mem.max = SYMBOLIZER_MEMORY_DEFAULT;
	if (elf_version(EV_CURRENT) == EV_NONE)
		return err_set(err, -EINVAL, "libelf: %s", elf_errmsg(-1));
	r = open_elf(fd, &file->elf, err);
	if (r)
		return r;
	elf_read_identity(file->elf, &file->identity);
	file->nr_segments = elf_read_segments(file->elf, file->segments, SEGMENTS_MAX);
	*ret = TAKE_PTR(file);
	return 0;
}

struct symbolizer_file *symbolizer_file_free(struct symbolizer_file *file)
{
	if (!file)
		return NULL;
	gopclntab_free(file->go);
	dwarf_index_free(file->dwarf);
	symtab_free(file->symtab);
	minidebug_deinit(&file->mini);
	elf_end(file->debug);
	elf_end(file->elf);
	free(file);
	return NULL;
}

void symbolizer_file_identity(const struct symbolizer_file *file, struct symbolizer_identity *ret)
{
	*ret = file->identity;
}

void symbolizer_file_set_demangle(struct symbolizer_file *file, enum symbolizer_demangle how)
{
	file->demangle = how;
}

void symbolizer_file_set_memory(struct symbolizer_file *file, size_t max)
{
	file->mem.max = max;
}

void symbolizer_file_stats(const struct symbolizer_file *file, struct symbolizer_stats *ret)
{
	*ret = file->stats;
	ret->memory_used = file->mem.used;
	ret->memory_peak = file->mem.peak;
	ret->memory_max = file->mem.max;
	if (file->dwarf)
		dwarf_index_stats(file->dwarf, ret);
}

/* Tables are read when the first address is asked for: an identity needs none of them. */
static int read_tables(struct symbolizer_file *file)
{
	int r;

	if (file->tables_tried)
		return 0;
	file->tables_tried = true;
	r = gopclntab_new(&file->go, file->elf, file->segments, file->nr_segments);
	if (r)
		return r;
	r = dwarf_index_new(&file->dwarf, file->debug ? file->debug_fd : file->fd,
			    file->debug ? file->debug : file->elf, &file->mem,
			    MIN(file->mem.max / 2, (size_t)TABLES_MAX));
	file->no_dwarf =
		r == -ENOMEM; /* there is less to say about each address, and each says so */
	return file->no_dwarf ? 0 : r;
}

static bool same_id(const struct symbolizer_identity *a, const uint8_t *id, uint32_t len)
{
	return a->build_id_kind == SYMBOLIZER_BUILD_ID_GNU && a->build_id_len == len &&
	       !memcmp(a->build_id, id, len);
}

static int set_debug(struct symbolizer_file *file, int fd, Elf **elf)
{
	struct symbolizer_identity identity;

	elf_read_identity(*elf, &identity);
	if (file->debug || !debug_file_matches(&file->identity, &identity, fd))
		return SYMBOLIZER_E_UNWANTED;
	file->dwarf = dwarf_index_free(file->dwarf);
	file->symtab = symtab_free(file->symtab);
	file->tables_tried = false;
	file->debug = TAKE_PTR(*elf);
	file->debug_fd = fd;
	return 0;
}

static int set_alt(struct symbolizer_file *file, int fd, Elf *elf)
{
	struct symbolizer_identity identity;
	struct symbolizer_want want;
	size_t it = 0;

	elf_read_identity(elf, &identity);
	if (!file->dwarf || !dwarf_index_want(file->dwarf, &it, &want) ||
	    want.kind != SYMBOLIZER_SUPPLEMENT_ALT || !same_id(&identity, want.id, want.id_len))
		return SYMBOLIZER_E_UNWANTED;
	return dwarf_index_add_alt(file->dwarf, fd, elf);
}

static int set_split(struct symbolizer_file *file, int fd, Elf *elf)
{
	ssize_t n = file->dwarf ? dwarf_index_add_split(file->dwarf, fd, elf) : 0;

	return n > 0 ? 0 : n < 0 ? (int)n : SYMBOLIZER_E_UNWANTED;
}

int symbolizer_file_set_supplement(struct symbolizer_file *file, enum symbolizer_supplement kind,
				   int fd, struct err *err)
{
	Elf *elf = NULL;
	int r = open_elf(fd, &elf, err);

	if (!r && kind == SYMBOLIZER_SUPPLEMENT_DEBUG)
		r = set_debug(file, fd, &elf);
	else if (!r)
		r = read_tables(file);
	if (!r && kind == SYMBOLIZER_SUPPLEMENT_ALT)
		r = set_alt(file, fd, elf);
	else if (!r && kind == SYMBOLIZER_SUPPLEMENT_SPLIT)
		r = set_split(file, fd, elf);
	if (r == SYMBOLIZER_E_UNWANTED)
		err_set(err, 0, "it does not belong to the file");
	elf_end(elf);
	return r;
}

bool symbolizer_file_next_want(struct symbolizer_file *file, size_t *it,
			       struct symbolizer_want *ret)
{
	return file->dwarf && dwarf_index_want(file->dwarf, it, ret);
}

/* The symbols of the file, and those that were taken out of it. */
static int read_symbols(struct symbolizer_file *file)
{
	if (file->symtab)
		return 0;
	if (!file->identity.has_symtab && !file->debug && !file->mini.elf)
		minidebug_init(&file->mini, file->elf, &file->mem);
	return symtab_new(&file->symtab, file->elf, file->debug ? file->debug : file->mini.elf);
}

/* A symbol's name, and the line when there is one: assembly has lines and no functions. */
static int name_by_symbol(struct symbolizer_file *file, const struct dwarf_query *q,
			  struct result *result)
{
	_cleanup_(freep) char *demangled = NULL;
	struct symbolizer_frame frame = { .file = q->file, .line = q->line, .column = q->column };
	const char *name;
	int r = read_symbols(file);

	if (r)
		return r;
	name = symtab_find(file->symtab, q->vaddr);
	if (!name)
		return 0;
	frame.system_name = name;
	demangled = demangle(name, file->demangle);
	frame.name = demangled ? demangled : name;
	return result_add_frame(result, &frame);
}

static int answer_by_symbol(struct symbolizer_file *file, const struct dwarf_query *q,
			    struct result *result)
{
	struct symbolizer_answer a = { .first_frame = result_frames(result), .vaddr = q->vaddr };
	int r = name_by_symbol(file, q, result);

	if (r)
		return r;
	if (result_frames(result) > a.first_frame)
		a.source = q->line ? SYMBOLIZER_DWARF : SYMBOLIZER_SYMTAB;
	a.less = q->less | (file->no_dwarf ? SYMBOLIZER_LESS_FUNCTIONS : 0);
	result_set_answer(result, q->index, &a);
	return 0;
}

static int answer_by_go(struct symbolizer_file *file, struct dwarf_query *q, struct result *result)
{
	struct symbolizer_answer a = { .first_frame = result_frames(result),
				       .vaddr = q->vaddr,
				       .source = SYMBOLIZER_GOPCLNTAB };
	int r = gopclntab_frames(file->go, q->vaddr, result);

	q->answered = r > 0;
	if (q->answered)
		result_set_answer(result, q->index, &a);
	return MIN(r, 0);
}

static int answer_all(struct symbolizer_file *file, struct dwarf_query *queries, size_t nr,
		      struct result *result)
{
	int r = 0;

	for (size_t i = 0; file->go && i < nr && !r; i++)
		r = answer_by_go(file, &queries[i], result);
	if (file->dwarf && !r)
		r = dwarf_index_answer(file->dwarf, queries, nr, file->demangle, result);
	for (size_t i = 0; i < nr && !r; i++) {
		if (!queries[i].answered)
			r = answer_by_symbol(file, &queries[i], result);
	}
	return r;
}

/* The queries of the addresses that lie in the file's segments; the others' answers stay empty. */
static size_t make_queries(struct symbolizer_file *file, enum symbolizer_space space,
			   const uint64_t *addresses, size_t nr, struct dwarf_query *queries)
{
	size_t n = 0;

	for (size_t i = 0; i < nr; i++) {
		uint64_t vaddr = addresses[i];

		if (space == SYMBOLIZER_VADDR ||
		    elf_offset_to_vaddr(file->segments, file->nr_segments, addresses[i], &vaddr))
			queries[n++] = (struct dwarf_query) { .vaddr = vaddr, .index = i };
	}
	return n;
}

static void count(struct symbolizer_stats *stats, const struct symbolizer_result *result)
{
	for (size_t i = 0; i < result->nr_answers; i++) {
		uint8_t less = result->answers[i].less;

		stats->less_inlines += !!(less & SYMBOLIZER_LESS_INLINES);
		stats->less_lines += !!(less & SYMBOLIZER_LESS_LINES);
		stats->less_functions += !!(less & SYMBOLIZER_LESS_FUNCTIONS);
	}
}

int symbolizer_file_frames(struct symbolizer_file *file, enum symbolizer_space space,
			   const uint64_t *addresses, size_t nr, struct symbolizer_result *ret)
{
	_cleanup_(result_freep) struct result *result = NULL;
	_cleanup_(freep) struct dwarf_query *queries = calloc(nr + 1, sizeof(*queries));
	int r = queries ? read_tables(file) : -ENOMEM;

	if (!r)
		r = result_new(&result, nr);
	if (!r)
		r = answer_all(file, queries, make_queries(file, space, addresses, nr, queries),
			       result);
	if (r)
		return r;
	result_finish(TAKE_PTR(result), ret);
	count(&file->stats, ret);
	return 0;
}

int symbolizer_file_unwind(struct symbolizer_file *file, struct symbolizer_file *debug,
			   struct buf *out)
{
	_cleanup_(image_freep) struct image *image = NULL;
	struct symbolizer_file *source = debug ? debug : file;
	int r = image_new(&image, source->fd, source->elf, false, &source->mem);

	if (!r)
		r = unwind_table_build(file->elf, image_section(image, IMAGE_FRAME), out);
	return r == UNWIND_E_MACHINE ? SYMBOLIZER_E_NOT_ELF : r;
}
