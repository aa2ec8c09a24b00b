/*
 * Foreign bytes as a compact profile: whatever they say, no fault, and what is read can be written and read again.
 *
 * Bytes without the magic are taken as the payload and deflated here, since mutations of deflated bytes hardly
 * ever get past the inflater.
 */
#include "proto/compact.h"
#include "proto/compact_format.h"
#include "proto/varint.h"

#include <assert.h>
#include <errno.h>
#include <libdeflate.h>
#include <string.h>

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
	if (flags) { /* the coarse way in steps, the fine one at once */
		_cleanup_(compact_decoder_freep) struct compact_decoder *d = NULL;

		r = compact_decoder_new(&d, data, len, p, index, flags);
		while (r == 0 && (r = compact_decoder_step(d, 3)) > 0)
			r = 0;
	} else {
		r = compact_decode(data, len, p, index, flags);
	}
	assert(r == 0 || r == -EBADMSG || r == -ENOSPC || r == -ENOMEM);
	if (r < 0)
		return;
	if (again && compact_encoder_new(&e, p) == 0)
		assert(compact_encode(e, index, again) == 0);
}

static void wrap(const uint8_t *data, size_t size, struct buf *out)
{
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(1);
	size_t bound = libdeflate_deflate_compress_bound(c, size);
	char *to;

	buf_init(out, COMPACT_MAX_PAYLOAD);
	buf_adds(out, COMPACT_MAGIC);
	varint_put(out, size);
	to = buf_grow(out, bound);
	out->len -= bound - libdeflate_deflate_compress(c, data, size, to, bound);
	libdeflate_free_compressor(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(buf_deinitp) struct buf again = BUF_NULL, wrapped = BUF_NULL;

	if (size < strlen(COMPACT_MAGIC) || memcmp(data, COMPACT_MAGIC, strlen(COMPACT_MAGIC))) {
		wrap(data, size, &wrapped);
		data = (const uint8_t *)wrapped.data;
		size = wrapped.len;
	}
	buf_init(&again, COMPACT_MAX_PAYLOAD);
	decode(data, size, 0, &again);
	decode(data, size, COMPACT_COARSE, NULL);
	if (again.len)
		decode(again.data, again.len, 0, NULL);
	return 0;
}
