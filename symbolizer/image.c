/* The debug sections of one ELF file. */
#include "symbolizer/image.h"
#include "agent/base/err.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/relocate.h"
#include "symbolizer/symbolizer.h"

#include <errno.h>
#include <gelf.h>
#include <libdeflate.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <zstd.h>

#define BLOCK_SHIFT 16 /* the kernel's fault_around_bytes */
#define COMPRESS_ZSTD 2 /* ELFCOMPRESS_ZSTD: younger than Debian 12's elf.h */

#define RESERVE (3u << 19) /* bytes for tables: a tenth of what they like to have, and enough */

enum packing { PACKING_NONE, PACKING_ZLIB, PACKING_ZSTD, PACKING_UNKNOWN };

struct packed_section {
	uint64_t offset, size; /* in the file; behind the compression's header */
	uint64_t unpacked_size;
	enum packing packing;
	size_t index; /* among the file's sections */
	uint64_t relocations_offset, nr_relocations; /* of an object file's */
	bool there, refused;
	uint8_t *unpacked;
};

struct image {
	struct mem *mem;
	const uint8_t *map;
	size_t size;
	struct image *next, **back; /* among the images of mem */
	uint64_t *resident; /* a bit per block */
	size_t nr_words, nr_resident;
	struct relocator relocator; /* of an object file */
	struct packed_section sections[IMAGE_NR_SECTIONS];
};

static const char *const names[IMAGE_ALTLINK] = {
	[IMAGE_ABBREV] = "abbrev",   [IMAGE_ADDR] = "addr",
	[IMAGE_ARANGES] = "aranges", [IMAGE_CU_INDEX] = "cu_index",
	[IMAGE_FRAME] = "frame",     [IMAGE_INFO] = "info",
	[IMAGE_LINE] = "line",       [IMAGE_LINE_STR] = "line_str",
	[IMAGE_RANGES] = "ranges",   [IMAGE_RNGLISTS] = "rnglists",
	[IMAGE_STR] = "str",         [IMAGE_STR_OFFSETS] = "str_offsets",
};

/* Which section name is, if it is of the kind that we want. */
static int which(const char *name, bool dwo, bool *ret_gnu_packed)
{
	static const char debug[] = ".debug_", zdebug[] = ".zdebug_";
	const char *rest;

	if (!strcmp(name, ".gnu_debugaltlink")) {
		*ret_gnu_packed = false;
		return IMAGE_ALTLINK;
	}
	*ret_gnu_packed = !strncmp(name, zdebug, sizeof(zdebug) - 1);
	if (*ret_gnu_packed)
		rest = name + sizeof(zdebug) - 1;
	else if (!strncmp(name, debug, sizeof(debug) - 1))
		rest = name + sizeof(debug) - 1;
	else
		return -1;
	for (int i = 0; i < IMAGE_ALTLINK; i++) {
		size_t len = strlen(names[i]);
		bool package = i == IMAGE_CU_INDEX; /* a package's index goes without .dwo */

		if (!strncmp(rest, names[i], len) &&
		    !strcmp(rest + len, dwo && !package ? ".dwo" : ""))
			return i;
	}
	return -1;
}

/* gABI: a Chdr before the data. GNU: "ZLIB" and the size, eight bytes, most significant first. */
static void read_packing(struct image *image, struct packed_section *s, bool gabi, bool is64)
{
	struct reader r = reader_of(image->map + s->offset, s->size);
	uint32_t type = ELFCOMPRESS_ZLIB;

	if (gabi) {
		type = reader_u32(&r);
		if (is64)
			reader_skip(&r, 4);
		s->unpacked_size = is64 ? reader_u64(&r) : reader_u32(&r);
		reader_skip(&r, is64 ? 8 : 4); /* alignment */
	} else {
		const uint8_t *magic = reader_bytes(&r, 4);

		if (!magic || memcmp(magic, "ZLIB", 4) != 0)
			return; /* the name alone: plain */
		s->unpacked_size = 0;
		for (int i = 0; i < 8; i++)
			s->unpacked_size = s->unpacked_size << 8 | reader_u8(&r);
	}
	s->packing = type == ELFCOMPRESS_ZLIB ? PACKING_ZLIB
		     : type == COMPRESS_ZSTD  ? PACKING_ZSTD
					      : PACKING_UNKNOWN;
	if (r.failed)
		s->packing = PACKING_UNKNOWN;
	s->offset += s->size - reader_left(&r);
	s->size = reader_left(&r);
}

