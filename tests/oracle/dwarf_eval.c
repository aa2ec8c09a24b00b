/* Evaluates DWARF expressions. */
#include "tests/oracle/dwarf_eval.h"

#include <dwarf.h>
#include <inttypes.h>
#include <stdio.h>

#define STACK_MAX 32
#define X86_RIP 16

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

void dwarf_eval_state(struct machine_state *m, uint64_t pc)
{
	for (uint64_t i = 0; i < DWARF_EVAL_REGISTERS; i++)
		m->regs[i] = mix(pc + (i << 56) + 1) & ~7ULL;
	m->regs[X86_RIP] = pc;
	m->pc = pc;
}

uint64_t dwarf_eval_memory(uint64_t address)
{
	return mix(address + 0x9e3779b97f4a7c15ULL);
}

struct stack {
	uint64_t values[STACK_MAX];
	size_t n;
	bool broken;
};

static void push(struct stack *s, uint64_t value)
{
	if (s->n == STACK_MAX)
		s->broken = true;
	else
		s->values[s->n++] = value;
}

static uint64_t pop(struct stack *s)
{
	if (s->n)
		return s->values[--s->n];
	s->broken = true;
	return 0;
}

static bool push_simple(struct stack *s, const Dwarf_Op *op, const struct machine_state *m)
{
	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31)
		push(s, op->atom - DW_OP_lit0);
	else if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31)
		push(s, m->regs[op->atom - DW_OP_breg0] + op->number);
	else if (op->atom == DW_OP_bregx && op->number < DWARF_EVAL_REGISTERS)
		push(s, m->regs[op->number] + op->number2);
	else if (op->atom >= DW_OP_const1u && op->atom <= DW_OP_consts)
		push(s, op->number);
	else if (op->atom == DW_OP_call_frame_cfa)
		push(s, m->cfa);
	else
		return false;
	return true;
}

static bool binary(struct stack *s, uint8_t atom)
{
	uint64_t b = pop(s), a = pop(s);

	switch (atom) {
	case DW_OP_plus:
		push(s, a + b);
		return true;
	case DW_OP_minus:
		push(s, a - b);
		return true;
	case DW_OP_mul:
		push(s, a * b);
		return true;
	case DW_OP_and:
		push(s, a & b);
		return true;
	case DW_OP_or:
		push(s, a | b);
		return true;
	case DW_OP_shl:
		push(s, b < 64 ? a << b : 0);
		return true;
	case DW_OP_ge:
		push(s, (int64_t)a >= (int64_t)b);
		return true;
	}
	return false;
}

static bool run(const Dwarf_Op *ops, size_t nr, const struct machine_state *m, struct stack *s)
{
	for (size_t i = 0; i < nr; i++) {
		if (push_simple(s, &ops[i], m) || ops[i].atom == DW_OP_nop)
			continue;
		if (ops[i].atom == DW_OP_plus_uconst)
			push(s, pop(s) + ops[i].number);
		else if (ops[i].atom == DW_OP_deref)
			push(s, dwarf_eval_memory(pop(s)));
		else if (ops[i].atom == DW_OP_dup) {
			uint64_t top = pop(s);

			push(s, top);
			push(s, top);
		} else if (!binary(s, ops[i].atom))
			return false;
	}
	return !s->broken && s->n;
}

bool dwarf_eval(const Dwarf_Op *ops, size_t nr, const struct machine_state *m, uint64_t *ret)
{
	struct stack s = { .n = 0 };

	if (!run(ops, nr, m, &s))
		return false;
	*ret = s.values[s.n - 1];
	return true;
}

bool dwarf_eval_register(const Dwarf_Op *ops, size_t nr, const struct machine_state *m,
			 uint64_t *ret)
{
	if (nr == 1 && ops->atom >= DW_OP_reg0 && ops->atom <= DW_OP_reg31)
		*ret = m->regs[ops->atom - DW_OP_reg0];
	else if (nr == 1 && ops->atom == DW_OP_regx && ops->number < DWARF_EVAL_REGISTERS)
		*ret = m->regs[ops->number];
	else if (ops[nr - 1].atom == DW_OP_stack_value)
		return dwarf_eval(ops, nr - 1, m, ret);
	else if (!dwarf_eval(ops, nr, m, ret))
		return false;
	else
		*ret = dwarf_eval_memory(*ret);
	return true;
}

static void print_ops(const char *what, const Dwarf_Op *ops, size_t nr)
{
	printf("; %s", what);
	for (size_t i = 0; i < nr; i++) {
		printf(" %02x", ops[i].atom);
		if (ops[i].number || ops[i].number2)
			printf("(%" PRId64 ",%" PRId64 ")", (int64_t)ops[i].number,
			       (int64_t)ops[i].number2);
	}
}

void dwarf_eval_print(Dwarf_Frame *frame, int fp, int ra)
{
	Dwarf_Op memory[3], *ops;
	size_t nr;

	if (!dwarf_frame_cfa(frame, &ops, &nr))
		print_ops("cfa", ops, nr);
	if (!dwarf_frame_register(frame, fp, memory, &ops, &nr))
		print_ops("fp", ops, nr);
	if (!dwarf_frame_register(frame, ra, memory, &ops, &nr))
		print_ops("ra", ops, nr);
}
