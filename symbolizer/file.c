/* An ELF file's answers: Go's own tables where it has them, else DWARF, else its symbol tables. */
#include "symbolizer/debug_file.h"
#include "symbolizer/dwarf.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/demangle.h"
#include "symbolizer/gopclntab.h"
#include "symbolizer/memo.h"
#include "symbolizer/symtab.h"
#include "symbolizer/unwind_table.h"

#include <errno.h>
#include <string.h>

#define TABLES_MAX                                                                                 \
	(20u << 20) /* of debug information that is kept because it may be asked for again */

#define MEMO_SHARE 8 /* of the memory: the part that answers may take */

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
	struct memo memo;
	struct arena strings; /* of answers that are remembered */
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
	arena_init(&file->strings, &file->mem);
	memo_init(&file->memo, &file->mem, 0);
	symbolizer_file_set_memory(file, SYMBOLIZER_MEMORY_DEFAULT);
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

static void forget_answers(struct symbolizer_file *file)
{
	memo_clear(&file->memo);
	arena_deinit(&file->strings);
}

struct symbolizer_file *symbolizer_file_free(struct symbolizer_file *file)
{
	if (!file)
		return NULL;
	forget_answers(file);
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
	forget_answers(file);
}

void symbolizer_file_set_memory(struct symbolizer_file *file, size_t max)
{
	file->mem.max = max;
	file->memo.max = max / MEMO_SHARE;
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
	/* A file that was cut keeps its build ID, which stands in front, and has no sections. */
	if (file->debug ||
	    !(identity.has_dwarf || identity.has_symtab || identity.has_debug_frame) ||
	    !debug_file_matches(&file->identity, &identity, fd))
		return SYMBOLIZER_E_UNWANTED;
	file->dwarf = dwarf_index_free(file->dwarf);
	file->symtab = symtab_free(file->symtab);
	file->tables_tried = false;
	file->debug = TAKE_PTR(*elf);
	file->debug_fd = fd;
	file->identity.has_debug_file = true;
	file->identity.has_debug_frame |= identity.has_debug_frame;
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
	if (!r)
		forget_answers(file);
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

bool symbolizer_file_symbol(const struct symbolizer_file *file, const char *name, uint64_t *ret)
{
	return elf_find_symbol(file->elf, name, ret);
}

/* The symbols of the file, and those that were taken out of it. */
static int read_symbols(struct symbolizer_file *file)
{
	struct symtab_files files = { .elf = file->elf, .fd = file->fd };

	if (file->symtab)
		return 0;
	if (!file->identity.has_symtab && !file->debug && !file->mini.elf)
		minidebug_init(&file->mini, file->elf, &file->mem);
	files.debug = file->debug;
	files.debug_fd = file->debug_fd;
	files.mini = file->mini.elf;
	return symtab_new(&file->symtab, &files, &file->mem);
}

/* The linker's name; without a symbol's version, and marked, for a stub. */
static const char *system_name(struct symbolizer_file *file, const struct symtab_query *q)
{
	static const char mark[] = "@plt";
	size_t len = strcspn(q->name, "@");
	char *name;

	if (!q->stub)
		return q->name;
	name = arena_alloc(&file->strings, len + sizeof(mark));
	if (!name)
		return q->name;
	memcpy(name, q->name, len);
	memcpy(name + len, mark, sizeof(mark));
	return name;
}

/* As a person writes it, once for all answers that are remembered; itself when it is not mangled. */
static const char *demangled(struct symbolizer_file *file, const char *name)
{
	_cleanup_(freep) char *text = demangle(name, file->demangle);
	const char *kept = text ? arena_string(&file->strings, text, strlen(text)) : NULL;

	return kept ? kept : name;
}

static void set_names(struct symbolizer_file *file, const struct symtab_query *q,
		      struct symbolizer_frame *ret)
{
	ret->system_name = system_name(file, q);
	ret->name = demangled(file, ret->system_name);
}

/* A symbol's name, and the line when there is one: assembly has lines and no functions. */
static int answer_by_symbol(struct symbolizer_file *file, struct dwarf_query *q,
			    const struct symtab_query *symbol, const struct symbolizer_frame *names,
			    struct result *result)
{
	struct symbolizer_answer a = { .first_frame = result_frames(result), .vaddr = q->vaddr };
	struct symbolizer_frame frame = *names;
	int r = 0;

	frame.file = q->file ? q->file : "";
	frame.line = q->line;
	frame.column = q->column;
	q->stretch = symbol->stretch;
	if (symbol->name) {
		a.source = q->line ? SYMBOLIZER_DWARF : SYMBOLIZER_SYMTAB;
		r = result_add_stable_frame(result, &frame);
	}
	a.less = q->less | (file->no_dwarf ? SYMBOLIZER_LESS_FUNCTIONS : 0);
	if (file->dwarf)
		a.less |= dwarf_index_less(file->dwarf);
	result_set_answer(result, q->index, &a);
	return r;
}

static int by_address(const void *a, const void *b)
{
	const struct symtab_query *x = a, *y = b;

	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

/* The queries that nobody has answered, ascending; queries has room for all. */
static size_t open_queries(const struct symbolizer_file *file, const struct dwarf_query *queries,
			   size_t nr, struct symtab_query *open)
{
	bool sorted = true;
	size_t n = 0;

	for (size_t i = 0; i < nr; i++) {
		const struct dwarf_query *q = &queries[i];

		if (q->answered)
			continue;
		open[n] = (struct symtab_query) { .vaddr = q->vaddr,
						  .index = i,
						  .stretch = q->stretch };
		if (file->dwarf) /* it has something to say elsewhere, who knows where */
			stretch_narrow(&open[n].stretch, q->vaddr, q->vaddr + 1);
		sorted &= !n || open[n - 1].vaddr <= q->vaddr;
		n++;
	}
	if (!sorted)
		qsort(open, n, sizeof(*open), by_address);
	return n;
}

static int answer_by_symbols(struct symbolizer_file *file, struct dwarf_query *queries, size_t nr,
			     struct result *result)
{
	_cleanup_(freep) struct symtab_query *open = malloc(nr * sizeof(*open));
	struct symbolizer_frame names = { .name = NULL }; /* neighbours are often of one function */
	size_t n = open ? open_queries(file, queries, nr, open) : 0;
	int r = open ? 0 : -ENOMEM;

	if (n)
		r = read_symbols(file);
	if (n && !r)
		r = symtab_answer(file->symtab, open, n);
	for (size_t i = 0; i < n && !r; i++) {
		if (open[i].name &&
		    (!i || open[i - 1].name != open[i].name || open[i - 1].stub != open[i].stub))
			set_names(file, &open[i], &names);
		r = answer_by_symbol(file, &queries[open[i].index], &open[i], &names, result);
	}
	return r;
}

static int answer_by_go(struct symbolizer_file *file, struct dwarf_query *q, struct result *result)
{
	struct symbolizer_answer a = { .first_frame = result_frames(result),
				       .vaddr = q->vaddr,
				       .source = SYMBOLIZER_GOPCLNTAB };
	int r = gopclntab_frames(file->go, q->vaddr, result);

	stretch_narrow(&q->stretch, q->vaddr, q->vaddr + 1);
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
		r = dwarf_index_answer(file->dwarf, queries, nr, result);
	return r ? r : answer_by_symbols(file, queries, nr, result);
}

/* Before an answer: what is remembered goes when it is too much, or its strings do. */
static void make_room(struct symbolizer_file *file)
{
	bool forgot = file->dwarf && dwarf_index_make_room(file->dwarf, file->demangle);

	if (forgot || file->memo.full || file->strings.bytes > file->memo.max)
		forget_answers(file);
}

static int answer_from_memo(struct symbolizer_file *file, uint64_t vaddr, size_t index,
			    struct result *result)
{
	const struct memo_entry *entry = memo_find(&file->memo, vaddr);
	struct symbolizer_answer a = { .first_frame = result_frames(result), .vaddr = vaddr };
	int r;

	if (!entry)
		return 0;
	a.source = entry->source;
	r = result_add_stable_frames(result, memo_frames(&file->memo, entry), entry->nr_frames);
	if (r)
		return r;
	result_set_answer(result, index, &a);
	return 1;
}

/* What the file's own addresses are counted from. */
static uint64_t base_of(const struct symbolizer_file *file)
{
	return file->identity.elf_type == ET_REL ? ELF_OBJECT_BASE : 0;
}

struct queries {
	struct dwarf_query *queries;
	size_t nr;
};
#define QUERIES_NULL ((struct queries) { .queries = NULL })

static void queries_deinit(struct queries *q)
{
	free(q->queries);
}
DEFINE_CLEANUP_EMBEDDED(struct queries, queries_deinit)

/* What is known is answered; the others become queries, but for addresses outside of the file's segments. */
static int answer_known(struct symbolizer_file *file, enum symbolizer_space space,
			const uint64_t *addresses, size_t nr, struct result *result,
			struct queries *left)
{
	for (size_t i = 0; i < nr; i++) {
		uint64_t vaddr = addresses[i];
		int r;

		if (space == SYMBOLIZER_FILE_OFFSET &&
		    !elf_offset_to_vaddr(file->segments, file->nr_segments, addresses[i], &vaddr))
			continue;
		if (space == SYMBOLIZER_VADDR)
			vaddr += base_of(file);
		r = answer_from_memo(file, vaddr, i, result);
		if (r < 0)
			return r;
		if (r)
			continue;
		if (!left->queries)
			left->queries = malloc((nr - i) * sizeof(*left->queries));
		if (!left->queries)
			return -ENOMEM;
		left->queries[left->nr++] =
			(struct dwarf_query) { .vaddr = vaddr, .index = i, .stretch = STRETCH_ALL };
	}
	return 0;
}

/* What memory was short for, or a file was missing for, may be better next time, and is not remembered. */
static void remember(struct symbolizer_file *file, const struct queries *q,
		     const struct result *result)
{
	for (size_t i = 0; i < q->nr; i++) {
		const struct dwarf_query *query = &q->queries[i];
		const struct symbolizer_answer *a = result_answer(result, query->index);

		if (!a->less)
			memo_add(&file->memo, query->stretch.start, query->stretch.end, a->source,
				 result_answer_frames(result, query->index), a->nr_frames);
	}
	memo_settle(&file->memo);
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
	_cleanup_(queries_deinitp) struct queries left = QUERIES_NULL;
	int r = read_tables(file);

	if (r)
		return r;
	make_room(file);
	if (file->dwarf)
		dwarf_index_forget_wants(file->dwarf);
	r = result_new(&result, nr);
	if (!r)
		r = answer_known(file, space, addresses, nr, result, &left);
	if (!r && left.nr) {
		r = answer_all(file, left.queries, left.nr, result);
		if (!r)
			remember(file, &left, result);
	}
	if (r)
		return r;
	result_finish(TAKE_PTR(result), ret);
	for (size_t i = 0; base_of(file) && i < ret->nr_answers; i++)
		ret->answers[i].vaddr -= ret->answers[i].vaddr ? base_of(file) : 0;
	if (left.nr)
		count(&file->stats, ret);
	return 0;
}

int symbolizer_file_unwind(struct symbolizer_file *file, struct buf *out)
{
	_cleanup_(image_freep) struct image *image = NULL;
	int r = 0;

	if (file->debug)
		r = image_new(&image, file->debug_fd, file->debug, false, &file->mem);
	if (!r && (!image || !image_has(image, IMAGE_FRAME))) {
		image = image_free(image);
		r = image_new(&image, file->fd, file->elf, false, &file->mem);
	}
	if (!r)
		r = unwind_table_build(file->elf, image_section(image, IMAGE_FRAME), out);
	return r == UNWIND_E_MACHINE ? SYMBOLIZER_E_NOT_ELF : r;
}