static bool is_inside(const struct image *image, const GElf_Shdr *shdr)
{
	return shdr->sh_offset <= image->size && shdr->sh_size <= image->size - shdr->sh_offset;
}

static void read_header(struct image *image, const GElf_Shdr *shdr, size_t index, const char *name,
			bool dwo, bool is64)
{
	struct packed_section *s;
	bool gnu_packed;
	int i = which(name, dwo, &gnu_packed);

	if (i < 0 || shdr->sh_type == SHT_NOBITS || !is_inside(image, shdr))
		return;
	s = &image->sections[i];
	if (s->there)
		return; /* the first of a name counts */
	*s = (struct packed_section) { .offset = shdr->sh_offset,
				       .size = shdr->sh_size,
				       .unpacked_size = shdr->sh_size,
				       .index = index,
				       .there = true };
	if (gnu_packed || (shdr->sh_flags & SHF_COMPRESSED))
		read_packing(image, s, shdr->sh_flags & SHF_COMPRESSED, is64);
}

static void read_headers(struct image *image, Elf *elf, bool dwo)
{
	Elf_Scn *scn = NULL;
	size_t strings;

	if (elf_getshdrstrndx(elf, &strings) < 0)
		return;
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;
		const char *name;

		if (gelf_getshdr(scn, &shdr) &&
		    (name = elf_strptr(elf, strings, shdr.sh_name)) != NULL)
			read_header(image, &shdr, elf_ndxscn(scn), name, dwo,
				    gelf_getclass(elf) == ELFCLASS64);
	}
}

/* What lies where the relocations of an object file say is a copy, as what is unpacked. */
static int read_relocations(struct image *image, Elf *elf)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr shdr;
	int r = relocator_init(&image->relocator, elf, image->mem);

	while (!r && (scn = elf_nextscn(elf, scn))) {
		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type != SHT_RELA ||
		    !is_inside(image, &shdr))
			continue;
		for (int i = 0; i < IMAGE_NR_SECTIONS; i++) {
			struct packed_section *s = &image->sections[i];

			if (!s->there || s->index != shdr.sh_info)
				continue;
			s->relocations_offset = shdr.sh_offset;
			s->nr_relocations = shdr.sh_size / sizeof(Elf64_Rela);
		}
	}
	return r;
}

static bool takes_memory(const struct packed_section *s)
{
	return s->packing != PACKING_NONE || s->nr_relocations;
}

/* Sections without which no function can be named. */
static const enum image_section for_functions[] = { IMAGE_ABBREV,     IMAGE_ADDR,     IMAGE_INFO,
						    IMAGE_RANGES,     IMAGE_RNGLISTS, IMAGE_STR,
						    IMAGE_STR_OFFSETS };
static const enum image_section for_lines[] = { IMAGE_LINE, IMAGE_LINE_STR };

/* Refuses the sections when they do not fit into room together. */
static void refuse(struct image *image, const enum image_section *which, size_t nr, uint64_t *room)
{
	uint64_t needed = 0;

	for (size_t i = 0; i < nr; i++) {
		const struct packed_section *s = &image->sections[which[i]];

		if (takes_memory(s) && __builtin_add_overflow(needed, s->unpacked_size, &needed))
			needed = UINT64_MAX;
	}
	for (size_t i = 0; needed > *room && i < nr; i++) {
		struct packed_section *s = &image->sections[which[i]];

		s->refused = s->there && takes_memory(s);
	}
	if (needed <= *room)
		*room -= needed;
}

