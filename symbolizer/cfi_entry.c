/* The entries of .eh_frame and .debug_frame. */
#include "symbolizer/cfi.h"

#include <dwarf.h>

#define EH_CIE 0
#define DEBUG_CIE_32 UINT32_MAX
#define DEBUG_CIE_64 UINT64_MAX

struct head {
	struct reader body; /* behind the CIE id or pointer */
	uint64_t id, id_offset; /* the field's value, and where it is */
	bool wide; /* the 64-bit format */
};

static uint64_t offset_of(const struct cfi_section *section, const struct reader *r)
{
	return (uint64_t)(r->at - section->data);
}

static int read_head(const struct cfi_section *section, uint64_t offset, struct head *ret)
{
	struct reader r = reader_from(section->data, section->size, offset);
	uint64_t length = reader_u32(&r);

	ret->wide = length == UINT32_MAX;
	if (ret->wide)
		length = reader_u64(&r);
	if (r.failed)
		return CFI_E_BROKEN;
	if (!length)
		return CFI_E_NOT_FDE; /* a terminator */
	r = reader_part(&r, length);
	if (r.failed)
		return CFI_E_BROKEN;
	ret->id_offset = offset_of(section, &r);
	/* The pointer of .eh_frame has four bytes in both formats. */
	ret->id = ret->wide && !section->eh ? reader_u64(&r) : reader_u32(&r);
	ret->body = r;
	return r.failed ? CFI_E_BROKEN : 0;
}

static bool is_cie(const struct cfi_section *section, const struct head *head)
{
	if (section->eh)
		return head->id == EH_CIE;
	return head->id == (head->wide ? DEBUG_CIE_64 : DEBUG_CIE_32);
}

uint64_t cfi_next(const struct cfi_section *section, uint64_t offset)
{
	struct reader r = reader_from(section->data, section->size, offset);
	uint64_t length = reader_u32(&r);

	if (length == UINT32_MAX)
		length = reader_u64(&r);
	reader_skip(&r, length);
	return r.failed ? section->size : offset_of(section, &r);
}

static uint64_t read_fixed(struct reader *r, uint8_t format)
{
	switch (format) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		return reader_u64(r);
	case DW_EH_PE_udata4:
		return reader_u32(r);
	case DW_EH_PE_sdata4:
		return (uint64_t)(int32_t)reader_u32(r);
	case DW_EH_PE_udata2:
		return reader_u16(r);
	case DW_EH_PE_sdata2:
		return (uint64_t)(int16_t)reader_u16(r);
	case DW_EH_PE_uleb128:
		return reader_uleb(r);
	case DW_EH_PE_sleb128:
		return (uint64_t)reader_sleb(r);
	default:
		reader_fail(r);
		return 0;
	}
}

uint64_t cfi_read_address(const struct cfi_section *section, struct reader *r, uint8_t encoding)
{
	uint64_t here = section->vaddr + offset_of(section, r);

	switch (encoding & 0xf0) {
	case DW_EH_PE_absptr:
		return read_fixed(r, encoding & 0x0f);
	case DW_EH_PE_pcrel:
		return here + read_fixed(r, encoding & 0x0f);
	case DW_EH_PE_aligned:
		reader_skip(r, -here & 7);
		return reader_u64(r);
	default:
		reader_fail(r);
		return 0;
	}
}

/* The personality routine: of no interest, but its size is. */
static void skip_personality(const struct cfi_section *section, struct reader *r)
{
	uint8_t encoding = reader_u8(r);

	if (encoding == DW_EH_PE_omit)
		return;
	if ((encoding & 0x70) == DW_EH_PE_aligned)
		reader_skip(r, -(section->vaddr + offset_of(section, r)) & 7);
	read_fixed(r, encoding & 0x0f);
}

/* One letter of an augmentation, and its part of the data. False: it is not known, nor is what follows. */
static bool read_letter(const struct cfi_section *section, char letter, struct reader *data,
			struct cfi_cie *cie)
{
	switch (letter) {
	case 'R':
		cie->encoding = reader_u8(data);
		return true;
	case 'P':
		skip_personality(section, data);
		return true;
	case 'L':
		reader_u8(data);
		return true;
	case 'S':
		cie->signal = true;
		return true;
	case 'B': /* arm64: return addresses are signed with the B key; the mask is the same */
	case 'G': /* arm64: memory tagging */
		return true;
	}
	return false;
}

/* After "z" the data's length makes it possible to skip what is not known; without it there may be no data. */
static void read_augmentation(const struct cfi_section *section, const char *letters,
			      struct reader *r, struct cfi_cie *cie)
{
	struct reader data = reader_of(r->at, 0);

	cie->augmented = *letters == 'z';
	if (cie->augmented) {
		data = reader_part(r, reader_uleb(r));
		letters++;
	}
	while (*letters && read_letter(section, *letters, &data, cie))
		letters++;
	if (data.failed || (*letters && !cie->augmented))
		reader_fail(r);
}

int cfi_read_cie(const struct cfi_section *section, uint64_t offset, struct cfi_cie *ret)
{
	struct cfi_cie cie = { .encoding = DW_EH_PE_absptr };
	const char *augmentation;
	const uint8_t *nul;
	struct reader *r;
	struct head head;
	uint8_t version;

	if (read_head(section, offset, &head) || !is_cie(section, &head))
		return CFI_E_BROKEN;
	r = &head.body;
	version = reader_u8(r);
	augmentation = (const char *)r->at;
	nul = memchr(r->at, 0, reader_left(r));
	if (!nul || (version != 1 && version != 3 && version != 4))
		return CFI_E_BROKEN;
	reader_skip(r, (uint64_t)(nul + 1 - r->at));
	if (version == 4 &&
	    (reader_u8(r) != sizeof(uint64_t) || reader_u8(r))) /* address and segment size */
		return CFI_E_BROKEN;
	if (!strncmp(augmentation, "eh", 2)) { /* of gcc 2: a pointer to its exception table */
		reader_u64(r);
		augmentation += 2;
	}
	cie.code_align = reader_uleb(r);
	cie.data_align = reader_sleb(r);
	cie.ra_reg = version == 1 ? reader_u8(r) : reader_uleb(r);
	read_augmentation(section, augmentation, r, &cie);
	cie.instructions = *r;
	*ret = cie;
	return r->failed ? CFI_E_BROKEN : 0;
}

int cfi_read_fde_head(const struct cfi_section *section, uint64_t offset, struct reader *ret_body,
		      uint64_t *ret_cie)
{
	struct head head;
	int r = read_head(section, offset, &head);

	if (r)
		return r;
	if (is_cie(section, &head))
		return CFI_E_NOT_FDE;
	if (section->eh && head.id > head.id_offset)
		return CFI_E_BROKEN;
	*ret_cie = section->eh ? head.id_offset - head.id : head.id;
	*ret_body = head.body;
	return 0;
}

int cfi_read_fde(const struct cfi_section *section, struct reader body, const struct cfi_cie *cie,
		 struct cfi_fde *ret)
{
	uint64_t start, length;

	if (cie->encoding & DW_EH_PE_indirect)
		return CFI_E_BROKEN;
	start = cfi_read_address(section, &body, cie->encoding);
	length = read_fixed(&body, cie->encoding & 0x0f);
	if (cie->augmented)
		reader_skip(&body, reader_uleb(&body));
	if (body.failed || length > UINT64_MAX - start)
		return CFI_E_BROKEN;
	if (!length)
		return CFI_E_NOT_FDE; /* a discarded function's */
	ret->start = start;
	ret->end = start + length;
	ret->instructions = body;
	return 0;
}
