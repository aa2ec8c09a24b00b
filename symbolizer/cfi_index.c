/* The FDEs of a section in order: by the linker's search table, or by a scan. */
#include "symbolizer/cfi.h"

#include <dwarf.h>
#include <errno.h>

#define HDR_VERSION 1
#define TABLE_ENCODING (DW_EH_PE_datarel | DW_EH_PE_sdata4) /* what every linker writes */
#define TABLE_ENTRY 8

/* A pointer of the header; those of an encoding that no linker uses are failures. */
static uint64_t hdr_pointer(struct reader *hdr, const uint8_t *begin, uint64_t hdr_vaddr,
			    uint8_t encoding)
{
	uint64_t here = hdr_vaddr + (uint64_t)(hdr->at - begin);

	switch (encoding) {
	case DW_EH_PE_pcrel | DW_EH_PE_sdata4:
		return here + (uint64_t)(int32_t)reader_u32(hdr);
	case DW_EH_PE_datarel | DW_EH_PE_sdata4:
		return hdr_vaddr + (uint64_t)(int32_t)reader_u32(hdr);
	case DW_EH_PE_pcrel | DW_EH_PE_sdata8:
		return here + reader_u64(hdr);
	case DW_EH_PE_udata4:
		return reader_u32(hdr);
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
		return reader_u64(hdr);
	default:
		reader_fail(hdr);
		return 0;
	}
}

bool cfi_hdr_section(struct reader hdr, uint64_t hdr_vaddr, uint64_t *ret)
{
	const uint8_t *begin = hdr.at;
	uint64_t vaddr;
	uint8_t encoding;

	if (reader_u8(&hdr) != HDR_VERSION)
		return false;
	encoding = reader_u8(&hdr);
	reader_skip(&hdr, 2);
	vaddr = hdr_pointer(&hdr, begin, hdr_vaddr, encoding);
	if (hdr.failed)
		return false;
	*ret = vaddr;
	return true;
}

static bool in_order(const struct cfi_index *index)
{
	for (size_t i = 1; i < index->nr; i++) {
		if (cfi_index_address(index, i) < cfi_index_address(index, i - 1))
			return false;
	}
	return true;
}

int cfi_index_by_table(struct cfi_index *index, const struct cfi_section *section,
		       struct reader hdr, uint64_t hdr_vaddr)
{
	const uint8_t *begin = hdr.at;
	uint8_t section_encoding, nr_encoding;
	uint64_t nr;

	*index = (struct cfi_index) { .section = section, .table_base = hdr_vaddr };
	if (reader_u8(&hdr) != HDR_VERSION)
		return CFI_E_BROKEN;
	section_encoding = reader_u8(&hdr);
	nr_encoding = reader_u8(&hdr);
	if (reader_u8(&hdr) != TABLE_ENCODING)
		return CFI_E_BROKEN;
	hdr_pointer(&hdr, begin, hdr_vaddr, section_encoding);
	nr = hdr_pointer(&hdr, begin, hdr_vaddr, nr_encoding);
	if (hdr.failed || !nr || nr > reader_left(&hdr) / TABLE_ENTRY)
		return CFI_E_BROKEN;
	index->table = hdr.at;
	index->nr = nr;
	if (in_order(index))
		return 0;
	*index = CFI_INDEX_NULL;
	return CFI_E_BROKEN;
}

static int by_address(const void *a, const void *b)
{
	const struct cfi_index_entry *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int add_entry(struct cfi_index *index, size_t *size, uint64_t start, uint64_t offset)
{
	if (start < index->base || start - index->base > UINT32_MAX || offset > UINT32_MAX ||
	    index->nr == CFI_INDEX_MAX) {
		index->bad++;
		return 0;
	}
	if (index->nr == *size) {
		size_t bigger = *size ? 2 * *size : 1024;
		struct cfi_index_entry *more = reallocarray(index->entries, bigger, sizeof(*more));

		if (!more)
			return -ENOMEM;
		index->entries = more;
		*size = bigger;
	}
	index->entries[index->nr++] =
		(struct cfi_index_entry) { .address = (uint32_t)(start - index->base),
					   .offset = (uint32_t)offset };
	return 0;
}

int cfi_index_by_scan(struct cfi_index *index, const struct cfi_section *section, uint64_t base)
{
	uint64_t cie_offset, last_cie = UINT64_MAX;
	struct cfi_cie cie;
	size_t size = 0;
	bool cie_good = false;

	*index = (struct cfi_index) { .section = section, .base = base };
	for (uint64_t at = 0; at < section->size; at = cfi_next(section, at)) {
		struct reader body;
		struct cfi_fde fde;
		int r = cfi_read_fde_head(section, at, &body, &cie_offset);

		if (!r && cie_offset != last_cie) {
			last_cie = cie_offset;
			cie_good = !cfi_read_cie(section, cie_offset, &cie);
		}
		if (!r)
			r = cie_good ? cfi_read_fde(section, body, &cie, &fde) : CFI_E_BROKEN;
		if (r == CFI_E_BROKEN)
			index->bad++;
		if (!r && add_entry(index, &size, fde.start, at) < 0)
			return -ENOMEM;
	}
	if (!in_order(index))
		qsort(index->entries, index->nr, sizeof(*index->entries), by_address);
	return 0;
}

void cfi_index_deinit(struct cfi_index *index)
{
	free(index->entries);
	*index = CFI_INDEX_NULL;
}

static uint64_t table_field(const struct cfi_index *index, size_t i, size_t field)
{
	int32_t value;

	memcpy(&value, index->table + i * TABLE_ENTRY + field, sizeof(value));
	return index->table_base + (uint64_t)(int64_t)value;
}

uint64_t cfi_index_address(const struct cfi_index *index, size_t i)
{
	return index->table ? table_field(index, i, 0) : index->base + index->entries[i].address;
}

uint64_t cfi_index_offset(const struct cfi_index *index, size_t i)
{
	return index->table ? table_field(index, i, sizeof(int32_t)) - index->section->vaddr
			    : index->entries[i].offset;
}

size_t cfi_index_find(const struct cfi_index *index, uint64_t address)
{
	size_t low = 0, high = index->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (cfi_index_address(index, middle) < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
