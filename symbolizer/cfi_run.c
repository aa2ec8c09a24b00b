/* The interpreter of call frame instructions: one pass over an FDE, a row wherever the address moves on. */
#include "symbolizer/cfi.h"

#include <dwarf.h>

#define REMEMBERED_MAX 16 /* gcc and clang nest one or two */
#define HIGH_BITS 0xc0
#define LOW_BITS 0x3f

/* Younger than Debian 12's dwarf.h, or named for another machine there. */
#define CFA_NEGATE_RA_STATE 0x2d
#define CFA_NEGATE_RA_STATE_WITH_PC 0x2c

struct run {
	const struct cfi_section *section;
	const struct cfi_registers *registers;
	const struct cfi_cie *cie;
	const struct cfi_state *initial; /* NULL while the CIE itself is run */
	struct cfi_state state;
	struct cfi_state remembered[REMEMBERED_MAX];
	size_t nr_remembered;
	struct reader r;
	uint64_t address, end;
	cfi_row_fn fn;
	void *userdata;
};

/* The address moves on by delta units: what has been said so far holds up to there. False: that is the end. */
static bool advance(struct run *run, uint64_t delta)
{
	if (!delta)
		return true;
	if (run->fn)
		run->fn(run->userdata, run->address, &run->state);
	if (__builtin_mul_overflow(delta, run->cie->code_align, &delta) ||
	    delta >= run->end - run->address) {
		run->address = run->end;
		return false;
	}
	run->address += delta;
	return true;
}

/* Only two registers are followed: a place for any other is read and forgotten. */
static struct cfi_place *place_of(struct run *run, uint64_t reg, struct cfi_place *other)
{
	if (reg == run->registers->fp)
		return &run->state.fp;
	return reg == run->cie->ra_reg ? &run->state.ra : other;
}

static void set(struct run *run, uint64_t reg, enum cfi_how how, int64_t value)
{
	struct cfi_place other;

	*place_of(run, reg, &other) = (struct cfi_place) { .how = how, .value = value };
}

/* A factored offset; what overflows is nonsense, and wraps. */
static void set_factored(struct run *run, uint64_t reg, enum cfi_how how, uint64_t factor)
{
	set(run, reg, how, (int64_t)(factor * (uint64_t)run->cie->data_align));
}

static void set_expr(struct run *run, uint64_t reg, enum cfi_how how)
{
	uint64_t size = reader_uleb(&run->r);
	const uint8_t *expr = reader_bytes(&run->r, size);
	struct cfi_place other;

	if (expr)
		*place_of(run, reg, &other) = (struct cfi_place) { .how = how,
								   .expr = expr,
								   .expr_size = (uint32_t)size };
}

static void restore(struct run *run, uint64_t reg)
{
	struct cfi_place other;
	struct cfi_place *place = place_of(run, reg, &other);

	if (!run->initial)
		reader_fail(&run->r); /* a CIE has nothing to go back to */
	else if (place == &run->state.fp)
		*place = run->initial->fp;
	else if (place == &run->state.ra)
		*place = run->initial->ra;
}

static void define_cfa(struct run *run, uint64_t reg, int64_t offset)
{
	run->state.cfa_defined = true;
	run->state.cfa_expr = NULL;
	run->state.cfa_reg = reg;
	run->state.cfa_offset = offset;
}

/* Register and offset can be changed one by one only while the CFA is made of them. */
static bool cfa_is_sum(struct run *run)
{
	if (run->state.cfa_defined && !run->state.cfa_expr)
		return true;
	reader_fail(&run->r);
	return false;
}

static void define_cfa_expr(struct run *run)
{
	uint64_t size = reader_uleb(&run->r);
	const uint8_t *expr = reader_bytes(&run->r, size);

	run->state.cfa_defined = true;
	run->state.cfa_expr = expr;
	run->state.cfa_expr_size = size;
}

static void remember(struct run *run)
{
	if (run->nr_remembered == REMEMBERED_MAX)
		reader_fail(&run->r);
	else
		run->remembered[run->nr_remembered++] = run->state;
}

static void recall(struct run *run)
{
	if (!run->nr_remembered)
		reader_fail(&run->r);
	else
		run->state = run->remembered[--run->nr_remembered];
}

static bool set_location(struct run *run)
{
	uint64_t to = cfi_read_address(run->section, &run->r, run->cie->encoding);

	if (run->r.failed || to < run->address) {
		reader_fail(&run->r);
		return true;
	}
	if (run->fn && to > run->address)
		run->fn(run->userdata, run->address, &run->state);
	run->address = to < run->end ? to : run->end;
	return to < run->end;
}

/* The instructions that say what the CFA is. */
static void run_cfa(struct run *run, uint8_t opcode)
{
	uint64_t reg;

	switch (opcode) {
	case DW_CFA_def_cfa:
		reg = reader_uleb(&run->r);
		define_cfa(run, reg, (int64_t)reader_uleb(&run->r));
		break;
	case DW_CFA_def_cfa_sf:
		reg = reader_uleb(&run->r);
		define_cfa(
			run, reg,
			(int64_t)((uint64_t)reader_sleb(&run->r) * (uint64_t)run->cie->data_align));
		break;
	case DW_CFA_def_cfa_register:
		reg = reader_uleb(&run->r);
		if (cfa_is_sum(run))
			run->state.cfa_reg = reg;
		break;
	case DW_CFA_def_cfa_offset:
		reg = reader_uleb(&run->r);
		if (cfa_is_sum(run))
			run->state.cfa_offset = (int64_t)reg;
		break;
	case DW_CFA_def_cfa_offset_sf:
		reg = (uint64_t)reader_sleb(&run->r) * (uint64_t)run->cie->data_align;
		if (cfa_is_sum(run))
			run->state.cfa_offset = (int64_t)reg;
		break;
	default:
		define_cfa_expr(run);
	}
}

