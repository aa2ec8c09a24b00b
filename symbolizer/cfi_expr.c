/* The few kinds of DWARF expressions that call frame information has. */
#include "symbolizer/cfi.h"

#include <dwarf.h>

#define X86_RSP 7
#define X86_R15 15

/* base of the sum: a register, or nothing, which is the CFA on the stack. */
static void read_base(struct reader *r, struct cfi_linear *l)
{
	struct reader ahead = *r;
	uint8_t op = reader_u8(&ahead);

	if (op >= DW_OP_breg0 && op <= DW_OP_breg31) {
		l->base = op - DW_OP_breg0;
		l->offset = reader_sleb(&ahead);
	} else if (op == DW_OP_bregx) {
		l->base = reader_uleb(&ahead);
		l->offset = reader_sleb(&ahead);
	} else {
		return;
	}
	*r = ahead;
}

/* A constant, as far as anybody adds one. */
static bool read_constant(struct reader *r, uint8_t op, int64_t *ret)
{
	if (op >= DW_OP_lit0 && op <= DW_OP_lit31)
		*ret = op - DW_OP_lit0;
	else if (op == DW_OP_const1u)
		*ret = reader_u8(r);
	else if (op == DW_OP_const1s)
		*ret = (int8_t)reader_u8(r);
	else if (op == DW_OP_const2u)
		*ret = reader_u16(r);
	else if (op == DW_OP_const2s)
		*ret = (int16_t)reader_u16(r);
	else if (op == DW_OP_const4u)
		*ret = reader_u32(r);
	else if (op == DW_OP_const4s)
		*ret = (int32_t)reader_u32(r);
	else if (op == DW_OP_constu)
		*ret = (int64_t)reader_uleb(r);
	else if (op == DW_OP_consts)
		*ret = reader_sleb(r);
	else
		return false;
	return true;
}

/* One more term of the sum; overflows are nonsense, and wrap. */
static bool read_term(struct reader *r, uint8_t op, int64_t *sum)
{
	int64_t constant;

	if (op == DW_OP_plus_uconst) {
		*sum = (int64_t)((uint64_t)*sum + reader_uleb(r));
		return true;
	}
	if (!read_constant(r, op, &constant))
		return false;
	op = reader_u8(r);
	if (op == DW_OP_plus)
		*sum = (int64_t)((uint64_t)*sum + (uint64_t)constant);
	else if (op == DW_OP_minus)
		*sum = (int64_t)((uint64_t)*sum - (uint64_t)constant);
	else
		return false;
	return true;
}

bool cfi_linear(const uint8_t *expr, size_t size, struct cfi_linear *ret)
{
	struct cfi_linear l = { .base = CFI_BASE_CFA };
	struct reader r = reader_of(expr, size);

	read_base(&r, &l);
	while (reader_left(&r)) {
		uint8_t op = reader_u8(&r);

		if (op == DW_OP_nop)
			continue;
		if (op == DW_OP_deref && !l.deref)
			l.deref = true;
		else if (!read_term(&r, op, l.deref ? &l.add : &l.offset))
			return false;
	}
	if (r.failed)
		return false;
	*ret = l;
	return true;
}

bool cfi_linkage_table(const uint8_t *expr, size_t size, int64_t *ret_offset,
		       uint32_t *ret_threshold)
{
	struct reader r = reader_of(expr, size);
	int64_t offset;
	uint8_t threshold;

	if (reader_u8(&r) != DW_OP_breg7)
		return false;
	offset = reader_sleb(&r);
	if (reader_u8(&r) != DW_OP_breg16 || reader_sleb(&r) || reader_u8(&r) != DW_OP_lit15 ||
	    reader_u8(&r) != DW_OP_and)
		return false;
	threshold = reader_u8(&r);
	if (threshold < DW_OP_lit0 || threshold > DW_OP_lit15 || reader_u8(&r) != DW_OP_ge ||
	    reader_u8(&r) != DW_OP_lit3 || reader_u8(&r) != DW_OP_shl ||
	    reader_u8(&r) != DW_OP_plus || r.failed || reader_left(&r))
		return false;
	*ret_offset = offset;
	*ret_threshold = threshold - DW_OP_lit0;
	return true;
}

bool cfi_indexed(const uint8_t *expr, size_t size, struct cfi_linear *ret, uint64_t *ret_register)
{
	struct cfi_linear sum = { .deref = true }, index = { .base = CFI_BASE_CFA };
	struct reader r = reader_of(expr, size);

	read_base(&r, &sum);
	read_base(&r, &index);
	if (sum.base != X86_RSP || index.base > X86_R15 || index.offset ||
	    reader_u8(&r) != DW_OP_lit8 || reader_u8(&r) != DW_OP_mul ||
	    reader_u8(&r) != DW_OP_plus || reader_u8(&r) != DW_OP_deref ||
	    reader_u8(&r) != DW_OP_plus_uconst)
		return false;
	sum.add = (int64_t)reader_uleb(&r);
	if (r.failed || reader_left(&r))
		return false;
	*ret = sum;
	*ret_register = index.base;
	return true;
}
