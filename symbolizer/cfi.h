/*
 * Call frame information: the entries of .eh_frame and .debug_frame, and what their instructions say. Library-private.
 *
 * Only what finding the caller takes is followed: the CFA, the frame pointer and the return address. Every byte is
 * hostile; nothing is allocated but the index of a section without a search table, and that is bounded.
 *
 * Sources: DWARF 5, 6.4; Linux Standard Base 5.0, 10.6 (.eh_frame, .eh_frame_hdr); DWARF for the Arm 64-bit Architecture.
 */
#ifndef FLEETPROF_SYMBOLIZER_CFI_H
#define FLEETPROF_SYMBOLIZER_CFI_H

#include "agent/base/cleanup.h"
#include "symbolizer/reader.h"

struct cfi_section {
	const uint8_t *data;
	size_t size;
	uint64_t vaddr;
	bool eh; /* .eh_frame, otherwise .debug_frame */
};

struct cfi_cie {
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra_reg;
	uint8_t encoding; /* of the addresses in its FDEs */
	bool augmented; /* its FDEs have augmentation data */
	bool signal; /* its FDEs are signal frames */
	struct reader instructions;
};

struct cfi_fde {
	uint64_t start, end; /* addresses, end exclusive; start < end */
	uint64_t cie; /* offset in the section */
	struct reader instructions; /* behind a cfi_read_fde_instructions() */
};

enum { CFI_E_BROKEN = 1, CFI_E_NOT_FDE = 2 };

/* Each reads the entry at an offset of the section. Returns 0, CFI_E_BROKEN or CFI_E_NOT_FDE (a CIE, or a terminator). */
int cfi_read_cie(const struct cfi_section *section, uint64_t offset, struct cfi_cie *ret);
/* In two steps, since how an FDE is read depends on its CIE, which the caller may have already. */
int cfi_read_fde_head(const struct cfi_section *section, uint64_t offset, struct reader *ret_body,
		      uint64_t *ret_cie);
int cfi_read_fde(const struct cfi_section *section, struct reader body, const struct cfi_cie *cie,
		 struct cfi_fde *ret);

/* An encoded address; one relative to something that only a running process has is a failure. */
uint64_t cfi_read_address(const struct cfi_section *section, struct reader *r, uint8_t encoding);

/* Where the entry behind the one at offset begins; the section's size at its end. Always moves on. */
uint64_t cfi_next(const struct cfi_section *section, uint64_t offset);

/* The FDEs of a section, by address. */
struct cfi_index_entry {
	uint32_t address; /* from base on */
	uint32_t offset; /* in the section */
};

struct cfi_index {
	const struct cfi_section *section;
	size_t nr;
	const uint8_t *table; /* the search table of .eh_frame_hdr, or NULL */
	uint64_t table_base; /* what its addresses count from */
	struct cfi_index_entry *entries; /* found by scanning, if there is no table */
	uint64_t base;
	uint64_t bad; /* entries that could not be read, or had no place in the index */
};
#define CFI_INDEX_NULL ((struct cfi_index) { .nr = 0 })
#define CFI_INDEX_MAX (1u << 20) /* of a scan; 8 MB */

/*
 * By the search table, if it is of the common kind and in order. Returns 0, or CFI_E_BROKEN: scan the section instead.
 * hdr: the bytes of .eh_frame_hdr, which lies at hdr_vaddr.
 */
int cfi_index_by_table(struct cfi_index *index, const struct cfi_section *section,
		       struct reader hdr, uint64_t hdr_vaddr);
/* By reading all of the section; FDEs between base and base + 4 GB. Returns 0 or -ENOMEM. */
int cfi_index_by_scan(struct cfi_index *index, const struct cfi_section *section, uint64_t base);
void cfi_index_deinit(struct cfi_index *index);
DEFINE_CLEANUP_EMBEDDED(struct cfi_index, cfi_index_deinit)

uint64_t cfi_index_address(const struct cfi_index *index, size_t i);
/* The offset of FDE i in the section; one beyond the section says that the table lies. */
uint64_t cfi_index_offset(const struct cfi_index *index, size_t i);
/* The first FDE that begins at or behind the address; nr if there is none. */
size_t cfi_index_find(const struct cfi_index *index, uint64_t address);

/* The address of .eh_frame, as the header of .eh_frame_hdr has it. */
bool cfi_hdr_section(struct reader hdr, uint64_t hdr_vaddr, uint64_t *ret);

/* What is known of a register of the caller's. */
enum cfi_how {
	CFI_UNSPECIFIED = 0,
	CFI_UNDEFINED,
	CFI_SAME,
	CFI_AT_CFA, /* saved at CFA + value */
	CFI_IS_CFA, /* is CFA + value */
	CFI_IN_REG, /* in register number value */
	CFI_AT_EXPR, /* saved at what the expression says */
	CFI_IS_EXPR, /* is what the expression says */
};

struct cfi_place {
	enum cfi_how how;
	uint32_t expr_size;
	int64_t value;
	const uint8_t *expr;
};

/* Instructions up to one address have been followed. */
struct cfi_state {
	bool cfa_defined;
	bool ra_signed; /* arm64 */
	uint64_t cfa_reg; /* CFA = reg + offset, unless there is an expression */
	int64_t cfa_offset;
	const uint8_t *cfa_expr;
	size_t cfa_expr_size;
	struct cfi_place fp, ra;
};

/* The registers to be followed, as DWARF numbers them. */
struct cfi_registers {
	uint64_t fp;
	bool arm64; /* instruction 0x2d toggles ra_signed */
};

/* From address on, state says how to find the caller. */
typedef void (*cfi_row_fn)(void *userdata, uint64_t address, const struct cfi_state *state);

/* A CIE's own instructions, with which each of its FDEs begins. Returns 0 or CFI_E_BROKEN. */
int cfi_begin(const struct cfi_section *section, const struct cfi_registers *registers,
	      const struct cfi_cie *cie, struct cfi_state *ret);

/*
 * Calls fn for the FDE's rows, by ascending address. Returns 0, or CFI_E_BROKEN, with the address from which on nothing
 * is known.
 */
int cfi_run(const struct cfi_section *section, const struct cfi_registers *registers,
	    const struct cfi_cie *cie, const struct cfi_fde *fde, const struct cfi_state *initial,
	    cfi_row_fn fn, void *userdata, uint64_t *ret_address);

/* An expression of the simple kind: base + offset, or *(base + offset) + add. */
#define CFI_BASE_CFA                                                                               \
	UINT64_MAX /* the CFA itself, which is what a register's expression begins with */
struct cfi_linear {
	uint64_t base; /* DWARF number of a register, or CFI_BASE_CFA */
	int64_t offset, add;
	bool deref;
};
bool cfi_linear(const uint8_t *expr, size_t size, struct cfi_linear *ret);

/* An x86 linkage table's CFA: rsp + offset + ((rip & 15) >= threshold) * 8. */
bool cfi_linkage_table(const uint8_t *expr, size_t size, int64_t *ret_offset,
		       uint32_t *ret_threshold);

/* *(rsp + offset + 8 * register) + add, as OpenSSL has it where a frame's size is a parameter's. */
bool cfi_indexed(const uint8_t *expr, size_t size, struct cfi_linear *ret, uint64_t *ret_register);

#endif
