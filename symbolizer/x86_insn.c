/* Decodes x86-64 instructions as far as their length and the stack need it. */
#include "symbolizer/x86_insn.h"

#include <string.h>

#define INSN_BYTES_MAX 15

/* What follows an opcode. */
enum {
	I0 = 0,
	I1 = 1, /* an immediate byte */
	I2 = 2,
	IZ = 3, /* four bytes, two with an operand size prefix */
	IV = 4, /* as IZ, eight with REX.W */
	IA = 5, /* an address */
	I3 = 6, /* enter: two and one */
	J4 = 7, /* four, always */
	IMM = 7, /* the mask of these */
	M = 8, /* a ModRM byte */
	XX = 16, /* no instruction */
	WR = 32, /* writes the register of ModRM */
	WM = 64, /* writes what ModRM's other half says */
	BY = 128, /* its registers are bytes */
};

#define RM (M | WM)
#define MR (M | WR)
/* add and its like: to memory, to a register, to the accumulator */
#define ARITHMETIC RM | BY, RM, MR | BY, MR, I1, IZ

/* As the rows of the manual's maps are. */
/* clang-format off */
static const uint8_t one_byte[256] = {
	/* 00 */ ARITHMETIC, XX, XX, ARITHMETIC, XX, XX,
	/* 10 */ ARITHMETIC, XX, XX, ARITHMETIC, XX, XX,
	/* 20 */ ARITHMETIC, XX, XX, ARITHMETIC, XX, XX,
	/* 30 */ ARITHMETIC, XX, XX, M, M, M, M, I1, IZ, XX, XX,
	/* 40 */ XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
	/* 50 */ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	/* 60 */ XX, XX, XX, MR, XX, XX, XX, XX, IZ, MR | IZ, I1, MR | I1, 0, 0, 0, 0,
	/* 70 */ I1, I1, I1, I1, I1, I1, I1, I1, I1, I1, I1, I1, I1, I1, I1, I1,
	/* 80 */ RM | BY | I1, RM | IZ, XX, RM | I1, M, M, RM | WR | BY, RM | WR,
	/* 88 */ RM | BY, RM, MR | BY, MR, RM, MR, M, RM,
	/* 90 */ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, XX, 0, 0, 0, 0, 0,
	/* a0 */ IA, IA, IA, IA, 0, 0, 0, 0, I1, IZ, 0, 0, 0, 0, 0, 0,
	/* b0 */ I1, I1, I1, I1, I1, I1, I1, I1, IV, IV, IV, IV, IV, IV, IV, IV,
	/* c0 */ RM | BY | I1, RM | I1, I2, 0, XX, XX, RM | BY | I1, RM | IZ,
	/* c8 */ I3, 0, I2, 0, 0, I1, XX, 0,
	/* d0 */ RM | BY, RM, RM | BY, RM, XX, XX, XX, 0, M, M, M, M, M, M, M, M,
	/* e0 */ I1, I1, I1, I1, I1, I1, I1, I1, J4, J4, XX, I1, 0, 0, 0, 0,
	/* f0 */ XX, 0, XX, XX, 0, 0, RM | BY, RM, 0, 0, 0, 0, 0, 0, RM | BY, RM,
};

