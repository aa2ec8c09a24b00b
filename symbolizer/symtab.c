/* Function symbols of .symtab and .dynsym, sorted by address, and the PLT's stubs by the names they stand for. */
#include "symbolizer/elf_file.h"

#include <errno.h>
#include <gelf.h>
#include <string.h>

#define SYMBOLS_MAX (16u << 20)
#define GUESSED_SIZE_MAX (1u << 20) /* how far a symbol without a size reaches, at the most */

struct symbol {
	uint64_t start, size;
	uint64_t section_end; /* where a symbol without a size must end */
	const char *name;
	uint32_t rank; /* order of preference among equals: lower is better */
	uint32_t index; /* as found, so that the choice is stable */
	bool owned;
};

struct symtab {
	struct symbol *symbols;
	uint64_t *reach; /* largest end of the symbols up to each */
	size_t nr, size;
};

static int push(struct symtab *t, const struct symbol *symbol)
{
	if (t->nr >= SYMBOLS_MAX)
		return -ENOSPC;
	if (t->nr == t->size) {
		size_t size = t->size ? 2 * t->size : 256;
		struct symbol *more = realloc(t->symbols, size * sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->symbols = more;
		t->size = size;
	}
	t->symbols[t->nr] = *symbol;
	t->symbols[t->nr].index = (uint32_t)t->nr;
	t->nr++;
	return 0;
}

/* Global before weak before local; with a size before without. */
static uint32_t rank_of(const GElf_Sym *sym)
{
	uint32_t binding = GELF_ST_BIND(sym->st_info);
	uint32_t rank = binding == STB_GLOBAL ? 0 : binding == STB_WEAK ? 1 : 2;

	return 2 * rank + !sym->st_size;
}

static bool is_function(const GElf_Sym *sym, const char *name)
{
	uint32_t type = GELF_ST_TYPE(sym->st_info);

	if (sym->st_shndx == SHN_UNDEF || !name || !*name)
		return false;
	/* Assembly often leaves the type out; mapping symbols ($x, .L) are no names. */
	return type == STT_FUNC || type == STT_GNU_IFUNC ||
	       (type == STT_NOTYPE && sym->st_value && name[0] != '$' && name[0] != '.');
}

static uint64_t section_end_of(Elf *elf, const GElf_Sym *sym, bool *ret_executable)
{
	Elf_Scn *scn = sym->st_shndx < SHN_LORESERVE ? elf_getscn(elf, sym->st_shndx) : NULL;
	GElf_Shdr shdr;

	*ret_executable = true;
	if (!scn || !gelf_getshdr(scn, &shdr))
		return sym->st_value + GUESSED_SIZE_MAX;
	*ret_executable = shdr.sh_flags & SHF_EXECINSTR;
	return shdr.sh_addr + shdr.sh_size;
}

static int read_table(struct symtab *t, Elf *elf, Elf_Scn *scn, const GElf_Shdr *shdr)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t nr = data && shdr->sh_entsize ? data->d_size / shdr->sh_entsize : 0;

	for (size_t i = 0; i < nr && i < SYMBOLS_MAX; i++) {
		struct symbol symbol = { .size = 0 };
		bool executable;
		GElf_Sym sym;
		int r;

		if (!gelf_getsym(data, (int)i, &sym))
			continue;
		symbol.name = elf_strptr(elf, shdr->sh_link, sym.st_name);
		if (!is_function(&sym, symbol.name))
			continue;
		symbol.start = sym.st_value;
		symbol.size = sym.st_size;
		symbol.section_end = section_end_of(elf, &sym, &executable);
		symbol.rank = rank_of(&sym);
		if (!executable)
			continue;
		r = push(t, &symbol);
		if (r)
			return r;
	}
	return 0;
}

struct plt {
	uint64_t addr, size, entry;
	uint64_t first; /* offset of the first stub: .plt begins with the resolver */
};

#define PLT_ENTRY 16 /* x86-64 and arm64 alike, all of the linkers' forms */

/* The stubs follow the order of the jump relocations. .plt.sec, where it is there, holds what is called. */
static bool find_plt(Elf *elf, size_t names, struct plt *plt, Elf_Scn **ret_relocations,
		     GElf_Shdr *ret_shdr)
{
	bool found_plt = false, found_relocations = false;
	GElf_Ehdr ehdr;
	Elf_Scn *scn = NULL;

	if (!gelf_getehdr(elf, &ehdr))
		return false;
	plt->entry = PLT_ENTRY;
	while ((scn = elf_nextscn(elf, scn))) {
		const char *name;
		GElf_Shdr shdr;

		if (!gelf_getshdr(scn, &shdr) || !(name = elf_strptr(elf, names, shdr.sh_name)))
			continue;
		if (!strcmp(name, ".rela.plt")) {
			found_relocations = true;
			*ret_relocations = scn;
			*ret_shdr = shdr;
		} else if (!strcmp(name, ".plt.sec") || (!strcmp(name, ".plt") && !found_plt)) {
			plt->addr = shdr.sh_addr;
			plt->size = shdr.sh_size;
			plt->first = name[4] ? 0 : ehdr.e_machine == EM_AARCH64 ? 32 : 16;
			found_plt = true;
		}
	}
	return found_plt && found_relocations && ehdr.e_type != ET_REL;
}

