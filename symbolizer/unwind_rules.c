/* Rules: what the architectures have in common. */
#include "symbolizer/unwind_rules.h"

/* Where a register of the caller's is, as far as a rule can say. */
enum where {
	WHERE_NOWHERE, /* cannot be said */
	WHERE_UNSAID,
	WHERE_UNDEFINED,
	WHERE_SAME,
	WHERE_CFA, /* at CFA + value */
	WHERE_FP, /* at fp + value */
	WHERE_REG, /* in register value */
};

const struct unwind_machine *unwind_machine(uint16_t elf_machine)
{
	if (elf_machine == unwind_machine_x86.elf_machine)
		return &unwind_machine_x86;
	return elf_machine == unwind_machine_arm64.elf_machine ? &unwind_machine_arm64 : NULL;
}

bool unwind_is_saved_at(const struct cfi_place *place, uint64_t reg, int64_t offset)
{
	struct cfi_linear l;

	return place->how == CFI_AT_EXPR && cfi_linear(place->expr, place->expr_size, &l) &&
	       !l.deref && l.base == reg && l.offset == offset;
}

static bool fits(int64_t value)
{
	return value == (int32_t)value;
}

static bool map_cfa(const struct unwind_machine *machine, const struct cfi_state *state,
		    struct unwind_rule *rule, struct cfi_linear *cfa)
{
	if (!state->cfa_defined)
		return false;
	cfa->base = state->cfa_reg;
	cfa->offset = state->cfa_offset;
	cfa->add = 0;
	cfa->deref = false;
	if (state->cfa_expr && machine->special_cfa && machine->special_cfa(state, rule)) {
		cfa->base = CFI_BASE_CFA; /* nothing else counts from where it does */
		return true;
	}
	if (state->cfa_expr && !cfi_linear(state->cfa_expr, state->cfa_expr_size, cfa))
		return false;
	if (cfa->base > machine->last_register || !fits(cfa->offset) || !fits(cfa->add))
		return false;
	if (cfa->base == machine->sp) {
		rule->kind = cfa->deref ? UNWIND_DEREF_SP : UNWIND_SP;
	} else if (cfa->base == machine->registers.fp) {
		rule->kind = cfa->deref ? UNWIND_DEREF_FP : UNWIND_FP;
	} else {
		rule->kind = cfa->deref ? UNWIND_DEREF_REG : UNWIND_REG;
		rule->reg = (uint8_t)cfa->base;
	}
	rule->cfa_off = (int32_t)cfa->offset;
	rule->add = (int32_t)cfa->add;
	return true;
}

/* An expression for an address counts from the CFA, or from what the CFA counts from, or from the frame pointer. */
static enum where resolve(const struct unwind_machine *machine, const struct cfi_place *place,
			  const struct cfi_linear *cfa, int64_t *value)
{
	struct cfi_linear l;

	if (!cfi_linear(place->expr, place->expr_size, &l) || l.deref || !fits(l.offset))
		return WHERE_NOWHERE;
	*value = l.offset;
	if (l.base == CFI_BASE_CFA)
		return WHERE_CFA;
	if (l.base == cfa->base && !cfa->deref) {
		*value = l.offset - cfa->offset;
		return WHERE_CFA;
	}
	return l.base == machine->registers.fp ? WHERE_FP : WHERE_NOWHERE;
}

static enum where map_place(const struct unwind_machine *machine, const struct cfi_place *place,
			    const struct cfi_linear *cfa, int64_t *value)
{
	*value = place->value;
	switch (place->how) {
	case CFI_UNSPECIFIED:
		return WHERE_UNSAID;
	case CFI_UNDEFINED:
		return WHERE_UNDEFINED;
	case CFI_SAME:
		return WHERE_SAME;
	case CFI_AT_CFA:
		return WHERE_CFA;
	case CFI_IN_REG:
		return place->value >= 0 && (uint64_t)place->value <= machine->last_register
			       ? WHERE_REG
			       : WHERE_NOWHERE;
	case CFI_AT_EXPR:
		return resolve(machine, place, cfa, value);
	default:
		return WHERE_NOWHERE;
	}
}

static void map_fp(const struct unwind_machine *machine, const struct cfi_state *state,
		   const struct cfi_linear *cfa, struct unwind_rule *rule)
{
	int64_t value;
	enum where where = map_place(machine, &state->fp, cfa, &value);

	rule->fp = UNWIND_FP_LOST;
	if (where == WHERE_UNSAID || where == WHERE_SAME ||
	    (where == WHERE_REG && (uint64_t)value == machine->registers.fp))
		rule->fp = UNWIND_FP_SAME;
	else if (where == WHERE_CFA && fits(value))
		rule->fp = UNWIND_FP_AT_CFA;
	else if (where == WHERE_FP)
		rule->fp = UNWIND_FP_AT_FP;
	if (rule->fp == UNWIND_FP_AT_CFA || rule->fp == UNWIND_FP_AT_FP)
		rule->fp_off = (int32_t)value;
}

static bool map_ra(const struct unwind_machine *machine, const struct cfi_state *state,
		   const struct cfi_linear *cfa, struct unwind_rule *rule)
{
	int64_t value;
	enum where where = map_place(machine, &state->ra, cfa, &value);

	if (where == WHERE_CFA && fits(value)) {
		rule->ra_off = (int32_t)value;
		return true;
	}
	if (where != WHERE_REG) {
		if (!machine->ra_stays || (where != WHERE_UNSAID && where != WHERE_SAME))
			return false;
		value = (int64_t)machine->ra;
	}
	rule->ra = UNWIND_RA_IN_REG;
	rule->ra_reg = (uint8_t)value;
	return true;
}

/* Fills in rule in place: a copy of bytes just written would wait for them. */
static void map(const struct unwind_machine *machine, const struct cfi_cie *cie,
		const struct cfi_state *state, struct unwind_rule *rule)
{
	struct cfi_linear cfa;

	if (cie->ra_reg != machine->ra) {
		rule->kind = UNWIND_UNSUPPORTED;
	} else if (state->ra.how == CFI_UNDEFINED) {
		rule->kind = UNWIND_ROOT;
	} else if (cie->signal && machine->is_signal(state)) {
		rule->kind = UNWIND_SIGNAL;
	} else if (!map_cfa(machine, state, rule, &cfa) || !map_ra(machine, state, &cfa, rule)) {
		rule->kind = UNWIND_UNSUPPORTED;
	} else {
		rule->exact = cie->signal;
		rule->ra_signed = state->ra_signed;
		map_fp(machine, state, &cfa, rule);
	}
}

uint64_t unwind_rule_of(const struct unwind_machine *machine, const struct cfi_cie *cie,
			const struct cfi_state *state)
{
	struct unwind_rule rule = { .kind = UNWIND_GAP };

	map(machine, cie, state, &rule);
	return machine->pack(&rule);
}
