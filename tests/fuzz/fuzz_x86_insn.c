/* Code of anybody's, instruction by instruction: no more is read than there is, and what is behind changes nothing. */
#include "agent/base/cleanup.h"
#include "symbolizer/x86_insn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INSN_BYTES_MAX 15

/* The instruction alone, and cut short by a byte, which it then is not. */
static void check_alone(const uint8_t *code, const struct x86_insn *insn)
{
	_cleanup_(freep) uint8_t *copy = malloc(insn->size);
	struct x86_insn alone = { 0 };

	assert(copy);
	memcpy(copy, code, insn->size);
	assert(x86_decode(copy, insn->size, &alone));
	assert(alone.size == insn->size && alone.flow == insn->flow &&
	       alone.effect == insn->effect && alone.value == insn->value &&
	       alone.target == insn->target && alone.absolute == insn->absolute);
	assert(!x86_decode(copy, insn->size - 1u, &alone));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct x86_insn insn;

	for (size_t at = 0; at < size;) {
		if (!x86_decode(data + at, size - at, &insn)) {
			at++;
			continue;
		}
		assert(insn.size >= 1 && insn.size <= INSN_BYTES_MAX && insn.size <= size - at);
		check_alone(data + at, &insn);
		at += insn.size;
	}
	return 0;
}