/* One section of several is of no use: those that are unpacked for nothing take the room of what could be answered. */
static void plan(struct image *image)
{
	const struct mem *m = image->mem;
	size_t reserve = MIN(m->max / 8, (size_t)RESERVE);
	uint64_t room = m->max > m->used + reserve ? m->max - m->used - reserve : 0;

	refuse(image, for_functions, ARRAY_SIZE(for_functions), &room);
	refuse(image, for_lines, ARRAY_SIZE(for_lines), &room);
}

/* Other machines' byte order is not read: no process of this host can run such a file. */
static bool is_ours(Elf *elf)
{
	const char *ident = elf_getident(elf, NULL);

	return ident && ident[EI_DATA] == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB
										     : ELFDATA2MSB);
}

static int read_sections(struct image *image, Elf *elf, bool dwo)
{
	int r = 0;

	if (elf_is_object(elf) && !relocator_knows(elf))
		return 0; /* its addresses mean nothing */
	read_headers(image, elf, dwo);
	if (elf_is_object(elf))
		r = read_relocations(image, elf);
	plan(image);
	return r;
}

static void enlist(struct image *image)
{
	image->back = &image->mem->images;
	image->next = *image->back;
	if (image->next)
		image->next->back = &image->next;
	*image->back = image;
}

static void delist(struct image *image)
{
	if (!image->back)
		return;
	image->mem->nr_resident -= image->nr_resident;
	*image->back = image->next;
	if (image->next)
		image->next->back = image->back;
}

int image_new(struct image **ret, int fd, Elf *elf, bool dwo, struct mem *mem)
{
	_cleanup_(image_freep) struct image *image = mem_zalloc(mem, sizeof(*image));
	struct stat st;
	void *map;
	int r = 0;

	if (!image)
		return -ENOMEM;
	image->mem = mem;
	if (fstat(fd, &st) < 0)
		return err_last();
	if (st.st_size > 0 && is_ours(elf)) {
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (map == MAP_FAILED)
			return err_last();
		image->map = map;
		image->size = (size_t)st.st_size;
		image->nr_words = (image->size >> BLOCK_SHIFT) / 64 + 2;
		image->resident = mem_zalloc(mem, image->nr_words * sizeof(*image->resident));
		if (!image->resident)
			return -ENOMEM;
		enlist(image);
		r = read_sections(image, elf, dwo);
	}
	if (!r)
		*ret = TAKE_PTR(image);
	return r;
}

struct image *image_free(struct image *image)
{
	if (!image)
		return NULL;
	delist(image);
	for (int i = 0; i < IMAGE_NR_SECTIONS; i++) {
		struct packed_section *s = &image->sections[i];

		if (s->unpacked)
			image->mem->kept -= s->unpacked_size;
		mem_free(image->mem, s->unpacked, s->unpacked_size);
	}
	relocator_deinit(&image->relocator);
	mem_free(image->mem, image->resident, image->nr_words * sizeof(*image->resident));
	if (image->map)
		munmap((void *)image->map, image->size);
	mem_free(image->mem, image, sizeof(*image));
	return NULL;
}

static void give_back(struct image *image)
{
	madvise((void *)image->map, image->size, MADV_DONTNEED);
	memset(image->resident, 0, image->nr_words * sizeof(*image->resident));
	image->mem->nr_resident -= image->nr_resident;
	image->nr_resident = 0;
}

/* A program in hundreds of .dwo files has no more room than one in a single file. */
static void give_all_back(struct mem *mem)
{
	for (struct image *image = mem->images; image; image = image->next) {
		if (image->nr_resident)
			give_back(image);
	}
}

static bool unzlib(const uint8_t *from, size_t size, uint8_t *to, size_t to_size)
{
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	bool good = d && libdeflate_zlib_decompress(d, from, size, to, to_size, NULL) ==
				 LIBDEFLATE_SUCCESS;

	libdeflate_free_decompressor(d);
	return good;
}

