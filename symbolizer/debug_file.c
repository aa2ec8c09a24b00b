/* Separate and packed symbols. */
#include "symbolizer/debug_file.h"

#include <gelf.h>
#include <libdeflate.h>
#include <lzma.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define UNPACKED_MAX (32u << 20) /* of .gnu_debugdata: symbols only, some hundred KB */
#define XZ_MEMORY_MAX                                                                              \
	(16u << 20) /* xz -9 wants 65 MB to unpack; the tools that make it use less than 9 */

static Elf_Scn *find_section(Elf *elf, const char *wanted, GElf_Shdr *ret)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) < 0)
		return NULL;
	while ((scn = elf_nextscn(elf, scn))) {
		const char *name =
			gelf_getshdr(scn, ret) ? elf_strptr(elf, names, ret->sh_name) : NULL;

		if (name && !strcmp(name, wanted) && ret->sh_type != SHT_NOBITS)
			return scn;
	}
	return NULL;
}

void debug_link_read(Elf *elf, struct symbolizer_identity *ret)
{
	GElf_Shdr shdr;
	Elf_Scn *scn = find_section(elf, ".gnu_debuglink", &shdr);
	Elf_Data *data = scn ? elf_rawdata(scn, NULL) : NULL;
	size_t len, at;

	if (!data || !data->d_buf)
		return;
	len = strnlen(data->d_buf, data->d_size);
	at = (len + 4) & ~(size_t)3; /* behind the name's NUL, aligned */
	if (!len || len >= sizeof(ret->debuglink) || data->d_size < 4 || at > data->d_size - 4)
		return;
	memcpy(ret->debuglink, data->d_buf, len);
	memcpy(&ret->debuglink_crc, (const char *)data->d_buf + at, 4);
}

static bool has_crc(int fd, uint32_t wanted)
{
	struct stat st;
	uint32_t crc;
	void *data;

	if (fstat(fd, &st) < 0 || st.st_size <= 0)
		return false;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return false;
	crc = libdeflate_crc32(0, data, (size_t)st.st_size);
	munmap(data, (size_t)st.st_size);
	return crc == wanted;
}

bool debug_file_matches(const struct symbolizer_identity *program,
			const struct symbolizer_identity *debug, int fd)
{
	if (program->elf_machine != debug->elf_machine)
		return false;
	if (program->build_id_len && debug->build_id_len)
		return program->build_id_kind == debug->build_id_kind &&
		       program->build_id_len == debug->build_id_len &&
		       !memcmp(program->build_id, debug->build_id, debug->build_id_len);
	return program->debuglink[0] && has_crc(fd, program->debuglink_crc);
}

/* The size that the xz file says it unpacks to: its index stands at the end. */
static uint64_t unpacked_size(const uint8_t *packed, size_t size)
{
	uint64_t memory = XZ_MEMORY_MAX, unpacked;
	lzma_stream_flags flags;
	lzma_index *index = NULL;
	size_t at = 0;

	if (size < 2 * LZMA_STREAM_HEADER_SIZE ||
	    lzma_stream_footer_decode(&flags, packed + size - LZMA_STREAM_HEADER_SIZE) != LZMA_OK ||
	    flags.backward_size > size - LZMA_STREAM_HEADER_SIZE)
		return 0;
	packed += size - LZMA_STREAM_HEADER_SIZE - flags.backward_size;
	if (lzma_index_buffer_decode(&index, &memory, NULL, packed, &at,
				     (size_t)flags.backward_size) != LZMA_OK)
		return 0;
	unpacked = lzma_index_uncompressed_size(index);
	lzma_index_end(index, NULL);
	return unpacked;
}

static bool unpack(const uint8_t *packed, size_t size, void *out, size_t out_size)
{
	uint64_t memory = XZ_MEMORY_MAX;
	size_t in_at = 0, out_at = 0;

	return lzma_stream_buffer_decode(&memory, 0, NULL, packed, &in_at, size, out, &out_at,
					 out_size) == LZMA_OK &&
	       out_at == out_size;
}

void minidebug_init(struct minidebug *m, Elf *elf, struct mem *mem)
{
	GElf_Shdr shdr;
	Elf_Scn *scn = find_section(elf, ".gnu_debugdata", &shdr);
	Elf_Data *data = scn ? elf_rawdata(scn, NULL) : NULL;
	uint64_t size;

	*m = (struct minidebug) { .mem = mem };
	if (!data || !data->d_buf)
		return;
	size = unpacked_size(data->d_buf, data->d_size);
	if (!size || size > UNPACKED_MAX)
		return;
	m->data = mem_alloc(mem, (size_t)size);
	if (!m->data)
		return;
	m->size = (size_t)size;
	if (unpack(data->d_buf, data->d_size, m->data, m->size))
		m->elf = elf_memory(m->data, m->size);
	if (!m->elf || elf_kind(m->elf) != ELF_K_ELF)
		minidebug_deinit(m);
}

void minidebug_deinit(struct minidebug *m)
{
	elf_end(m->elf);
	if (m->data)
		mem_free(m->mem, m->data, m->size);
	m->elf = NULL;
	m->data = NULL;
}