static int push_stub(struct symtab *t, const char *name, uint64_t start)
{
	struct symbol symbol = { .start = start,
				 .size = PLT_ENTRY,
				 .section_end = start + PLT_ENTRY,
				 .rank = 8,
				 .owned = true };
	char *text;
	int r;

	if (asprintf(&text, "%.*s@plt", (int)strcspn(name, "@"), name) < 0)
		return -ENOMEM;
	symbol.name = text;
	r = push(t, &symbol);
	if (r)
		free(text);
	return r;
}

static int read_plt(struct symtab *t, Elf *elf)
{
	Elf_Scn *relocations = NULL, *symbols;
	GElf_Shdr shdr = { 0 }, symbols_shdr;
	Elf_Data *data, *symbols_data;
	size_t names;
	struct plt plt = { .addr = 0 };

	if (elf_getshdrstrndx(elf, &names) < 0 || !find_plt(elf, names, &plt, &relocations, &shdr))
		return 0;
	symbols = elf_getscn(elf, shdr.sh_link);
	data = elf_getdata(relocations, NULL);
	if (!symbols || !data || !gelf_getshdr(symbols, &symbols_shdr) || !shdr.sh_entsize)
		return 0;
	symbols_data = elf_getdata(symbols, NULL);
	for (size_t i = 0; symbols_data && i < data->d_size / shdr.sh_entsize; i++) {
		uint64_t at = plt.first + i * plt.entry;
		const char *name;
		GElf_Rela rela;
		GElf_Sym sym;
		int r;

		if (at + plt.entry > plt.size || !gelf_getrela(data, (int)i, &rela))
			break;
		if (!gelf_getsym(symbols_data, (int)GELF_R_SYM(rela.r_info), &sym))
			continue;
		name = elf_strptr(elf, symbols_shdr.sh_link, sym.st_name);
		if (!name || !*name)
			continue;
		r = push_stub(t, name, plt.addr + at);
		if (r)
			return r;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	/* Among equals the preferred one stands last, where the search arrives first. */
	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	return x->index > y->index ? -1 : 1;
}

/* A symbol without a size reaches to the next one, or to its section's end. */
static void guess_sizes(struct symtab *t)
{
	uint64_t next = UINT64_MAX, reach = 0;

	for (size_t i = t->nr; i-- > 0;) {
		struct symbol *s = &t->symbols[i];
		uint64_t end = MIN(next, s->section_end);

		if (!s->size && end > s->start)
			s->size = MIN(end - s->start, (uint64_t)GUESSED_SIZE_MAX);
		if (i && t->symbols[i - 1].start != s->start)
			next = s->start;
	}
	for (size_t i = 0; i < t->nr; i++) {
		uint64_t end = t->symbols[i].start + t->symbols[i].size;

		reach = MAX(reach, end);
		t->reach[i] = reach;
	}
}

static int read_tables(struct symtab *t, Elf *elf)
{
	Elf_Scn *scn = NULL;
	int r = 0;

	while (!r && (scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;

		if (gelf_getshdr(scn, &shdr) &&
		    (shdr.sh_type == SHT_SYMTAB || shdr.sh_type == SHT_DYNSYM))
			r = read_table(t, elf, scn, &shdr);
	}
	return r;
}

int symtab_new(struct symtab **ret, Elf *elf, Elf *more)
{
	_cleanup_(symtab_freep) struct symtab *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	r = read_tables(t, elf);
	if (!r && more)
		r = read_tables(t, more);
	if (!r)
		r = read_plt(t, elf);
	if (r && r != -ENOSPC)
		return r;
	t->reach = calloc(t->nr + 1, sizeof(*t->reach));
	if (!t->reach)
		return -ENOMEM;
	if (t->nr)
		qsort(t->symbols, t->nr, sizeof(*t->symbols), compare);
	guess_sizes(t);
	*ret = TAKE_PTR(t);
	return 0;
}

struct symtab *symtab_free(struct symtab *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->nr; i++) {
		if (t->symbols[i].owned)
			free((char *)t->symbols[i].name);
	}
	free(t->symbols);
	free(t->reach);
	free(t);
	return NULL;
}

size_t symtab_count(const struct symtab *t)
{
	return t->nr;
}

const char *symtab_find(const struct symtab *t, uint64_t vaddr, struct stretch *stretch)
{
	size_t lo = 0, hi = t->nr;

	while (lo < hi) { /* first symbol above vaddr */
		size_t mid = lo + (hi - lo) / 2;

		if (t->symbols[mid].start <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < t->nr)
		stretch_narrow(stretch, 0, t->symbols[lo].start);
	/* The nearest one below that holds it; none further down does when nothing reaches this far. */
	while (lo-- > 0 && t->reach[lo] > vaddr) {
		const struct symbol *s = &t->symbols[lo];

		if (vaddr - s->start < s->size) {
			stretch_narrow(stretch, s->start, s->start + s->size);
			return s->name;
		}
		stretch_narrow(stretch, s->start + s->size, UINT64_MAX);
	}
	stretch_narrow(stretch, vaddr, vaddr + 1);
	return NULL;
}
