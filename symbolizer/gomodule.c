/* Finds runtime.firstmoduledata. */
#include "symbolizer/gomodule.h"

#include <gelf.h>
#include <string.h>

#define WORDS 42 /* of the record, up to the last member that is read */
#define WORD_TEXT 22
#define WORD_GOFUNC 38 /* two more since the coverage counters came in between */
#define RELOCATIONS_MAX (8u << 20)
#define CANDIDATES_MAX 64
#define SEARCHED_MAX                                                                               \
	(48u << 20) /* Kubernetes' programs have 5 MB of data, and 40 of what is only read */

struct search {
	Elf *elf;
	const uint8_t *file;
	size_t file_size;
	const struct segment *segments;
	size_t nr_segments;
	uint64_t pclntab, names, pclntab_size;
	size_t budget; /* bytes that are searched yet */
	uint64_t vaddr, words[WORDS]; /* of the record that is looked at */
	uint64_t candidates[CANDIDATES_MAX];
	size_t nr_candidates;
};

/* The bytes of the file behind an address: how many of them there are, up to its segment's end. */
static size_t bytes_at(const struct search *s, uint64_t vaddr, const uint8_t **ret)
{
	for (size_t i = 0; i < s->nr_segments; i++) {
		const struct segment *g = &s->segments[i];
		uint64_t at = vaddr - g->vaddr;

		if (vaddr < g->vaddr || at >= g->file_size || g->offset > s->file_size ||
		    at >= s->file_size - g->offset)
			continue;
		*ret = s->file + g->offset + at;
		return (size_t)MIN(g->file_size - at, s->file_size - g->offset - at);
	}
	return 0;
}

static bool is_relative(const GElf_Rela *rela)
{
	uint64_t type = GELF_R_TYPE(rela->r_info);

	return type == R_X86_64_RELATIVE || type == R_AARCH64_RELATIVE;
}

typedef bool (*relocation_fn)(struct search *s, const GElf_Rela *rela);

/* Calls fn for each relative relocation until it says true. */
static bool each_relocation(struct search *s, relocation_fn fn)
{
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(s->elf, scn))) {
		Elf_Data *data;
		GElf_Shdr shdr;
		GElf_Rela rela;

		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type != SHT_RELA ||
		    !(shdr.sh_flags & SHF_ALLOC) || !shdr.sh_entsize)
			continue;
		data = elf_getdata(scn, NULL);
		for (size_t i = 0;
		     data && i < data->d_size / shdr.sh_entsize && i < RELOCATIONS_MAX; i++) {
			if (gelf_getrela(data, (int)i, &rela) && is_relative(&rela) && fn(s, &rela))
				return true;
		}
	}
	return false;
}

/* What the dynamic linker would write into the record that is looked at. */
static bool overlay_word(struct search *s, const GElf_Rela *rela)
{
	uint64_t at = rela->r_offset - s->vaddr;

	if (rela->r_offset >= s->vaddr && at < sizeof(s->words) && at % 8 == 0)
		s->words[at / 8] = (uint64_t)rela->r_addend;
	return false;
}

static bool begins_right(const struct search *s)
{
	return s->words[0] == s->pclntab && s->words[1] == s->names;
}

/* Does the record at vaddr begin with the table and its names, and tell of code that makes sense? */
static bool is_module(struct search *s, uint64_t vaddr)
{
	const uint8_t *bytes = NULL;
	size_t n = bytes_at(s, vaddr, &bytes);

	s->vaddr = vaddr;
	memset(s->words, 0, sizeof(s->words));
	if (n)
		memcpy(s->words, bytes, MIN(n, sizeof(s->words)));
	if (!begins_right(s))
		each_relocation(s, overlay_word);
	return begins_right(s) && s->words[WORD_TEXT] &&
	       s->words[WORD_TEXT] <= s->words[WORD_TEXT + 1];
}

/* In position-independent files the pointer to the table is a relocation, and its place in the file may be zero. */
static bool collect_candidate(struct search *s, const GElf_Rela *rela)
{
	if ((uint64_t)rela->r_addend == s->pclntab)
		s->candidates[s->nr_candidates++] = rela->r_offset;
	return s->nr_candidates == CANDIDATES_MAX;
}

static bool find_by_relocation(struct search *s)
{
	each_relocation(s, collect_candidate);
	for (size_t i = 0; i < s->nr_candidates; i++) {
		if (is_module(s, s->candidates[i]))
			return true;
	}
	return false;
}

static bool find_between(struct search *s, uint64_t vaddr, size_t size)
{
	const uint64_t first[2] = { s->pclntab, s->names };
	const uint8_t *bytes;
	size_t n = MIN(bytes_at(s, vaddr, &bytes), MIN(size, s->budget)), tried = 0;

	s->budget -= n;
	for (size_t at = -vaddr % 8; at + sizeof(first) <= n && tried < CANDIDATES_MAX; at += 8) {
		if (memcmp(bytes + at, first, sizeof(first)))
			continue;
		if (is_module(s, vaddr + at))
			return true;
		tried++;
	}
	return false;
}

/* The table itself, which may be of any size, is not searched. */
static bool find_in_segment(struct search *s, const struct segment *g)
{
	uint64_t at = s->pclntab - g->vaddr, behind = at + s->pclntab_size;

	if (s->pclntab < g->vaddr || at >= g->file_size)
		return find_between(s, g->vaddr, g->file_size);
	if (find_between(s, g->vaddr, at))
		return true;
	return s->pclntab_size < g->file_size - at &&
	       find_between(s, g->vaddr + behind, g->file_size - behind);
}

/* Linkers put what is written to last, and the record is. */
static bool find_by_content(struct search *s)
{
	for (size_t i = s->nr_segments; i-- > 0;) {
		if (!s->segments[i].executable && find_in_segment(s, &s->segments[i]))
			return true;
	}
	return false;
}

void gomodule_find(Elf *elf, const struct segment *segments, size_t nr_segments, uint64_t pclntab,
		   uint64_t pclntab_size, uint64_t names, bool has_coverage, struct gomodule *ret)
{
	struct search s = { .elf = elf,
			    .segments = segments,
			    .nr_segments = nr_segments,
			    .pclntab = pclntab,
			    .pclntab_size = pclntab_size,
			    .budget = SEARCHED_MAX,
			    .names = names };

	*ret = (struct gomodule) { .text = 0 };
	s.file = (const uint8_t *)elf_rawfile(elf, &s.file_size);
	if (!s.file || (!find_by_content(&s) && !find_by_relocation(&s)))
		return;
	ret->text = s.words[WORD_TEXT];
	ret->gofunc = s.words[WORD_GOFUNC + (has_coverage ? 2 : 0)];
}
