/* Foreign bytes as hand-over messages and window bodies. */
#include "proto/winwire.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_body(const uint8_t *data, size_t size)
{
	struct winwire_body body;
	struct winwire_owner owner;
	uint32_t seconds[60];
	size_t nr = 0;

	if (winwire_body_init(&body, data, size) < 0)
		return;
	while (winwire_body_next(&body, &owner) > 0) {
		assert(++nr <= WINWIRE_MAX_OWNERS);
		winwire_parse_seconds(owner.seconds, owner.seconds_len, seconds, 60);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct winwire_message m, again;
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;

	read_body(data, size);
	if (winwire_parse(data, size, &m) < 0)
		return 0;
	buf_init(&b, WINWIRE_PACKET_MAX);
	if (m.type == WINWIRE_WINDOW)
		winwire_put_window(&b, &m.header);
	else if (m.type == WINWIRE_DEBUG_ASK || m.type == WINWIRE_DEBUG_BAD)
		winwire_put_build_id(&b, m.type, m.number, m.build_id, m.build_id_len);
	else
		return 0;
	if (!b.error)
		assert(winwire_parse(b.data, b.len, &again) == 0 && again.type == m.type &&
		       again.build_id_len == m.build_id_len &&
		       !memcmp(again.build_id, m.build_id, m.build_id_len));
	return 0;
}