static const uint8_t two_bytes[256] = {
	/* 00 */ M, M, MR, MR, XX, 0, 0, 0, 0, 0, XX, 0, XX, M, 0, M | I1,
	/* 10 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* 20 */ RM, M, M, M, XX, XX, XX, XX, M, M, M, M, MR, MR, M, M,
	/* 30 */ 0, 0, 0, 0, 0, 0, XX, 0, XX, XX, XX, XX, XX, XX, XX, XX,
	/* 40 */ MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR,
	/* 50 */ MR, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* 60 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* 70 */ M | I1, M | I1, M | I1, M | I1, M, M, M, 0, M, M, XX, XX, M, M, RM, M,
	/* 80 */ J4, J4, J4, J4, J4, J4, J4, J4, J4, J4, J4, J4, J4, J4, J4, J4,
	/* 90 */ RM | BY, RM | BY, RM | BY, RM | BY, RM | BY, RM | BY, RM | BY, RM | BY,
	/* 98 */ RM | BY, RM | BY, RM | BY, RM | BY, RM | BY, RM | BY, RM | BY, RM | BY,
	/* a0 */ 0, 0, 0, M, RM | I1, RM, XX, XX, 0, 0, 0, RM, RM | I1, RM, M, MR,
	/* b0 */ RM | BY, RM, MR, RM, MR, MR, MR, MR, MR, M, RM | I1, RM, MR, MR, MR, MR,
	/* c0 */ RM | WR | BY, RM | WR, M | I1, M, M | I1, MR | I1, M | I1, RM,
	/* c8 */ 0, 0, 0, 0, 0, 0, 0, 0,
	/* d0 */ M, M, M, M, M, M, M, MR, M, M, M, M, M, M, M, M,
	/* e0 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* f0 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
};
/* clang-format on */

struct decoder {
	const uint8_t *code;
	size_t size, at;
	bool cut;
	bool short_operand, short_address, repeated; /* prefixes 66, 67 and f3 */
	bool rex, w, r, x, b;
	uint8_t map, op, form;
	uint8_t vector_reg; /* VEX.vvvv */
	/* of ModRM: registers with their upper bits */
	uint8_t mod, reg, rm, base; /* base X86_NO_REG: none */
	bool indexed, by_pc;
	int32_t disp;
	uint64_t imm;
};

/* Little-endian; cut off, 0. */
static uint64_t take(struct decoder *d, size_t bytes)
{
	uint64_t value = 0;

	if (bytes > d->size - d->at) {
		d->cut = true;
		return 0;
	}
	memcpy(&value, d->code + d->at, bytes);
	d->at += bytes;
	return value;
}

static void take_prefixes(struct decoder *d)
{
	while (d->at < d->size) {
		uint8_t byte = d->code[d->at];

		if (byte == 0x66)
			d->short_operand = true;
		else if (byte == 0x67)
			d->short_address = true;
		else if (byte == 0xf3)
			d->repeated = true;
		else if (byte != 0xf0 && byte != 0xf2 && (byte & 0xfe) != 0x64 &&
			 (byte & 0xe7) != 0x26)
			break;
		d->at++;
	}
	if (d->at < d->size && (d->code[d->at] & 0xf0) == 0x40) {
		uint8_t byte = d->code[d->at++];

		d->rex = true;
		d->w = byte & 8;
		d->r = byte & 4;
		d->x = byte & 2;
		d->b = byte & 1;
	}
}

/* The few instructions of vector prefixes that write a general register, most of them of BMI. */
static uint8_t vector_form(const struct decoder *d)
{
	bool bits = d->map == 2 && d->op >= 0xf2 && d->op <= 0xf7;

	switch (d->map) {
	case 1:
		if (d->op == 0x92 || d->op == 0x93)
			return MR;
		return d->op >= 0x80 && d->op < 0xa0 ? M : two_bytes[d->op];
	case 2:
		return bits ? MR : M;
	case 3:
		if (d->op == 0xf0)
			return MR | I1;
		return d->op >= 0x14 && d->op <= 0x17 ? RM | I1 : M | I1;
	case 5:
	case 6:
		return RM | WR;
	default:
		return XX;
	}
}

/* VEX (c4, c5), EVEX (62) and XOP (8f): their bits are REX's, inverted. */
static void take_vector(struct decoder *d, uint8_t prefix)
{
	uint8_t first = (uint8_t)take(d, 1), last = first;

	d->r = !(first & 0x80);
	d->map = 1;
	if (prefix != 0xc5) {
		d->x = !(first & 0x40);
		d->b = !(first & 0x20);
		d->map = first & (prefix == 0x62 ? 7 : 31);
		last = (uint8_t)take(d, 1);
		d->w = last & 0x80;
	}
	d->vector_reg = ~last >> 3 & 15;
	d->repeated = (last & 3) == 2;
	if (prefix == 0x62)
		take(d, 1);
	d->op = (uint8_t)take(d, 1);
	if (prefix == 0x8f)
		d->form = d->map == 8 ? M | I1 : d->map == 9 ? RM : d->map == 10 ? MR | J4 : XX;
	else
		d->form = vector_form(d);
	d->map += 16; /* none of the others */
}

static void take_opcode(struct decoder *d)
{
	uint8_t next = d->at + 1 < d->size ? d->code[d->at + 1] : 0;

	d->vector_reg = X86_NO_REG;
	d->op = (uint8_t)take(d, 1);
	if (d->op == 0xc4 || d->op == 0xc5 || d->op == 0x62 ||
	    (d->op == 0x8f && (next & 31) >= 8)) {
		take_vector(d, d->op);
		return;
	}
	d->form = one_byte[d->op];
	if (d->op != 0x0f)
		return;
	d->map = 1;
	d->op = (uint8_t)take(d, 1);
	if (d->op != 0x38 && d->op != 0x3a) {
		d->form = two_bytes[d->op];
		return;
	}
	d->map = d->op == 0x38 ? 2 : 3;
	d->op = (uint8_t)take(d, 1);
	d->form = d->map == 2 ? (d->op >= 0xf0 ? MR : M)
			      : (d->op >= 0x14 && d->op <= 0x17 ? RM | I1 : M | I1);
}

static void take_modrm(struct decoder *d)
{
	uint8_t byte = (uint8_t)take(d, 1), sib, low = byte & 7;

	d->mod = byte >> 6;
	d->reg = (uint8_t)((byte >> 3 & 7) + 8 * d->r);
	d->rm = (uint8_t)(low + 8 * d->b);
	d->base = d->rm;
	if (d->mod == 3)
		return;
	if (low == 4) {
		sib = (uint8_t)take(d, 1);
		low = sib & 7;
		d->base = (uint8_t)(low + 8 * d->b);
		d->indexed = (sib >> 3 & 7) != 4 || d->x;
	} else {
		d->by_pc = d->mod == 0 && low == 5;
	}
	if (d->mod == 0 && low == 5) {
		d->base = X86_NO_REG;
		d->disp = (int32_t)take(d, 4);
	} else if (d->mod == 1) {
		d->disp = (int8_t)take(d, 1);
	} else if (d->mod == 2) {
		d->disp = (int32_t)take(d, 4);
	}
}

static size_t immediate_bytes(const struct decoder *d)
{
	size_t z = d->short_operand && !d->w ? 2 : 4;

	switch (d->form & IMM) {
	case I1:
		return 1;
	case I2:
		return 2;
	case IZ:
		return z;
	case IV:
		return d->w ? 8 : z;
	case IA:
		return d->short_address ? 4 : 8;
	case I3:
		return 3;
	case J4:
		return 4;
	default:
		break;
	}
	if (!d->map && (d->op == 0xf6 || d->op == 0xf7) && (d->reg & 7) < 2)
		return d->op == 0xf6 ? 1 : z; /* test */
	return 0;
}

static int64_t sign_extend(uint64_t value, size_t bytes)
{
	return (int64_t)(value << (64 - 8 * bytes)) >> (64 - 8 * bytes);
}

/* Does it write this register, in a way that is not told apart? */
static bool writes(const struct decoder *d, uint8_t reg)
{
	bool bytes = d->form & BY && !d->rex; /* 4 and 5 are %ah and %ch */
	uint8_t low = (uint8_t)((d->op & 7) + 8 * d->b);

	if (d->form & M) {
		if (bytes || ((d->map & 15) == 1 && d->op == 0x7e && d->repeated))
			return false; /* movq between vector registers */
		if (!d->map && d->op >= 0x80 && d->op <= 0x83 && (d->reg & 7) == 7)
			return false; /* cmp */
		if (!d->map && (d->op == 0xf6 || d->op == 0xf7) && (d->reg & 7) != 2 &&
		    (d->reg & 7) != 3)
			return false; /* test; multiplications and divisions: not these registers */
		if (!d->map && d->op == 0xff && (d->reg & 7) > 1)
			return false; /* call, jmp, push */
		return (d->form & WR && d->reg == reg) ||
		       (d->form & WM && d->mod == 3 && d->rm == reg) ||
		       (d->map >= 16 && d->form & (WR | WM) && d->vector_reg == reg);
	}
	if (!d->map && ((d->op & 0xf8) == 0x90 || (d->op & 0xf8) == 0xb8 ||
			((d->op & 0xf8) == 0xb0 && d->rex)))
		return low == reg; /* xchg, mov */
	return d->map == 1 && (d->op & 0xf8) == 0xc8 && low == reg; /* bswap */
}

static void set_effect(struct x86_insn *ret, enum x86_effect effect, int64_t value)
{
	ret->effect = (uint8_t)(value == (int32_t)value ? effect : X86_LOSE_SP);
	ret->value = (int32_t)value;
}

static bool set_push(const struct decoder *d, struct x86_insn *ret, enum x86_effect effect,
		     uint8_t reg)
{
	ret->reg = reg;
	/* Two bytes, or rsp from the stack: nobody does. */
	set_effect(ret,
		   d->short_operand || (effect == X86_POP && reg == X86_RSP) ? X86_LOSE_SP : effect,
		   0);
	return true;
}

/* Pushes and pops; false: it is neither. */
static bool push_or_pop(const struct decoder *d, struct x86_insn *ret)
{
	uint8_t low = (uint8_t)((d->op & 7) + 8 * d->b), rm = d->mod == 3 ? d->rm : X86_NO_REG;

	if (d->map == 1 && (d->op == 0xa0 || d->op == 0xa8))
		return set_push(d, ret, X86_PUSH, X86_NO_REG);
	if (d->map == 1 && (d->op == 0xa1 || d->op == 0xa9))
		return set_push(d, ret, X86_POP, X86_NO_REG);
	if (d->map)
		return false;
	if ((d->op & 0xf8) == 0x50)
		return set_push(d, ret, X86_PUSH, low);
	if ((d->op & 0xf8) == 0x58)
		return set_push(d, ret, X86_POP, low);
	if (d->op == 0x68 || d->op == 0x6a || d->op == 0x9c)
		return set_push(d, ret, X86_PUSH, X86_NO_REG);
	if (d->op == 0x9d)
		return set_push(d, ret, X86_POP, X86_NO_REG);
	if (d->op == 0xff && (d->reg & 7) == 6)
		return set_push(d, ret, X86_PUSH, rm);
	return d->op == 0x8f && set_push(d, ret, X86_POP, rm);
}

/* Of one-byte opcodes with 64-bit operands; false: the general answer holds. */
static bool moves_pointer(const struct decoder *d, struct x86_insn *ret)
{
	bool to_rm = d->op == 0x89, on_stack = d->mod != 3 && d->base == X86_RSP && !d->indexed;
	uint8_t from = to_rm ? d->reg : d->rm, to = to_rm ? d->rm : d->reg;
	int64_t imm = sign_extend(d->imm, d->op == 0x81 ? 4 : 1);

	if ((d->op == 0x81 || d->op == 0x83) && d->mod == 3 && d->rm == X86_RSP &&
	    ((d->reg & 7) == 0 || (d->reg & 7) == 5)) {
		set_effect(ret, X86_MOVE_SP, d->reg & 7 ? -imm : imm);
	} else if (d->op == 0x8d && d->mod != 3 && !d->indexed && d->base == X86_RSP &&
		   d->reg <= X86_RBP && d->reg >= X86_RSP) {
		set_effect(ret, d->reg == X86_RSP ? X86_MOVE_SP : X86_FP_FROM_SP, d->disp);
	} else if (d->op == 0x8d && d->mod != 3 && !d->indexed && d->base == X86_RBP &&
		   d->reg == X86_RSP) {
		set_effect(ret, X86_SP_FROM_FP, d->disp);
	} else if ((d->op == 0x89 || d->op == 0x8b) && d->mod == 3 && from == X86_RSP &&
		   to == X86_RBP) {
		set_effect(ret, X86_FP_FROM_SP, 0);
	} else if ((d->op == 0x89 || d->op == 0x8b) && d->mod == 3 && from == X86_RBP &&
		   to == X86_RSP) {
		set_effect(ret, X86_SP_FROM_FP, 0);
	} else if ((d->op == 0x89 || d->op == 0x8b) && on_stack && d->reg == X86_RBP) {
		set_effect(ret, to_rm ? X86_SAVE_FP : X86_LOAD_FP, d->disp);
	} else {
		return false;
	}
	return true;
}

static void find_effect(const struct decoder *d, struct x86_insn *ret)
{
	bool zero = !d->map && (d->op == 0x31 || d->op == 0x33) && d->mod == 3 &&
		    d->reg == X86_RBP && d->rm == X86_RBP;

	if (push_or_pop(d, ret))
		return;
	if (!d->map && d->op == 0xc9)
		ret->effect = X86_LEAVE;
	else if (!d->map && d->op == 0xc8)
		ret->effect = X86_LOSE_SP;
	else if (d->map == 1 && d->op == 5)
		ret->effect = X86_SYSCALL;
	else if (zero && !d->short_operand)
		ret->effect = X86_ZERO_FP;
	else if (!d->map && d->w && !d->short_address && moves_pointer(d, ret))
		return;
	else if (writes(d, X86_RSP))
		ret->effect = X86_LOSE_SP;
	else if (writes(d, X86_RBP))
		ret->effect = X86_LOSE_FP;
}

static void set_target(const struct decoder *d, struct x86_insn *ret, enum x86_flow flow,
		       size_t bytes)
{
	ret->flow = (uint8_t)flow;
	ret->has_target = true;
	ret->target = (int64_t)d->at + sign_extend(d->imm, bytes);
}

static void find_flow(const struct decoder *d, struct x86_insn *ret)
{
	uint8_t extension = d->reg & 7;

	if (d->map == 1) {
		if ((d->op & 0xf0) == 0x80)
			set_target(d, ret, X86_BRANCH, 4);
		else if (d->op == 0x0b || d->op == 0xb9)
			ret->flow = X86_STOP;
		return;
	}
	if (d->map)
		return;
	if ((d->op & 0xf0) == 0x70 || (d->op & 0xfc) == 0xe0)
		set_target(d, ret, X86_BRANCH, 1);
	else if (d->op == 0xe8)
		set_target(d, ret, X86_CALL, 4);
	else if (d->op == 0xe9)
		set_target(d, ret, X86_JUMP, 4);
	else if (d->op == 0xeb)
		set_target(d, ret, X86_JUMP, 1);
	else if ((d->op & 0xf6) == 0xc2 || d->op == 0xcf)
		ret->flow = X86_RETURN; /* iret, too */
	else if (d->op == 0xcc || d->op == 0xf4)
		ret->flow = X86_STOP; /* int3, hlt */
	else if (d->op == 0xff && extension == 2)
		ret->flow = X86_CALL;
	else if (d->op == 0xff && extension == 4)
		ret->flow = X86_JUMP_INDIRECT;
	else if (d->op == 0xff && (extension == 3 || extension == 5))
		ret->flow = X86_STOP; /* to another segment */
}

/* Addresses that are loaded: lea x(%rip), and mov of a constant. */
static void find_address(const struct decoder *d, struct x86_insn *ret)
{
	if (d->map)
		return;
	if (d->op == 0x8d && d->by_pc)
		ret->target = (int64_t)d->at + d->disp;
	else if ((d->op & 0xf8) == 0xb8 || (d->op == 0xc7 && !d->short_operand))
		ret->absolute = d->imm;
}

bool x86_decode(const uint8_t *code, size_t size, struct x86_insn *ret)
{
	struct decoder d = { .code = code,
			     .size = size < INSN_BYTES_MAX ? size : INSN_BYTES_MAX,
			     .base = X86_NO_REG };
	size_t bytes;

	*ret = (struct x86_insn) { .reg = X86_NO_REG };
	take_prefixes(&d);
	take_opcode(&d);
	if (d.cut || d.form == XX)
		return false;
	if (d.form & M)
		take_modrm(&d);
	bytes = immediate_bytes(&d);
	d.imm = take(&d, bytes);
	if (d.cut)
		return false;
	ret->size = (uint8_t)d.at;
	ret->is_nop = (!d.map && d.op == 0x90 && !d.b) || (d.map == 1 && d.op == 0x1f);
	ret->is_endbr = d.map == 1 && d.op == 0x1e && d.repeated && d.mod == 3;
	find_effect(&d, ret);
	find_flow(&d, ret);
	find_address(&d, ret);
	return true;
}

bool x86_is_sigreturn(const uint8_t *code, size_t size)
{
	return size >= X86_SIGRETURN_BYTES && (!memcmp(code, "\x48\xc7\xc0\x0f\0\0\0\x0f\x05", 9) ||
					       !memcmp(code, "\xb8\x0f\0\0\0\x0f\x05", 7));
}
