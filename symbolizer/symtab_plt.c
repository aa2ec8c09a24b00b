/* The stubs of the PLT. */
#include "symbolizer/symtab_plt.h"
#include "agent/base/cleanup.h"

#include <gelf.h>
#include <string.h>

#define STUB 16 /* bytes: x86-64 and arm64 alike, all of the linkers' forms */

/* .plt begins with the resolver; .plt.sec, where it is there, is what is called. */
static void set_stubs(struct symtab_plt *plt, const char *name, const GElf_Shdr *shdr,
		      uint16_t machine)
{
	uint64_t resolver = name[4] ? 0 : machine == EM_AARCH64 ? 32 : 16;

	if (shdr->sh_size < resolver || shdr->sh_addr + shdr->sh_size < shdr->sh_addr)
		return;
	plt->start = shdr->sh_addr + resolver;
	plt->end = shdr->sh_addr + shdr->sh_size;
}

/* The stubs follow the order of the jump relocations. */
static void set_relocations(struct symtab_plt *plt, Elf_Scn *scn, const GElf_Shdr *shdr)
{
	Elf_Scn *symbols = elf_getscn(plt->elf, shdr->sh_link);
	GElf_Shdr symbols_shdr;

	if (!symbols || !gelf_getshdr(symbols, &symbols_shdr) || !shdr->sh_entsize)
		return;
	plt->names = symbols_shdr.sh_link;
	plt->symbols = elf_getdata(symbols, NULL);
	plt->relocations = elf_getdata(scn, NULL);
	plt->nr = plt->relocations ? plt->relocations->d_size / shdr->sh_entsize : 0;
}

void symtab_plt_init(struct symtab_plt *plt, Elf *elf)
{
	Elf_Scn *scn = NULL;
	GElf_Ehdr ehdr;
	size_t names;

	*plt = (struct symtab_plt) { .elf = elf };
	if (!gelf_getehdr(elf, &ehdr) || ehdr.e_type == ET_REL ||
	    elf_getshdrstrndx(elf, &names) < 0)
		return;
	while ((scn = elf_nextscn(elf, scn))) {
		const char *name;
		GElf_Shdr shdr;

		if (!gelf_getshdr(scn, &shdr) || !(name = elf_strptr(elf, names, shdr.sh_name)))
			continue;
		if (!strcmp(name, ".rela.plt"))
			set_relocations(plt, scn, &shdr);
		else if (!strcmp(name, ".plt.sec") || (!strcmp(name, ".plt") && !plt->end))
			set_stubs(plt, name, &shdr, ehdr.e_machine);
	}
	if (!plt->relocations || !plt->symbols)
		plt->end = plt->start;
}

const char *symtab_plt_find(const struct symtab_plt *plt, uint64_t vaddr, uint64_t *ret_start,
			    uint64_t *ret_end)
{
	uint64_t i = (vaddr - plt->start) / STUB;
	const char *name;
	GElf_Rela rela;
	GElf_Sym sym;

	if (vaddr < plt->start || vaddr >= plt->end || i >= plt->nr ||
	    plt->end - plt->start < (i + 1) * STUB ||
	    !gelf_getrela(plt->relocations, (int)i, &rela) ||
	    !gelf_getsym(plt->symbols, (int)GELF_R_SYM(rela.r_info), &sym))
		return NULL;
	name = elf_strptr(plt->elf, plt->names, sym.st_name);
	if (!name || !*name)
		return NULL;
	*ret_start = plt->start + i * STUB;
	*ret_end = *ret_start + STUB;
	return name;
}
