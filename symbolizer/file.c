/* An ELF file's answers: Go's own tables where it has them, else DWARF, else its symbol tables. */
#include "symbolizer/dwarf.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/demangle.h"
#include "symbolizer/gopclntab.h"

#include <errno.h>
#include <string.h>

struct symbolizer_file {
	Elf *elf;
	struct symtab *symtab;
	struct dwarf_index *dwarf;
	struct gopclntab *go;
	struct symbolizer_identity identity;
	struct segment segments[SEGMENTS_MAX];
	size_t nr_segments;
	enum symbolizer_demangle demangle;
	bool tables_tried;
};

int symbolizer_file_new(struct symbolizer_file **ret, int fd, struct err *err)
{
	_cleanup_(symbolizer_file_freep) struct symbolizer_file *file = calloc(1, sizeof(*file));

	if (!file)
		return -ENOMEM;
	if (elf_version(EV_CURRENT) == EV_NONE)
		return err_set(err, -EINVAL, "libelf: %s", elf_errmsg(-1));
	/* A file truncated while it is mapped gives SIGBUS, which the supervisor knows how to read. */
	file->elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (!file->elf) {
		err_set(err, 0, "libelf: %s", elf_errmsg(-1));
		return SYMBOLIZER_E_BROKEN;
	}
	if (elf_kind(file->elf) != ELF_K_ELF) {
		err_set(err, 0, "not an ELF file");
		return SYMBOLIZER_E_NOT_ELF;
	}
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

/* Tables are read when the first address is asked for: an identity needs none of them. */
static int read_tables(struct symbolizer_file *file)
{
	int r = 0;

	if (!file->symtab)
		r = symtab_new(&file->symtab, file->elf);
	if (r || file->tables_tried)
		return r;
	file->tables_tried = true;
	r = gopclntab_new(&file->go, file->elf, file->segments, file->nr_segments);
	return r ? r : dwarf_index_new(&file->dwarf, file->elf);
}

static int name_by_symbol(struct symbolizer_file *file, uint64_t vaddr, struct result *result)
{
	const char *name = symtab_find(file->symtab, vaddr);
	_cleanup_(freep) char *demangled = NULL;
	struct symbolizer_frame frame = { .system_name = name };

	if (!name)
		return 0;
	demangled = demangle(name, file->demangle);
	frame.name = demangled ? demangled : name;
	return result_add_frame(result, &frame);
}

static int answer(struct symbolizer_file *file, uint64_t vaddr, struct result *result,
		  struct symbolizer_answer *ret)
{
	int r = file->go ? gopclntab_frames(file->go, vaddr, result) : 0;

	if (r > 0)
		ret->source = SYMBOLIZER_GOPCLNTAB;
	if (r)
		return MIN(r, 0);
	if (file->dwarf)
		r = dwarf_index_frames(file->dwarf, vaddr, file->demangle, result);
	if (r < 0)
		return r;
	if (r > 0) {
		ret->source = SYMBOLIZER_DWARF;
		return 0;
	}
	r = name_by_symbol(file, vaddr, result);
	if (!r && result_frames(result) > ret->first_frame)
		ret->source = SYMBOLIZER_SYMTAB;
	return r;
}

int symbolizer_file_frames(struct symbolizer_file *file, enum symbolizer_space space,
			   const uint64_t *addresses, size_t nr, struct symbolizer_result *ret)
{
	_cleanup_(result_freep) struct result *result = NULL;
	int r = read_tables(file);

	if (!r)
		r = result_new(&result, nr);
	for (size_t i = 0; i < nr && !r; i++) {
		struct symbolizer_answer a = { .first_frame = result_frames(result),
					       .vaddr = addresses[i] };

		if (space == SYMBOLIZER_VADDR ||
		    elf_offset_to_vaddr(file->segments, file->nr_segments, addresses[i], &a.vaddr))
			r = answer(file, a.vaddr, result, &a);
		else
			a.vaddr = 0;
		result_set_answer(result, i, &a);
	}
	if (r)
		return r;
	result_finish(TAKE_PTR(result), ret);
	return 0;
}