/* Entry i of those at offset; NULL: the file ends before. */
static const void *entry_at(struct image *image, uint64_t offset, uint64_t i, size_t size)
{
	const uint8_t *at;

	if (offset > image->size || i >= (image->size - offset) / size)
		return NULL;
	at = image->map + offset + i * size;
	image_touch(image, at, size);
	return at;
}

static void relocate_all(struct image *image, const struct packed_section *s, uint8_t *data)
{
	const struct relocator *r = &image->relocator;

	for (uint64_t i = 0; i < s->nr_relocations; i++) {
		const void *entry = entry_at(image, s->relocations_offset, i, sizeof(Elf64_Rela));
		const void *symbol;
		Elf64_Rela rela;
		Elf64_Sym sym;

		if (!entry)
			return;
		memcpy(&rela, entry, sizeof(rela));
		symbol = ELF64_R_SYM(rela.r_info) < r->nr_symbols
				 ? entry_at(image, r->symbols_offset, ELF64_R_SYM(rela.r_info),
					    sizeof(sym))
				 : NULL;
		if (symbol)
			memcpy(&sym, symbol, sizeof(sym));
		relocate(r, &rela, symbol ? &sym : NULL, data, s->unpacked_size);
	}
}

static bool unpack(struct image *image, struct packed_section *s)
{
	const uint8_t *from = image->map + s->offset;
	bool good = false;
	uint8_t *to;

	if (s->packing == PACKING_UNKNOWN)
		return false;
	to = mem_alloc(image->mem, s->unpacked_size);
	if (!to)
		return false;
	if (s->packing == PACKING_NONE)
		good = memcpy(to, from, s->size);
	else if (s->packing == PACKING_ZLIB)
		good = unzlib(from, s->size, to, s->unpacked_size);
	else
		good = ZSTD_decompress(to, s->unpacked_size, from, s->size) == s->unpacked_size;
	if (good)
		relocate_all(image, s, to);
	give_back(image);
	if (!good) {
		mem_free(image->mem, to, s->unpacked_size);
		return false;
	}
	s->unpacked = to;
	image->mem->kept += s->unpacked_size;
	return true;
}

struct section image_section(struct image *image, enum image_section w)
{
	struct packed_section *s = &image->sections[w];

	if (!s->there || s->refused)
		return (struct section) { .size = 0 };
	if (!takes_memory(s))
		return (struct section) { .data = image->map + s->offset, .size = s->size };
	if (!s->unpacked && !unpack(image, s)) {
		s->refused = true;
		return (struct section) { .size = 0 };
	}
	return (struct section) { .data = s->unpacked, .size = s->unpacked_size };
}

bool image_has(const struct image *image, enum image_section w)
{
	return image->sections[w].there;
}

const uint8_t *image_bytes(const struct image *image, size_t *ret_size)
{
	*ret_size = image->size;
	return image->map;
}

void image_touch(struct image *image, const void *data, size_t size)
{
	uintptr_t at = (uintptr_t)data, map = (uintptr_t)image->map;
	size_t first, last;

	if (at < map || at - map >= image->size || !size)
		return; /* unpacked */
	size = MIN(size, image->size - (at - map));
	first = (at >> BLOCK_SHIFT) - (map >> BLOCK_SHIFT);
	last = ((at + size - 1) >> BLOCK_SHIFT) - (map >> BLOCK_SHIFT);
	if (image->mem->nr_resident + (last - first) >= SYMBOLIZER_MAPPED_MAX >> BLOCK_SHIFT)
		give_all_back(image->mem);
	for (size_t i = first; i <= last; i++) {
		uint64_t bit = 1ULL << (i % 64);

		if (image->resident[i / 64] & bit)
			continue;
		image->resident[i / 64] |= bit;
		image->nr_resident++;
		image->mem->nr_resident++;
	}
}

bool image_lacks(const struct image *image, enum image_section w)
{
	return image->sections[w].refused;
}

uint32_t image_refused(const struct image *image)
{
	uint32_t nr = 0;

	for (int i = 0; i < IMAGE_NR_SECTIONS; i++)
		nr += image->sections[i].refused;
	return nr;
}