/* The instructions that say where a register is. */
static void run_register(struct run *run, uint8_t opcode)
{
	uint64_t reg = reader_uleb(&run->r);

	switch (opcode) {
	case DW_CFA_offset_extended:
		set_factored(run, reg, CFI_AT_CFA, reader_uleb(&run->r));
		break;
	case DW_CFA_offset_extended_sf:
		set_factored(run, reg, CFI_AT_CFA, (uint64_t)reader_sleb(&run->r));
		break;
	case DW_CFA_GNU_negative_offset_extended:
		set_factored(run, reg, CFI_AT_CFA, -reader_uleb(&run->r));
		break;
	case DW_CFA_val_offset:
		set_factored(run, reg, CFI_IS_CFA, reader_uleb(&run->r));
		break;
	case DW_CFA_val_offset_sf:
		set_factored(run, reg, CFI_IS_CFA, (uint64_t)reader_sleb(&run->r));
		break;
	case DW_CFA_restore_extended:
		restore(run, reg);
		break;
	case DW_CFA_undefined:
		set(run, reg, CFI_UNDEFINED, 0);
		break;
	case DW_CFA_same_value:
		set(run, reg, CFI_SAME, 0);
		break;
	case DW_CFA_register:
		set(run, reg, CFI_IN_REG, (int64_t)reader_uleb(&run->r));
		break;
	case DW_CFA_expression:
		set_expr(run, reg, CFI_AT_EXPR);
		break;
	default:
		set_expr(run, reg, CFI_IS_EXPR);
	}
}

/* False: the FDE's end is reached. */
static bool run_extended(struct run *run, uint8_t opcode)
{
	switch (opcode) {
	case DW_CFA_nop:
		return true;
	case DW_CFA_set_loc:
		return set_location(run);
	case DW_CFA_advance_loc1:
		return advance(run, reader_u8(&run->r));
	case DW_CFA_advance_loc2:
		return advance(run, reader_u16(&run->r));
	case DW_CFA_advance_loc4:
		return advance(run, reader_u32(&run->r));
	case DW_CFA_MIPS_advance_loc8:
		return advance(run, reader_u64(&run->r));
	case DW_CFA_remember_state:
		remember(run);
		return true;
	case DW_CFA_restore_state:
		recall(run);
		return true;
	case DW_CFA_def_cfa:
	case DW_CFA_def_cfa_sf:
	case DW_CFA_def_cfa_register:
	case DW_CFA_def_cfa_offset:
	case DW_CFA_def_cfa_offset_sf:
	case DW_CFA_def_cfa_expression:
		run_cfa(run, opcode);
		return true;
	case DW_CFA_offset_extended:
	case DW_CFA_offset_extended_sf:
	case DW_CFA_GNU_negative_offset_extended:
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf:
	case DW_CFA_restore_extended:
	case DW_CFA_undefined:
	case DW_CFA_same_value:
	case DW_CFA_register:
	case DW_CFA_expression:
	case DW_CFA_val_expression:
		run_register(run, opcode);
		return true;
	case DW_CFA_GNU_args_size:
		reader_uleb(&run->r);
		return true;
	case CFA_NEGATE_RA_STATE:
	case CFA_NEGATE_RA_STATE_WITH_PC:
		if (!run->registers->arm64)
			break;
		run->state.ra_signed = !run->state.ra_signed;
		return true;
	}
	reader_fail(&run->r);
	return true;
}

/* Up to the end of the instructions or of the FDE. */
static int run_all(struct run *run)
{
	bool more = true;

	while (more && reader_left(&run->r)) {
		uint8_t opcode = reader_u8(&run->r), low = opcode & LOW_BITS;

		switch (opcode & HIGH_BITS) {
		case DW_CFA_advance_loc:
			more = advance(run, low);
			break;
		case DW_CFA_offset:
			set_factored(run, low, CFI_AT_CFA, reader_uleb(&run->r));
			break;
		case DW_CFA_restore:
			restore(run, low);
			break;
		default:
			more = run_extended(run, opcode);
		}
		if (run->r.failed)
			return CFI_E_BROKEN;
	}
	return 0;
}

int cfi_begin(const struct cfi_section *section, const struct cfi_registers *registers,
	      const struct cfi_cie *cie, struct cfi_state *ret)
{
	struct run run = {
		.section = section, .registers = registers, .cie = cie, .r = cie->instructions
	};
	int r = run_all(&run);

	if (!r)
		*ret = run.state;
	return r;
}

int cfi_run(const struct cfi_section *section, const struct cfi_registers *registers,
	    const struct cfi_cie *cie, const struct cfi_fde *fde, const struct cfi_state *initial,
	    cfi_row_fn fn, void *userdata, uint64_t *ret_address)
{
	struct run run;
	int r;

	/* Not initialised as a whole: what is remembered is a kilobyte and a half. */
	run.section = section;
	run.registers = registers;
	run.cie = cie;
	run.initial = initial;
	run.state = *initial;
	run.nr_remembered = 0;
	run.r = fde->instructions;
	run.address = fde->start;
	run.end = fde->end;
	run.fn = fn;
	run.userdata = userdata;
	r = run_all(&run);
	if (!r && run.address < run.end)
		fn(userdata, run.address, &run.state);
	*ret_address = run.address;
	return r;
}
