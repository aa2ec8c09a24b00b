/* Foreign bytes as a compact profile: whatever they say, no fault, and what is read can be written and read again. */
#include "proto/compact.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const void *data, size_t len, unsigned int flags, struct buf *again)
{
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_(compact_encoder_freep) struct compact_encoder *e = NULL;
	const struct profile_owner owner = { .name = 0 };
	uint32_t index;
	int r;

	if (profile_new(&p) < 0 || profile_add_owner(p, &owner, &index) < 0)
		return;
	r = compact_decode(data, len, p, index, flags);
	assert(r == 0 || r == -EBADMSG || r == -ENOSPC || r == -ENOMEM);
	if (r < 0)
		return;
	if (again && compact_encoder_new(&e, p) == 0)
		assert(compact_encode(e, index, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(buf_deinitp) struct buf again = BUF_NULL;

	buf_init(&again, COMPACT_MAX_PAYLOAD);
	decode(data, size, 0, &again);
	decode(data, size, COMPACT_COARSE, NULL);
	if (again.len)
		decode(again.data, again.len, 0, NULL);
	return 0;
}
